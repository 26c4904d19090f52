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

"""GAIN: a backbone, lateral connections, a context block and two GAIs that bring strides 16 and 32 to stride 8.

Source: arXiv 2601.01167 and the published network (heads with and without a stride-4 level).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gain_ros.model.backbones import Backbone, DFNetV2, NanoNet, ResNet18, conv_bn, conv_bn_relu
from gain_ros.model.gai import GAI, upsample
from gain_ros.model.timm_backbone import TimmBackbone

CONTEXTS = ("", "gap", "ppm")


class GlobalPoolContext(nn.Module):
    """Add the global average to every position, then mix ("gap")."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pooled = conv_bn_relu(channels, channels, 1)
        self.fuse = conv_bn_relu(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fuse(x + self.pooled(x.mean((2, 3), keepdim=True)))


class AuxHead(nn.Sequential):
    """Deep supervision on a GAI's output; training only."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(channels, channels, 3, padding=1),
                bn=nn.BatchNorm2d(channels),
                relu=nn.ReLU(inplace=True),
                dropout=nn.Dropout2d(0.1),
                classifier=nn.Conv2d(channels, classes, 1),
            )
        )


class GAIN(nn.Module):
    """Segmentation network on any backbone with strides 8, 16, 32 and optionally 4.

    ``channels`` is the head's width, ``context`` one of "", "gap", "ppm". ``fuse_3x3`` adds a 3x3 convolution after the
    merge; without a stride-4 level it is always there. ``forward`` takes float N×3×H×W normalised RGB of any size and
    returns logits N×classes×H×W; in training mode the tuple (logits at input size, auxiliary logits of the stride-16
    and of the stride-32 GAI, at stride 8).
    """

    def __init__(
        self, backbone: Backbone, classes: int, channels: int = 128, context: str = "gap", fuse_3x3: bool = True
    ) -> None:
        super().__init__()
        if context not in CONTEXTS:
            raise ValueError(f"context is {context!r}; expected one of {CONTEXTS}")
        missing = {8, 16, 32} - set(backbone.channels)
        if missing:
            raise ValueError(
                f"the backbone gives strides {sorted(backbone.channels)}; "
                f"GAIN needs 8, 16 and 32 (missing {sorted(missing)})"
            )
        self.classes = classes
        self.output_stride = 4 if 4 in backbone.channels else 8
        self.backbone = backbone
        self.lateral = nn.ModuleDict(
            {str(s): conv_bn_relu(c, channels, 1) for s, c in backbone.channels.items() if s in (4, 8, 16, 32)}
        )
        self.context = make_context(context, channels)
        self.gai16 = GAI(channels)
        self.gai32 = GAI(channels)
        self.merge = nn.Sequential(conv_bn_relu(3 * channels, channels, 1))
        if fuse_3x3 or self.output_stride == 8:
            self.merge.append(conv_bn_relu(channels, channels, 3))
        self.refine = conv_bn_relu(2 * channels, channels, 1) if self.output_stride == 4 else None
        self.dropout = nn.Dropout2d(0.1)
        self.classifier = nn.Conv2d(channels, classes, 1)
        self.aux16 = AuxHead(channels, classes)
        self.aux32 = AuxHead(channels, classes)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Head logits at ``output_stride``, and the two GAI outputs at stride 8."""
        p = {s: self.lateral[str(s)](f) for s, f in self.backbone(x).items() if str(s) in self.lateral}
        up16 = self.gai16(p[8], p[16])
        up32 = self.gai32(p[8], self.context(p[32]))
        y = self.merge(torch.cat((p[8], up16, up32), dim=1))
        if self.refine is not None:
            y = self.refine(torch.cat((upsample(y, p[4].shape[2:]), p[4]), dim=1))
        return self.classifier(self.dropout(y)), up16, up32

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        size = x.shape[2:]
        logits, up16, up32 = self.features(x)
        if not self.training:
            return upsample(logits, size)
        return upsample(logits, size), self.aux16(up16), self.aux32(up32)


def make_context(name: str, channels: int) -> nn.Module:
    if name == "gap":
        return GlobalPoolContext(channels)
    return PyramidPoolContext(channels) if name == "ppm" else nn.Identity()


class PyramidPoolContext(nn.Module):
    """Pyramid pooling ("ppm"; Zhao et al., PSPNet, CVPR 2017).

    1, 2, 3 and 6 bins of a quarter of the channels each, then the input.
    """

    bins = (1, 2, 3, 6)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(conv_bn(channels, channels // 4) for _ in self.bins)
        self.fuse = conv_bn_relu(2 * channels, channels, 1)
        self.dropout = nn.Dropout2d(0.1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = [
            upsample(branch(average_bins(x, n)), x.shape[2:])
            for n, branch in zip(self.bins, self.branches, strict=True)
        ]
        return self.dropout(self.fuse(torch.cat((*pooled, x), dim=1)))


def average_bins(x: Tensor, bins: int) -> Tensor:
    """Adaptive average pooling of N×C×H×W to bins×bins, as matrix products: these export to ONNX for every size."""
    height, width = torch._shape_as_tensor(x).to(x.device)[2:].unbind()
    return bin_weights(height, bins).to(x.dtype) @ (x @ bin_weights(width, bins).to(x.dtype).t())


def positions(length: Tensor, device: torch.device) -> Tensor:
    """0 to ``length`` - 1; the length of a traced picture is a tensor."""
    return torch.arange(length, device=device)  # type: ignore[call-overload]  # the stub knows numbers alone


def bin_weights(length: Tensor, bins: int) -> Tensor:
    """Float (bins, length): bin i averages the pixels j that touch [i, i + 1) · length / bins."""
    i = torch.arange(bins, device=length.device)[:, None]
    j = positions(length, length.device)[None, :]
    inside = torch.minimum((i + 1) * length - j * bins, (j + 1) * bins - i * length).clamp(0, 1).float()
    return inside / inside.sum(1, keepdim=True)


def gain_r18(classes: int, context: str = "gap", fuse_3x3: bool = True, dilation: int = 2) -> GAIN:
    """Return the published ResNet-18 form.

    Cityscapes configs: the defaults; CamVid configs: context "", fuse_3x3 False, dilation 1.
    """
    return GAIN(ResNet18(dilation), classes, 128, context, fuse_3x3)


def gain_df2(classes: int, context: str = "gap") -> GAIN:
    """Return the published DF-2 form."""
    return GAIN(DFNetV2(), classes, 128, context)


def gain_nano(classes: int, channels: int = 96) -> GAIN:
    """Our small form for CPUs and small Jetsons: 2.7 M parameters with the default width."""
    return GAIN(NanoNet(), classes, channels, "gap", fuse_3x3=True)


def gain(classes: int, backbone: str, channels: int = 96, context: str = "gap", fuse_3x3: bool = True) -> GAIN:
    """Return GAIN's head on a backbone of timm, by its name there."""
    return GAIN(TimmBackbone(backbone), classes, channels, context, fuse_3x3)


ARCHITECTURES: dict[str, Callable[..., GAIN]] = {
    "gain": gain,
    "gain_r18": gain_r18,
    "gain_df2": gain_df2,
    "gain_nano": gain_nano,
}


def build(architecture: str, classes: int, **options) -> GAIN:
    """Make a network by name: "gain", "gain_r18", "gain_df2" or "gain_nano", with that function's options.

    Raises ValueError for an unknown name or option, UsageError where a library that it needs is missing.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture is {architecture!r}; expected one of {', '.join(ARCHITECTURES)}")
    try:
        return ARCHITECTURES[architecture](classes, **options)
    except TypeError as error:
        raise ValueError(f"{architecture} got options {options}: {error}") from error
