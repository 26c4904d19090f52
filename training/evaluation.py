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

"""Whole frames through a network, as the node does it: input resize, folded network, output step.

Optionally with test time augmentation and in windows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gain_ros.fit import check_fit, place, seen_part, whole
from gain_ros.model import GAIN
from gain_ros.model.deploy import LogitsForm
from gain_ros.model_folder import IMAGENET_MEAN, IMAGENET_STD
from gain_ros.resize import labels_from_logits, resize_input


@dataclass(frozen=True)
class EvaluationOptions:
    """What ``validate`` and ``test`` do beyond one forward pass; the defaults are what the node does.

    ``scales``: factors of the network's input size, whose probabilities are averaged. ``flip``: the same with the
    mirrored frame. ``window``: (height, width) in pixels of a window that slides over the scaled frame, with at least
    ``overlap`` of its sides shared between neighbours; logits are averaged there. ``fit`` says how frames of another
    shape than the network's go in (:mod:`gain_ros.fit`); letterbox and area take one forward pass alone.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    window: tuple[int, int] | None = None
    overlap: float = 0.5
    fit: str = "stretch"

    @property
    def is_plain(self) -> bool:
        """Whether there is one forward pass a frame."""
        return self.scales == (1.0,) and not self.flip and self.window is None

    def __post_init__(self) -> None:
        if check_fit(self.fit) in ("letterbox", "area") and not self.is_plain:
            raise ValueError(f"evaluation.fit is {self.fit}; expected stretch or crop with scales, flip or window")
        if not self.scales or min(self.scales) <= 0:
            raise ValueError(f"evaluation.scales is {self.scales}; expected at least one factor above 0")
        if not 0 <= self.overlap < 1:
            raise ValueError(f"evaluation.overlap is {self.overlap}; expected 0 to below 1")


class Evaluator:
    """The network as it is now: later changes of its weights do not reach this copy, which computes in float32."""

    def __init__(
        self, network: GAIN, input_size: tuple[int, int], options: EvaluationOptions = EvaluationOptions()
    ) -> None:
        self.device = next(network.parameters()).device
        self.form = LogitsForm(network, IMAGENET_MEAN, IMAGENET_STD).eval()
        self.form.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own gap
        (height, width), self.options = input_size, options
        self.input_size = (height, width)

    def __call__(self, rgb: np.ndarray, size: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Label a frame, uint8 (H, W, 3): labels and confidence, uint8 each, at ``size`` (default: the frame's own)."""
        fit, size = self.options.fit, size or rgb.shape[:2]
        part = rgb[seen_part(rgb.shape[:2], self.input_size, fit).slices]
        placement = place(part.shape[:2], self.input_size, fit)
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            plain = self.options.is_plain
            logits = self.head_logits(placement.shown(part, IMAGENET_MEAN)) if plain else self.averaged(part)
        region = seen_part(size, self.input_size, fit)
        found = labels_from_logits(placement.cut(logits[0].cpu().numpy()), region.size, confidence=True)
        labels, confidence = cast("tuple[np.ndarray, np.ndarray]", found)  # confidence was asked for
        return whole(labels, region, size), whole(confidence, region, size, outside=0)

    def head_logits(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) of any size → float32 1×C×h'×w' at the head's stride."""
        return self.form(torch.from_numpy(np.ascontiguousarray(image))[None].to(self.device))

    def averaged(self, rgb: np.ndarray) -> Tensor:
        """Log of the mean probability over scales and flips, float32 1×C at the network's input size."""
        probabilities = []
        height, width = self.input_size
        for scale in self.options.scales:
            image = resize_input(rgb, (round(scale * height), round(scale * width)))
            for flipped in (False, True)[: 1 + self.options.flip]:
                logits = self.windowed(image[:, ::-1] if flipped else image)
                logits = logits.flip(3) if flipped else logits
                probabilities.append(resized(logits, self.input_size).softmax(1))
        return torch.stack(probabilities).mean(0).clamp(min=torch.finfo(torch.float32).tiny).log()

    def windowed(self, image: np.ndarray) -> Tensor:
        """Logits at the image's size, float32 1×C×h×w."""
        height, width = image.shape[:2]
        window = self.options.window or (height, width)
        total, count = torch.zeros((), device=self.device), torch.zeros(height, width, device=self.device)
        for top, bottom in spans(height, window[0], self.options.overlap):
            for left, right in spans(width, window[1], self.options.overlap):
                logits = resized(self.head_logits(image[top:bottom, left:right]), (bottom - top, right - left))
                total = total + F.pad(logits, (left, width - right, top, height - bottom))
                count[top:bottom, left:right] += 1
        return total / count


def resized(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def spans(length: int, window: int, overlap: float) -> Iterator[tuple[int, int]]:
    """Yield the fewest evenly spread windows that cover ``length`` with the overlap asked for: (start, end) each."""
    window = min(window, length)
    steps = math.ceil((length - window) / max(1, int(window * (1 - overlap))))
    for i in range(steps + 1):
        start = round(i * (length - window) / max(1, steps))
        yield start, start + window
