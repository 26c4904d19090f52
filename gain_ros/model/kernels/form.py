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

"""The deployment form for one GPU: what :class:`gain_ros.model.deploy.LabelsForm` does, in half precision and fused."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gain_ros.fit import Placement, mean_level, place
from gain_ros.model.deploy import fold
from gain_ros.model.gai import upsample
from gain_ros.model.gain import GAIN
from gain_ros.model.kernels.criss_cross import use_fused_attention
from gain_ros.model.kernels.pixels import frame_size, label_map, normalise


class FusedForm(nn.Module):
    """Camera bytes as :func:`normalise` takes them, at any size → (uint8 labels N×H×W, uint8 confidence N×H×W).

    The folded network runs in ``dtype`` and channels_last with the fused kernels around and inside it. The resizes and
    ``fit`` are those of LabelsForm: frames larger than the network on both axes become its first planes in one launch.
    """

    mean: Tensor
    scale: Tensor
    padding: Tensor

    def __init__(
        self,
        model: GAIN,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        input_size: tuple[int, int],
        dtype: torch.dtype = torch.float16,
        fit: str = "stretch",
    ) -> None:
        super().__init__()
        layout = torch.channels_last
        self.network = fold(model).to(dtype=dtype, memory_format=layout)  # type: ignore[call-overload]  # torch's gap
        use_fused_attention(self.network)
        self.register_buffer("mean", 255 * torch.tensor(mean))
        self.register_buffer("scale", 1 / (255 * torch.tensor(std)))
        self.register_buffer("padding", (torch.tensor(mean_level(mean)) - self.mean) * self.scale)
        self.input_size, self.dtype, self.fit = input_size, dtype, fit

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        size = frame_size(frames)
        placement = place(size, self.input_size, self.fit)
        planes = self.planes(frames, size, placement.inner)
        if placement.inner != placement.network:
            planes = self.padded(planes, placement)
        return label_map(placement.cut(self.network(planes)), size)

    def planes(self, frames: Tensor, size: tuple[int, int], target: tuple[int, int]) -> Tensor:
        """Camera bytes of ``size`` → normalised planes N×3×``target`` in ``dtype``."""
        shrunk = min(size[0], target[0]), min(size[1], target[1])
        if shrunk == target:
            return normalise(frames, self.mean, self.scale, shrunk, self.dtype)
        levels = normalise(frames, torch.zeros_like(self.mean), torch.ones_like(self.scale), shrunk, torch.float32)
        grown = (upsample(levels, target) + 0.5).floor()
        return ((grown - self.mean.view(3, 1, 1)) * self.scale.view(3, 1, 1)).to(self.dtype)

    def padded(self, planes: Tensor, placement: Placement) -> Tensor:
        """Put planes into the middle of the network's input, with the mean colour around them."""
        image = self.padding.to(self.dtype).view(1, 3, 1, 1).repeat(len(planes), 1, *placement.network)
        image = image.contiguous(memory_format=torch.channels_last)
        (top, left), (height, width) = placement.offset, placement.inner
        image[..., top : top + height, left : left + width] = planes
        return image
