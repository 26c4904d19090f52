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

"""What the frames of one source add up to: offline, in real time and attached alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gain_ros.errors import TruthError
from gain_ros.evaluation.reader import Reader, ReadFrame
from gain_ros.evaluation.report.gallery import Gallery
from gain_ros.evaluation.result import REFUSED, SCORED, BagScore, FrameRow
from gain_ros.evaluation.stability import Stability
from gain_ros.evaluation.truth import Truth, score
from gain_ros.labels import UNLABELLED, LabelSet
from gain_ros.score import mean_iou


@dataclass(frozen=True)
class ScoredMask:
    """A mask in the scored classes, uint8 (H, W), with the confidence of its winners, uint8 (H, W), where known.

    ``confusion`` is int64 (C, C), None where there is no truth; ``refused`` says why there is none although there was.
    """

    labels: np.ndarray
    confidence: np.ndarray | None = None
    confusion: np.ndarray | None = None
    refused: str | None = None

    @property
    def miou(self) -> float | None:
        return None if self.confusion is None else mean_iou(self.confusion)


def score_mask(
    labels: np.ndarray, frame: ReadFrame, truth: Truth | None, confidence: np.ndarray | None = None
) -> ScoredMask:
    """Score a model's mask, uint8 (H, W), against the truth of a frame, its own or a later one."""
    if truth is None:
        return ScoredMask(labels, confidence)
    labels = truth.project(labels)
    if frame.truth is None:
        return ScoredMask(labels, confidence)
    try:
        return ScoredMask(labels, confidence, score(frame.truth, labels, len(truth.classes)))
    except TruthError as error:
        return ScoredMask(labels, confidence, refused=str(error))


class Tally:
    """Adds up the frames of one source, in their order.

    Args:
        name: the source's.
        labels: the model's classes.
        truth: the source's, None where none was asked for.

    """

    def __init__(self, name: str, labels: LabelSet, truth: Truth | None):
        self._name, self.truth = name, truth
        self.classes = labels if truth is None else truth.classes
        self._confusion = self.no_pixels()
        self._labelled = 0
        self._stability = Stability(len(self.classes))
        self.frames = 0
        self.gallery = Gallery(self.classes, measure="agreement with the frame before" if truth is None else "mIoU")

    def no_pixels(self) -> np.ndarray:
        """Return a confusion matrix to add to, int64 (C, C)."""
        return np.zeros((len(self.classes),) * 2, np.int64)

    def add(
        self,
        frame: ReadFrame,
        outcome: str,
        mask: ScoredMask | None,
        stage_ms: Mapping[str, float],
        age_ms: float | None = None,
        in_use: ScoredMask | None = None,
    ) -> FrameRow:
        """Take in the next frame, and the mask that was in use at its time; returns its row."""
        self.frames += 1
        refused = next((each.refused for each in (mask, in_use) if each is not None and each.refused), None)
        without = None if frame.truth_state == SCORED else frame.truth_state
        return FrameRow(
            self._name,
            frame.stamp_ns,
            outcome,
            {stage: round(value, 3) for stage, value in stage_ms.items()},
            None if age_ms is None else round(age_ms, 3),
            REFUSED if refused else without if mask is None else frame.truth_state,
            miou_in_use=None if in_use is None else in_use.miou,
            error=refused or frame.error,
            **({} if mask is None else self._take_in(frame, mask)),
        )

    def _take_in(self, frame: ReadFrame, mask: ScoredMask) -> dict[str, Any]:
        measures = self._stability.add(mask.labels, mask.confidence)
        if mask.confusion is not None:
            self._confusion += mask.confusion
            self._labelled += np.count_nonzero(frame.truth != UNLABELLED)
        if frame.rgb is not None:
            steady = None if measures.changed is None else 1 - measures.changed
            quality = steady if self.truth is None else mask.miou
            self.gallery.add(frame.rgb, frame.truth, mask.labels, quality, frame.stamp_ns)
        return {"miou": mask.miou, **asdict(measures)}

    def bag_score(self, reader: Reader) -> BagScore:
        """Return all of it."""
        return BagScore(
            self._name,
            reader.source.topic,
            None if self.truth is None else self._confusion,
            self._stability.counts,
            () if self.truth is None else self.truth.unmatched(),
            (*reader.source.warnings, *self._left_out()),
            tuple(reader.errors),
        )

    def _left_out(self) -> tuple[str, ...]:
        """Say what of the truth no mask looked at: with fit crop, or a roi."""
        left_out = self._labelled - int(self._confusion.sum())
        if not left_out:
            return ()
        return (f"{100 * left_out / self._labelled:.1f} % of the labelled pixels are 255 in the masks, and not scored",)
