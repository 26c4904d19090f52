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
from collections.abc import Iterable

import cv2
import numpy as np

from gain_ros.frames import in_memory_order
from gain_ros.labels import UNLABELLED, LabelSet

_ROW_PX, _PATCH_PX, _FONT, _FONT_SCALE = 22, 34, cv2.FONT_HERSHEY_SIMPLEX, 0.45


def colorize(labels: np.ndarray, label_set: LabelSet) -> np.ndarray:
    """Class ids, uint8 (H, W) → colours, RGB uint8 (H, W, 3); ids that the set lacks, 255 among them, are black."""
    return cv2.applyColorMap(labels, _palette(label_set))


def overlay(rgb: np.ndarray, labels: np.ndarray, label_set: LabelSet, alpha: float = 0.5) -> np.ndarray:
    """Return the frame, uint8 (H, W, 3), with its mask drawn over it; ``alpha`` in 0..1 is the mask's share.

    Unlabelled pixels keep the frame's colour. Raises ValueError for sizes that differ or an alpha outside 0..1.
    """
    if rgb.shape[:2] != labels.shape or not 0.0 <= alpha <= 1.0:
        raise ValueError(
            f"frame {rgb.shape}, labels {labels.shape}, alpha {alpha}; expected one size and alpha in 0..1"
        )
    rgb = in_memory_order(rgb)
    blended = cv2.addWeighted(rgb, 1.0 - alpha, colorize(labels, label_set), alpha, 0.0)
    return cv2.copyTo(rgb, (labels == UNLABELLED).view(np.uint8), blended)


def legend(label_set: LabelSet, present: Iterable[int] | None = None) -> np.ndarray:
    """Names beside patches of their colour, RGB uint8, one row a class; only the ids ``present`` where given."""
    ids = range(len(label_set)) if present is None else sorted({int(i) for i in present if i < len(label_set)})
    names = [label_set.names[i] for i in ids]
    text_px = max((cv2.getTextSize(name, _FONT, _FONT_SCALE, 1)[0][0] for name in names), default=0)
    picture = np.full((max(1, len(names)) * _ROW_PX, _PATCH_PX + text_px + 18, 3), 255, np.uint8)
    for row, (name, i) in enumerate(zip(names, ids, strict=True)):
        top = row * _ROW_PX
        cv2.rectangle(picture, (6, top + 4), (_PATCH_PX, top + _ROW_PX - 4), label_set.colors[i], cv2.FILLED)
        cv2.putText(picture, name, (_PATCH_PX + 8, top + 15), _FONT, _FONT_SCALE, (0, 0, 0), 1, cv2.LINE_AA)
    return picture


@functools.lru_cache(maxsize=8)
def _palette(label_set: LabelSet) -> np.ndarray:
    palette = np.zeros((256, 1, 3), np.uint8)
    palette[: len(label_set), 0] = label_set.colors
    return palette
