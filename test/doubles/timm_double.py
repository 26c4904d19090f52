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

"""What TimmBackbone uses of timm, with three small backbones. test_timm.py tries the real one."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from torch import Tensor, nn

WIDTHS = {
    "small": {2: 4, 4: 8, 8: 12, 16: 16, 32: 20},
    "mobilenetv3_large_100": {2: 4, 4: 8, 8: 12, 16: 16, 32: 20},
    "resnet18": {2: 4, 4: 8, 8: 12, 16: 16, 32: 20},
    "coarse": {16: 16, 32: 20},
}


class NormAct(nn.BatchNorm2d):
    """A batch norm with its activation inside, as timm's own."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu()


class Features(nn.Module):
    def __init__(self, widths: dict[int, int]) -> None:
        super().__init__()
        self.feature_info = SimpleNamespace(reduction=lambda: list(widths), channels=lambda: list(widths.values()))
        self.blocks, before, stride = nn.ModuleList(), 3, 1
        for reduction, width in widths.items():
            layers: dict[str, nn.Module] = {"conv1": nn.Conv2d(before, width, 3, reduction // stride, 1, bias=False)}
            self.blocks.append(nn.ModuleDict({**layers, "bn1": NormAct(width)}))
            before, stride = width, reduction

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for block in self.blocks:
            x = block["bn1"](block["conv1"](x))
            maps.append(x)
        return maps


def create_model(name: str, pretrained: bool, features_only: bool, pretrained_cfg_overlay: Any = None) -> Features:
    assert features_only
    features = Features(WIDTHS[name])
    if pretrained:
        features.load_state_dict(pretrained_cfg_overlay["state_dict"])
    return features


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("timm")
    module.__spec__ = SimpleNamespace(name="timm")  # type: ignore[assignment]  # has_module asks for one
    module.create_model, module.is_model = create_model, WIDTHS.__contains__  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", module)
