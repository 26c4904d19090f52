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

"""Feature backbones of timm (huggingface/pytorch-image-models) for GAIN's head; timm is imported where one is made."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from gain_ros.libraries import require
from gain_ros.model.backbones import Backbone

STRIDES = (4, 8, 16, 32)


class TimmBackbone(Backbone):
    """The maps of ``timm.create_model(name, features_only=True)`` at strides 8, 16, 32, and at 4 where it has one.

    Weights are random until :meth:`load_pretrained`; nothing is downloaded here. Raises ValueError for a name that timm
    does not have and for a backbone without these strides, UsageError where timm is not installed.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        require(f"the backbone {name!r}", "timm")
        import timm

        # A name alone, no place on a hub: a model folder must not make anybody download.
        if not re.fullmatch(r"[\w.]+", name) or not timm.is_model(name):
            raise ValueError(f"backbone {name!r} is unknown; expected a name of timm.list_models()")
        self.name = name
        try:
            self.features = timm.create_model(name, pretrained=False, features_only=True)
        except (RuntimeError, AttributeError, AssertionError) as error:
            raise ValueError(f"backbone {name!r} gives no feature maps ({error}); take another of timm's") from error
        strides, widths = self.features.feature_info.reduction(), self.features.feature_info.channels()
        self.places = {stride: strides.index(stride) for stride in STRIDES if stride in strides}
        self.channels = {stride: widths[place] for stride, place in self.places.items()}

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        maps = self.features(x)
        return {stride: maps[place] for stride, place in self.places.items()}

    def load_pretrained(self, state: Mapping[str, Tensor] | None = None) -> None:
        """Take timm's own weights for this name: those of ``state``, which is a file of theirs, or their download.

        Raises RuntimeError for tensors that do not fit, OSError where a download fails.
        """
        import timm

        given = {"pretrained_cfg_overlay": {"state_dict": dict(state)}} if state else {}
        source = timm.create_model(self.name, pretrained=True, features_only=True, **given)
        self.features.load_state_dict(source.state_dict())
