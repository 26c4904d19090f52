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

"""What masks say about themselves without any truth: changes, flicker, low confidence, share of each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from gain_ros.labels import LabelSet

LOW_CONFIDENCE = 128  # of 255: the winner has less than half of the probability


@dataclass(frozen=True)
class FrameMeasures:
    """Shares of one mask's pixels, 0..1; None where they could not be taken.

    ``changed``: another class than in the mask before. ``flicker``: another class in the mask before, yet the same one
    in that before it: what came and went within three frames is seldom motion, and no optical flow is needed to see it.
    ``low_confidence``: winners below half of the probability. ``class_share``: each class's part.
    """

    changed: float | None
    flicker: float | None
    low_confidence: float | None
    class_share: tuple[float, ...]


@dataclass(frozen=True)
class Counts:
    """Pixels behind the shares, as (counted, of how many); they add up over frames and bags."""

    changed: tuple[int, int]
    flicker: tuple[int, int]
    low_confidence: tuple[int, int]
    classes: tuple[int, ...]

    @classmethod
    def none(cls, classes: int) -> Counts:
        return cls((0, 0), (0, 0), (0, 0), (0,) * classes)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            _sum(self.changed, other.changed),
            _sum(self.flicker, other.flicker),
            _sum(self.low_confidence, other.low_confidence),
            tuple(a + b for a, b in zip(self.classes, other.classes, strict=True)),
        )

    def shares(self, classes: LabelSet) -> dict[str, Any]:
        """Return the shares by name, None for what was never counted."""
        share = [_share((count, sum(self.classes))) for count in self.classes]
        return {
            "changed": _share(self.changed),
            "flicker": _share(self.flicker),
            "low_confidence_share": _share(self.low_confidence),
            "class_share": dict(zip(classes.names, share, strict=True)),
        }


class Stability:
    """Measures the masks of one camera in order."""

    def __init__(self, classes: int):
        self._classes = classes
        self._before: list[np.ndarray] = []
        self.counts = Counts.none(classes)

    def add(self, labels: np.ndarray, confidence: np.ndarray | None = None) -> FrameMeasures:
        """Take in the next mask, uint8 (H, W), and the confidence of its winners, uint8 (H, W), where known."""
        if self._before and self._before[-1].shape != labels.shape:
            self._before.clear()
        counts = Counts(
            *self._changes(labels),
            _low(confidence),
            tuple(int(n) for n in cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel()[: self._classes]),
        )
        self._before = [*self._before[-1:], labels]
        self.counts += counts
        known = sum(counts.classes)
        share = tuple(round(n / known, 6) if known else 0.0 for n in counts.classes)
        return FrameMeasures(_share(counts.changed), _share(counts.flicker), _share(counts.low_confidence), share)

    def _changes(self, labels: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
        if not self._before:
            return (0, 0), (0, 0)
        differs = cv2.compare(labels, self._before[-1], cv2.CMP_NE)
        changed = (cv2.countNonZero(differs), labels.size)
        if len(self._before) < 2:
            return changed, (0, 0)
        returned = cv2.bitwise_and(differs, cv2.compare(labels, self._before[-2], cv2.CMP_EQ))
        return changed, (cv2.countNonZero(returned), labels.size)


def _low(confidence: np.ndarray | None) -> tuple[int, int]:
    if confidence is None:
        return 0, 0
    return int(np.count_nonzero(confidence < LOW_CONFIDENCE)), confidence.size


def _sum(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    return left[0] + right[0], left[1] + right[1]


def _share(counted: tuple[int, int]) -> float | None:
    return round(counted[0] / counted[1], 6) if counted[1] else None
