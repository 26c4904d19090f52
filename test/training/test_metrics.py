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

"""The metric adds frames and processes up; the numbers are those of gain_ros.score."""

from __future__ import annotations

import numpy as np
import pytest

from gain_ros import score
from training.metrics import SegmentationScore

NAMES = ("a", "b", "c")


def frames(count, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        truth = np.kron(rng.choice((0, 1, 2, 255), (3, 4)), np.ones((8, 8))).astype(np.uint8)
        labels = np.where(rng.random(truth.shape) < 0.7, np.minimum(truth, 2), rng.integers(0, 3, truth.shape))
        yield truth, labels.astype(np.uint8), rng.integers(0, 256, truth.shape, dtype=np.uint8)


def test_frames_add_up():
    metric = SegmentationScore(NAMES)
    seen = list(frames(12))
    for frame in seen:
        metric.update(*frame)
    total = sum(score.confusion_matrix(truth, labels, 3) for truth, labels, _ in seen)
    images = [score.mean_iou(score.confusion_matrix(truth, labels, 3)) for truth, labels, _ in seen]
    result = metric.compute()
    assert result["miou"] == score.mean_iou(total)
    assert result["pixel_accuracy"] == score.pixel_accuracy(total)
    assert [result[f"iou/{name}"] for name in NAMES] == score.iou(total).tolist()
    assert result["image_miou"] == pytest.approx(np.mean(images), abs=1e-6)
    assert result["worst_decile"] == pytest.approx(np.mean(sorted(images)[:2]), abs=1e-6)
    bands = sum(score.boundary_counts(truth, labels, 3) for truth, labels, _ in seen)
    assert result["boundary_iou"] == pytest.approx(score.boundary_iou(bands).mean())
    assert result["calibration_error"] == score.calibration_error(sum(score.calibration_counts(*f) for f in seen))


def test_reset_forgets():
    metric = SegmentationScore(NAMES)
    metric.update(*next(frames(1)))
    metric.reset()
    assert metric.confusion.sum() == 0
    assert metric.image_miou == []


def test_without_labels_there_is_no_number():
    metric = SegmentationScore(NAMES)
    truth, labels, confidence = next(frames(1))
    metric.update(np.full_like(truth, 255), labels, confidence)
    assert all(np.isnan(value) for value in metric.compute().values())
