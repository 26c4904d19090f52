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

"""The exact inference form: batch norm folded, GAI folded and its softmax split, uint8 in and uint8 out.

Everything here equals the training form up to float rounding, for any weights, because bilinear interpolation U is
linear per channel and its weights sum to 1: U(Wx + b) = W U(x) + b, so every 1x1 convolution on an upsampled map runs
at the low resolution. Only operators that TensorRT 8.6 parses are used; no infinities, no log-sum-exp.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gain_ros.fit import mean_level, place
from gain_ros.model.gai import GAI, upsample
from gain_ros.model.gain import GAIN, positions


def criss_cross_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """:func:`gain_ros.model.gai.criss_cross_attention` without its mask, concatenation and slices.

    Both softmaxes share one maximum. The column counts the position itself a second time and that term is subtracted
    again. This is safe: the row holds the same term, so the denominator stays at or above exp(0). Channels stay before
    the attended axis, which keeps every transpose a cheap one-axis move.
    """
    columns, rows = (0, 3, 1, 2), (0, 2, 1, 3)
    e_column = q.permute(columns).transpose(2, 3) @ k.permute(columns)  # N W H H
    e_row = q.permute(rows).transpose(2, 3) @ k.permute(rows)  # N H W W
    e_self = (q * k).sum(1)  # N H W
    peak = torch.maximum(e_column.amax(3).transpose(1, 2), e_row.amax(3))  # N H W
    p_column = (e_column - peak.transpose(1, 2).unsqueeze(3)).exp()
    p_row = (e_row - peak.unsqueeze(3)).exp()
    p_self = (e_self - peak).exp()
    total = p_column.sum(3).transpose(1, 2) + p_row.sum(3) - p_self
    from_column = v.permute(columns) @ p_column.transpose(2, 3)  # N W V H
    from_row = v.permute(rows) @ p_row.transpose(2, 3)  # N H V W
    gathered = from_column.permute(0, 2, 3, 1) + from_row.permute(rows)
    return (gathered - p_self.unsqueeze(1) * v) / total.unsqueeze(1)


def attend(q: Tensor, k: Tensor, v: Tensor, x: Tensor, gamma: None = None) -> Tensor:
    """One pass with gamma folded into the values: x + attention."""
    return x + criss_cross_attention(q, k, v)


def conv1x1(weight: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    """Return a 1x1 convolution from a matrix (out, in) and a bias (out,)."""
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=bias is not None)
    conv.load_state_dict({"weight": weight[:, :, None, None]} | ({} if bias is None else {"bias": bias}))
    return conv


def matrix(conv: nn.Conv2d) -> Tensor:
    """Return the weights of a 1x1 convolution as float64 (out, in)."""
    return conv.weight.detach().double()[:, :, 0, 0]


def vector(conv: nn.Conv2d) -> Tensor:
    """Return the bias of a convolution that has one, as float64."""
    assert conv.bias is not None
    return conv.bias.detach().double()


class FoldedGAI(nn.Module):
    """GAI with one convolution on the deep map, one on the guide, one between the passes.

    The first makes queries, keys, values and the bottleneck's half.
    """

    attend = staticmethod(attend)

    def __init__(self, gai: GAI) -> None:
        super().__init__()
        self.key, self.inner = gai.to_q.out_channels, gai.value.out_channels
        self.channels = gai.out_conv.out_channels
        wq, wk, wv = matrix(gai.to_q), matrix(gai.to_k), matrix(gai.to_v)
        w1, w2, gamma = matrix(gai.query), matrix(gai.value), gai.gamma.detach().double()
        k_bias, v_bias = vector(gai.to_k), gamma * vector(gai.to_v)
        out = fuse_conv_bn_eval(gai.out_conv, gai.out_bn)
        w1_deep, w1_guide = w1.split((self.channels, self.channels), dim=1)
        out_x, out_deep = matrix(out).split((self.inner, self.channels), dim=1)
        self.deep = conv1x1(
            torch.cat((wq @ w1_deep, wk @ w2, w2, gamma * wv @ w2, out_deep)),
            torch.cat(
                (
                    torch.zeros(self.key).double(),
                    wk @ vector(gai.value) + k_bias,
                    vector(gai.value),
                    gamma * wv @ vector(gai.value) + v_bias,
                    vector(out),
                )
            ),
        )
        self.guide = conv1x1(wq @ w1_guide, wq @ vector(gai.query) + vector(gai.to_q))
        self.between = conv1x1(torch.cat((wk, gamma * wv)), torch.cat((k_bias, v_bias)))
        self.out = conv1x1(out_x)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        deep = upsample(self.deep(high), low.shape[2:])
        q, k, x, v, skip = deep.split((self.key, self.key, self.inner, self.inner, self.channels), dim=1)
        q = q + self.guide(low)
        x = self.attend(q, k, v, x)
        k, v = self.between(x).split((self.key, self.inner), dim=1)
        x = self.attend(q, k, v, x)
        return F.relu(self.out(x) + skip)


class FoldedGAIN(nn.Module):
    """float32 N×3×h×w normalised RGB → float32 head logits N×classes×h'×w' at ``output_stride``."""

    def __init__(self, model: GAIN) -> None:
        super().__init__()
        model = fold_batch_norm(model)
        self.output_stride = model.output_stride
        self.backbone, self.lateral, self.context = model.backbone, model.lateral, model.context
        self.merge, self.classifier = model.merge, model.classifier
        self.gai16, self.gai32 = FoldedGAI(model.gai16), FoldedGAI(model.gai32)
        if model.refine is not None:
            conv = cast(nn.Conv2d, model.refine.conv)  # named in conv_bn_relu
            merged, shallow = matrix(conv).split((conv.out_channels, conv.in_channels - conv.out_channels), dim=1)
            self.refine_merged, self.refine_shallow = conv1x1(merged), conv1x1(shallow, vector(conv))

    def forward(self, x: Tensor) -> Tensor:
        p = {s: self.lateral[str(s)](f) for s, f in self.backbone(x).items() if str(s) in self.lateral}
        up16 = self.gai16(p[8], p[16])
        up32 = self.gai32(p[8], self.context(p[32]))
        y = self.merge(torch.cat((p[8], up16, up32), dim=1))
        if self.output_stride == 4:
            y = F.relu(upsample(self.refine_merged(y), p[4].shape[2:]) + self.refine_shallow(p[4]))
        return self.classifier(y)


def fold_batch_norm(model: GAIN) -> GAIN:
    """Return a copy in eval mode whose convolutions carry their batch norms; GAIs stay as they are.

    Folded are those stored as convX / bnX beside each other; a norm of a class of its own may do more, and stays.
    """
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        for name, conv in list(module.named_children()):
            norm = getattr(module, name.replace("conv", "bn"), None) if name.startswith("conv") else None
            if isinstance(conv, nn.Conv2d) and type(norm) is nn.BatchNorm2d:
                setattr(module, name, fuse_conv_bn_eval(conv, norm))
                setattr(module, name.replace("conv", "bn"), nn.Identity())
    return model


def fold(model: GAIN) -> FoldedGAIN:
    """Return the folded network, in eval mode, without auxiliary heads and dropout."""
    return FoldedGAIN(model).eval().requires_grad_(False)


class LogitsForm(nn.Module):
    """uint8 N×h×w×3 RGB at the network's size → float32 head logits N×classes×h'×w'.

    ``mean`` and ``std`` are of RGB in 0..1.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, model: GAIN, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network = fold(model)
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("scale", 1 / (255 * torch.tensor(std).view(1, 3, 1, 1)))

    def forward(self, images: Tensor) -> Tensor:
        return self.from_planes(images.permute(0, 3, 1, 2).float())

    def from_planes(self, x: Tensor) -> Tensor:
        return self.network((x - self.mean) * self.scale)


class LabelsForm(nn.Module):
    """uint8 N×H×W×3 RGB at the camera's size → (uint8 labels N×H×W, uint8 confidence N×H×W).

    The input resize is that of :mod:`gain_ros.resize`: area average where an axis shrinks, then bilinear where
    it grows, each rounded to 8 bit. The head's logits are resized once, bilinear, to the camera's size; labels are
    their arg-max and confidence is the label's softmax probability in 1/255. ``input_size`` is the network's (height,
    width), ``fit`` one of :mod:`gain_ros.fit`. :mod:`gain_ros.onnx.labels_form` writes the same as a graph.
    """

    def __init__(
        self,
        model: GAIN,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        input_size: tuple[int, int],
        fit: str = "stretch",
    ) -> None:
        super().__init__()
        self.logits = LogitsForm(model, mean, std)
        self.input_size, self.fit = input_size, fit
        self.level = mean_level(mean)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        x = frames.permute(0, 3, 1, 2).float()
        placement = place((x.shape[2], x.shape[3]), self.input_size, self.fit)
        shown = resize_input(x, placement.inner)
        if placement.inner != placement.network:
            top, bottom, left, right = placement.margins
            level = x.new_tensor(self.level).view(1, 3, 1, 1)
            shown = F.pad(shown - level, (left, right, top, bottom)) + level
        logits = upsample(placement.cut(self.logits.from_planes(shown)), x.shape[2:])
        labels = logits.argmax(1).to(torch.uint8)
        peak = logits.amax(1, keepdim=True)
        confidence = 255 / (logits - peak).exp().sum(1)
        return labels, (confidence + 0.5).floor().to(torch.uint8)


def resize_input(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize float N×3×H×W of 8-bit levels to N×3×size, rounded to 8-bit levels."""
    height, width = torch._shape_as_tensor(x)[2:].unbind()
    rows, columns = (area_weights(side, target, x.device) for side, target in zip((height, width), size, strict=True))
    shrunk = (rows @ (x @ columns.t()) + 0.5).floor()
    return (upsample(shrunk, size) + 0.5).floor()


def area_weights(length: Tensor, target: int, device: torch.device) -> Tensor:
    """Return box-average weights (min(length, target), length).

    They are the share of each source pixel in each target pixel; the identity where nothing shrinks.
    """
    count = torch.clamp(length, max=target)
    step = length.float() / count.float()
    source = positions(length, device)[None, :].float()
    start = positions(count, device)[:, None].float() * step
    return (torch.minimum(source + 1, start + step) - torch.maximum(source, start)).clamp(min=0) / step
