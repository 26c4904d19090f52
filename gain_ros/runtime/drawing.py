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

"""Masks for people's eyes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from gain_ros.frames import in_memory_order
from gain_ros.labels import UNLABELLED, LabelSet

# A row of the legend has at least so many pixels, so that it can be read, and else so much of the frame's height.
_ROW_PX, _ROW_SHARE = 14, 1 / 40
_FONT, _FONT_SHARE = cv2.FONT_HERSHEY_SIMPLEX, 0.026
_PAPER, _INK = 24, (255, 255, 255)


def colorize(labels: np.ndarray, label_set: LabelSet) -> np.ndarray:
    """Class ids, uint8 (H, W) → colours, RGB uint8 (H, W, 3); ids that the set lacks, 255 among them, are black."""
    return cv2.applyColorMap(labels, _palette(label_set))


def overlay(rgb: np.ndarray, labels: np.ndarray, label_set: LabelSet, alpha: float = 0.5) -> np.ndarray:
    """Return the frame, uint8 (H, W, 3), with its mask and a legend over it; ``alpha`` in 0..1 is the mask's share.

    Unlabelled pixels keep the frame's colour. The legend is at the top, in at most a quarter of the height; frames too
    small for one row of it have none. Raises ValueError for sizes that differ or an alpha outside 0..1.
    """
    if rgb.shape[:2] != labels.shape or not 0.0 <= alpha <= 1.0:
        raise ValueError(
            f"frame {rgb.shape}, labels {labels.shape}, alpha {alpha}; expected one size and alpha in 0..1"
        )
    rgb = in_memory_order(rgb)
    blended = cv2.addWeighted(rgb, 1.0 - alpha, colorize(labels, label_set), alpha, 0.0)
    blended = cv2.copyTo(rgb, (labels == UNLABELLED).view(np.uint8), blended)
    names = legend(label_set, *labels.shape, ids=_listed(label_set, labels))
    blended[: len(names), : names.shape[1]] = names
    return blended


@functools.lru_cache(maxsize=8)
def legend(label_set: LabelSet, height: int, width: int, ids: tuple[int, ...]) -> np.ndarray:
    """Names beside patches of their colour, RGB uint8, in columns across the top of a frame of this size.

    Empty, (0, 0, 3), without ids or where not even one name fits.
    """
    names = [label_set.names[i] for i in ids]
    grid = _grid(height, width, names)
    if not 0 < len(ids) <= grid.places:
        return np.zeros((0, 0, 3), np.uint8)
    rows = -(-len(ids) // grid.columns)
    columns = -(-len(ids) // rows)
    picture = np.full((rows * grid.row_px, columns * grid.column_px, 3), _PAPER, np.uint8)
    for place, (name, i) in enumerate(zip(names, ids, strict=True)):
        column, row = divmod(place, rows)
        left, top, gap = column * grid.column_px, row * grid.row_px, grid.row_px // 6
        corners = (left + gap, top + gap), (left + grid.row_px - gap, top + grid.row_px - gap - 1)
        cv2.rectangle(picture, *corners, label_set.colors[i], cv2.FILLED)
        cv2.rectangle(picture, *corners, _INK)  # some classes are as dark as the paper
        baseline = left + grid.row_px + gap, top + round(0.72 * grid.row_px)
        cv2.putText(picture, name, baseline, _FONT, grid.font_scale, _INK, grid.stroke_px, cv2.LINE_AA)
    return picture


@dataclass(frozen=True)
class _Grid:
    """Places for names in the upper quarter of a frame, ``columns`` x ``rows``."""

    columns: int
    rows: int
    column_px: int
    row_px: int
    font_scale: float
    stroke_px: int

    @property
    def places(self) -> int:
        return self.columns * self.rows


def _grid(height: int, width: int, names: Sequence[str]) -> _Grid:
    row_px = max(_ROW_PX, round(_ROW_SHARE * height))
    font_scale, stroke_px = row_px * _FONT_SHARE, max(1, row_px // _ROW_PX - 1)
    text_px = max((cv2.getTextSize(name, _FONT, font_scale, stroke_px)[0][0] for name in names), default=0)
    column_px = text_px + row_px + row_px // 2
    return _Grid(width // column_px, height // 4 // row_px, column_px, row_px, font_scale, stroke_px)


def _listed(label_set: LabelSet, labels: np.ndarray) -> tuple[int, ...]:
    """Return the ids that the legend lists: all with a name; where those are too many, the largest in this mask.

    All of them, because what comes and goes with each frame of a video cannot be read.
    """
    named = [i for i, name in enumerate(label_set.names) if name]
    height, width = labels.shape
    grid = _grid(height, width, [label_set.names[i] for i in named])
    if len(named) <= grid.places:
        return tuple(named)
    pixels = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel()
    largest = sorted((i for i in named if pixels[i]), key=lambda i: -pixels[i])
    return tuple(sorted(largest[: grid.places]))


@functools.lru_cache(maxsize=8)
def _palette(label_set: LabelSet) -> np.ndarray:
    palette = np.zeros((256, 1, 3), np.uint8)
    palette[: len(label_set), 0] = label_set.colors
    return palette
