# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""What tools of others do to pictures before their networks, and to what these give: by the names of the tools."""

from __future__ import annotations

from dataclasses import dataclass

from gain_ros.model_folder import IMAGENET_MEAN, IMAGENET_STD


@dataclass(frozen=True)
class Preset:
    """Values for what the command line leaves open.

    ``outputs`` are names of outputs, the first that is there is taken; ``queries`` those of the classes and of the
    masks of a network that gives queries, whose scores its own code makes at ``queries_size``.
    """

    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    outputs: tuple[str, ...] = ()
    align_corners: bool = False
    queries: tuple[str, str] | None = None
    queries_size: tuple[int, int] = (384, 384)


PLAIN = Preset()
PRESETS = {
    "torchvision": Preset(IMAGENET_MEAN, IMAGENET_STD, ("out",)),
    "segformer": Preset(IMAGENET_MEAN, IMAGENET_STD, ("logits",)),
    "mask2former": Preset(IMAGENET_MEAN, IMAGENET_STD, queries=("class_queries_logits", "masks_queries_logits")),
    "ultralytics": PLAIN,
    "mmseg": Preset(IMAGENET_MEAN, IMAGENET_STD, ("output",)),
    "pidnet": Preset(IMAGENET_MEAN, IMAGENET_STD, align_corners=True),
}
