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

"""Guided Attentive Interpolation (GAI): upsample a deep feature map under the guidance of a shallow one.

The paper's operator. Source: arXiv 2601.01167, and the published network's form where the paper leaves it open. A deep
map is brought to the guide's size by bilinear interpolation; two criss-cross attention passes with shared weights,
whose queries see both maps, then let every position gather from every other one, first along its row and column, then
along theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def upsample(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, half-pixel centres (align_corners False). The only interpolation in the network."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def criss_cross_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Each position attends to its column and its row; one softmax over the H + W - 1 distinct positions.

    q, k: N×K×H×W, v: N×V×H×W. Returns N×V×H×W. No 1/sqrt(K) scale. The position itself is counted once, in the row: the
    column's own entry is masked with -inf. This is the plain form; :mod:`gain_ros.model.deploy` holds an exact fast
    one.
    """
    h = q.shape[2]
    place = torch.arange(h, device=q.device)
    itself = place[:, None] == place  # not torch.eye: ONNX Runtime has no boolean EyeLike
    column = q.permute(0, 3, 2, 1) @ k.permute(0, 3, 1, 2)  # N W H H
    row = q.permute(0, 2, 3, 1) @ k.permute(0, 2, 1, 3)  # N H W W
    column = column.masked_fill(itself, float("-inf")).transpose(1, 2)  # N H W H
    weights = torch.cat((column, row), dim=3).softmax(dim=3).to(v.dtype)
    from_column = weights[..., :h].transpose(1, 2) @ v.permute(0, 3, 2, 1)  # N W H V
    from_row = weights[..., h:] @ v.permute(0, 2, 3, 1)  # N H W V
    return from_column.permute(0, 3, 2, 1) + from_row.permute(0, 3, 1, 2)


def attend(q: Tensor, k: Tensor, v: Tensor, x: Tensor, gamma: Tensor) -> Tensor:
    """One pass: x + gamma · attention."""
    return gamma * criss_cross_attention(q, k, v) + x


class GAI(nn.Module):
    """Upsample ``high`` to the size of ``low``, guided by ``low``.

    ``channels`` is the width C of both inputs and of the output; values have C/2 channels, queries and keys C/16.
    ``gamma`` is learned and starts at 0, so the module starts as a plain bilinear upsampling block. ``attend`` is the
    pass itself, which :func:`gain_ros.model.kernels.use_fused_attention` replaces.
    """

    passes = 2
    attend = staticmethod(attend)

    def __init__(self, channels: int = 128) -> None:
        super().__init__()
        if channels % 16:
            raise ValueError(
                f"GAI got {channels} channels; expected a multiple of 16 (queries and keys have channels/16)"
            )
        inner, key = channels // 2, channels // 16
        self.query = nn.Conv2d(2 * channels, inner, 1)
        self.value = nn.Conv2d(channels, inner, 1)
        self.to_q = nn.Conv2d(inner, key, 1)
        self.to_k = nn.Conv2d(inner, key, 1)
        self.to_v = nn.Conv2d(inner, inner, 1)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.out_conv = nn.Conv2d(inner + channels, channels, 1, bias=False)
        self.out_bn = nn.BatchNorm2d(channels)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """low: N×C×H×W, the guide; high: N×C×h×w. Returns N×C×H×W."""
        up = upsample(high, low.shape[2:])
        q = self.to_q(self.query(torch.cat((up, low), dim=1)))
        x = self.value(up)
        for _ in range(self.passes):
            x = self.attend(q, self.to_k(x), self.to_v(x), x, self.gamma)
        return F.relu(self.out_bn(self.out_conv(torch.cat((x, up), dim=1))))
