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

"""Backbones. Each maps N×3×H×W to a dict of feature maps by stride and tells their widths in ``channels``.

Any :class:`Backbone` serves :class:`gain_ros.model.gain.GAIN`: strides 8, 16 and 32 are needed, 4 is used
where given.
"""

from __future__ import annotations

from collections import OrderedDict

import torch.nn.functional as F
from torch import Tensor, nn


def conv_bn_relu(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
            bn=nn.BatchNorm2d(c_out),
            relu=nn.ReLU(inplace=True),
        )
    )


def conv_bn(c_in: int, c_out: int, stride: int = 1) -> nn.Sequential:
    """Return a 1x1 projection without activation."""
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(c_in, c_out, 1, stride, bias=False), bn=nn.BatchNorm2d(c_out)))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al.

    2016). ``dilation`` acts on the second convolution, as in the published configs.
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.shortcut = nn.Sequential()
        if stride != 1 or c_in != c_out:
            self.shortcut = conv_bn(c_in, c_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


def stage(c_in: int, c_out: int, blocks: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    first = BasicBlock(c_in, c_out, stride, dilation)
    return nn.Sequential(first, *(BasicBlock(c_out, c_out, dilation=dilation) for _ in range(blocks - 1)))


class Backbone(nn.Module):
    """``channels`` maps each stride to the width of its feature map, ``forward`` gives the maps."""

    channels: dict[int, int]


class FourStages(Backbone):
    """A stem and four stages: features at strides 4, 8, 16 and 32."""

    stem: nn.Sequential
    stage4: nn.Sequential
    stage8: nn.Sequential
    stage16: nn.Sequential
    stage32: nn.Sequential

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        f4 = self.stage4(self.stem(x))
        f8 = self.stage8(f4)
        f16 = self.stage16(f8)
        return {4: f4, 8: f8, 16: f16, 32: self.stage32(f16)}


class ResNet18(FourStages):
    """ResNet-18 with the deep stem (three 3x3 convolutions).

    ``dilation`` is that of the last stage; its stride stays 32.
    """

    channels = {4: 64, 8: 128, 16: 256, 32: 512}

    def __init__(self, dilation: int = 1) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            conv_bn_relu(3, 64, 3, stride=2),
            conv_bn_relu(64, 64, 3),
            conv_bn_relu(64, 128, 3),
            nn.MaxPool2d(3, 2, padding=1),
        )
        self.stage4 = stage(128, 64, 2)
        self.stage8 = stage(64, 128, 2, stride=2)
        self.stage16 = stage(128, 256, 2, stride=2)
        self.stage32 = stage(256, 512, 2, stride=2, dilation=dilation)
        kaiming_init(self)


class DFNetV2(Backbone):
    """DF-2 (Li et al., "Partial Order Pruning", CVPR 2019). No stride-4 output."""

    channels = {8: 128, 16: 256, 32: 512}

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn_relu(3, 32, 3, stride=2), conv_bn_relu(32, 64, 3, stride=2))
        self.stage8 = nn.Sequential(stage(64, 64, 2, stride=2), stage(64, 128, 1))
        self.stage16 = nn.Sequential(stage(128, 128, 10, stride=2), stage(128, 256, 1))
        self.stage32 = nn.Sequential(stage(256, 256, 4, stride=2), stage(256, 512, 2))

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        f8 = self.stage8(self.stem(x))
        f16 = self.stage16(f8)
        return {8: f8, 16: f16, 32: self.stage32(f16)}


class NanoNet(FourStages):
    """A light residual network that trains from scratch.

    Plain 3x3 convolutions (fast on CPUs and in TensorRT alike), narrow early, two blocks a stage.
    """

    channels = {4: 48, 8: 96, 16: 160, 32: 176}

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn_relu(3, 24, 3, stride=2), conv_bn_relu(24, 48, 3, stride=2))
        self.stage4 = stage(48, 48, 1)
        self.stage8 = stage(48, 96, 2, stride=2)
        self.stage16 = stage(96, 160, 2, stride=2)
        self.stage32 = stage(160, 176, 2, stride=2)
        kaiming_init(self)


def kaiming_init(module: nn.Module) -> None:
    """Kaiming-normal, fan-out, for every convolution (He et al. 2015)."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
