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

"""A drawn street on disk, in SegNet's CamVid layout, so that everything that reads a folder can read it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gain_ros.pictures import encode
from training.scenes.street import StreetScene


def write_street(folder: Path, seed: int, frames: int, rate_hz: float, tick: Callable[[int], object]) -> Path:
    """Write pictures to ``folder/scene`` and class ids to ``folder/sceneannot``, 480x360 each; returns the former.

    Args:
        folder: an existing folder.
        seed: which street.
        frames: how many; one each 1/``rate_hz`` seconds of the drive.
        rate_hz: frames a second.
        tick: called after each frame with how many are done.

    """
    pictures, masks = folder / "scene", folder / "sceneannot"
    pictures.mkdir()
    masks.mkdir()
    scene = StreetScene(seed)
    for index in range(frames):
        rgb, labels = scene.frame(index / rate_hz)
        for place, pixels in ((pictures, rgb), (masks, labels)):
            (place / f"{index:06d}.png").write_bytes(encode(pixels))
        tick(index + 1)
    return pictures
