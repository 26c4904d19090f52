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

"""Every measure against its definition written out, on random maps."""

from __future__ import annotations

import numpy as np
import pytest

from gain_ros.labels import CITYSCAPES, CITYSCAPES_IDS, LabelSet
from gain_ros.score import (
    away_from_borders,
    boundary_counts,
    boundary_iou,
    calibration_counts,
    calibration_error,
    confusion_matrix,
    group_iou,
    iou,
    mean_iou,
    pixel_accuracy,
    worst_decile,
)


def random_maps(rng, classes, shape=(23, 31), unlabelled=0.2):
    truth = rng.integers(0, classes, shape, dtype=np.uint8)
    labels = np.where(rng.random(shape) < 0.6, truth, rng.integers(0, classes, shape, dtype=np.uint8))
    return np.where(rng.random(shape) < unlabelled, 255, truth).astype(np.uint8), labels


@pytest.mark.parametrize("classes", [2, 11, 19, 255])
def test_confusion_counts_each_labelled_pixel(classes):
    truth, labels = random_maps(np.random.default_rng(classes), classes)
    expected = np.zeros((classes, classes), np.int64)
    for t, p in zip(truth.ravel(), labels.ravel(), strict=True):
        if t != 255:
            expected[t, p] += 1
    assert np.array_equal(confusion_matrix(truth, labels, classes), expected)
    assert np.array_equal(confusion_matrix(truth.astype(np.int64), labels.astype(np.int32), classes), expected)


def test_the_iou_of_a_group_is_that_of_its_classes_taken_as_one():
    groups = (("low", "grey"), ("low",), (), ("grey",), ("rare",))
    labels = LabelSet("five", tuple("abcde"), ((0, 0, 0),) * 5, groups)
    truth, mask = random_maps(np.random.default_rng(0), 4)
    found = group_iou(confusion_matrix(truth, mask, 5), labels)
    for group in ("low", "grey"):
        of_group = [place for place, those in enumerate(groups) if group in those]
        pair = [np.isin(ids, of_group)[truth != 255].astype(np.uint8) for ids in (truth, mask)]
        assert found[group] == pytest.approx(iou(confusion_matrix(*pair, 2))[1])
    assert list(found) == ["low", "grey", "rare"]
    assert np.isnan(found["rare"])
    assert group_iou(np.eye(2, dtype=np.int64), LabelSet("two", ("a", "b"), ((0, 0, 0),) * 2)) == {}


def test_confusion_of_runs_of_one_pair_and_of_nothing():
    truth = np.full((4, 5), 3, np.uint8)
    assert confusion_matrix(truth, truth, 5)[3, 3] == 20
    assert confusion_matrix(np.full_like(truth, 255), truth, 5).sum() == 0
    assert confusion_matrix(truth[:0].astype(int), truth[:0], 5).tolist() == np.zeros((5, 5)).tolist()


@pytest.mark.parametrize(
    ("truth", "labels", "message"),
    [
        ([[0, 7]], [[0, 1]], r"truth holds ids 0\.\.7; expected 0\.\.2"),
        ([[0, 1]], [[0, 7]], r"labels holds ids 0\.\.7; expected 0\.\.2"),
        ([[0, 1]], [[0, 254]], r"labels holds ids 0\.\.254"),
        ([[0, -1]], [[0, 1]], r"truth holds ids -1\.\.0"),
        ([[0, 256]], [[0, 1]], r"truth holds ids 0\.\.256"),
        ([[0, 1]], [[0]], "score labels at the truth's size"),
    ],
)
def test_ids_and_shapes_that_cannot_be_counted_are_refused(truth, labels, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(np.array(truth), np.array(labels), 3)


def test_what_was_not_looked_at_is_not_scored():
    truth, labels = np.array([[0, 1, 2]], np.uint8), np.array([[0, 255, 1]], np.uint8)
    assert confusion_matrix(truth, labels, 3).tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_a_wrong_label_where_the_truth_is_unlabelled_does_not_matter():
    truth, labels = np.array([[0, 255]], np.uint8), np.array([[0, 9]], np.uint8)
    assert confusion_matrix(truth, labels, 3).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_absent_classes_are_left_out_of_the_mean():
    confusion = np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]])
    assert iou(confusion)[:2].tolist() == [3 / 6, 4 / 7]
    assert np.isnan(iou(confusion)[2])
    assert mean_iou(confusion) == pytest.approx((3 / 6 + 4 / 7) / 2)
    assert pixel_accuracy(confusion) == pytest.approx(0.7)
    assert np.isnan(mean_iou(np.zeros((3, 3))))
    assert np.isnan(pixel_accuracy(np.zeros((3, 3))))


@pytest.mark.parametrize("seed", range(3))
def test_mean_iou_is_that_of_the_cityscapes_benchmark(seed):
    """The benchmark's rule, on maps of official ids: IoU = TP / (TP + FP + FN) over the images together, pixels whose
    truth is an id that is not evaluated count neither way, classes that never occur are left out of the mean.
    """
    rng = np.random.default_rng(seed)
    occurring = CITYSCAPES_IDS[:-1]  # one class that never occurs
    maps = []
    for _ in range(3):
        truth = rng.integers(0, 34, (20, 30))
        truth[truth == CITYSCAPES_IDS[-1]] = 0
        right = (rng.random(truth.shape) < 0.5) & np.isin(truth, occurring)
        maps.append((truth, np.where(right, truth, rng.choice(occurring, truth.shape))))
    official = []
    for class_id in occurring:
        evaluated = [(t[np.isin(t, CITYSCAPES_IDS)], p[np.isin(t, CITYSCAPES_IDS)]) for t, p in maps]
        hits = sum(((t == class_id) & (p == class_id)).sum() for t, p in evaluated)
        missed = sum(((t == class_id) & (p != class_id)).sum() for t, p in evaluated)
        false = sum(((t != class_id) & (p == class_id)).sum() for t, p in evaluated)
        official.append(hits / (hits + missed + false))
    to_train_id = np.full(34, 255, np.uint8)
    to_train_id[list(CITYSCAPES_IDS)] = np.arange(len(CITYSCAPES))
    ours = sum(confusion_matrix(to_train_id[t], to_train_id[p], len(CITYSCAPES)) for t, p in maps)
    assert np.allclose(iou(ours)[:-1], official, atol=0, rtol=1e-12)
    assert mean_iou(ours) == pytest.approx(np.mean(official), abs=1e-12)


def test_worst_decile_is_the_mean_of_the_lowest_tenth_rounded_up():
    assert worst_decile([0.9] * 9 + [0.5, 0.1]) == pytest.approx(0.3)
    assert worst_decile([0.4, float("nan")]) == pytest.approx(0.4)
    assert np.isnan(worst_decile([]))


def band(ids, class_id, d):
    """The pixels of a class that lose the class when it is shrunk by d pixels; the outside is no class."""
    mask = np.pad(ids == class_id, d)
    inner = np.ones(ids.shape, bool)
    for dy in range(2 * d + 1):
        for dx in range(2 * d + 1):
            inner &= mask[dy : dy + ids.shape[0], dx : dx + ids.shape[1]]
    return (ids == class_id) & ~inner


def test_boundary_iou_is_the_iou_of_the_bands():
    rng = np.random.default_rng(0)
    truth = np.kron(rng.integers(0, 3, (5, 6)), np.ones((40, 50))).astype(np.uint8)
    labels = np.roll(truth, (1, 2), (0, 1))
    truth[:10] = 255
    d = 2  # 0.005 of the diagonal of 200x300, 360.6
    counts = boundary_counts(truth, labels, 4)
    seen = np.where(truth == 255, 255, labels)
    for c in range(3):
        a, b = band(truth, c, d), band(seen, c, d)
        assert boundary_iou(counts)[c] == pytest.approx((a & b).sum() / (a | b).sum())
    assert np.isnan(boundary_iou(counts)[3])
    assert boundary_iou(boundary_counts(truth, truth, 4))[:3].tolist() == [1, 1, 1]


def test_the_end_of_the_image_is_a_border():
    away = away_from_borders(np.zeros((9, 9), np.uint8), 2)
    assert (away == 255).sum() == 25
    assert away[2:-2, 2:-2].all()


def test_calibration_error_of_known_confidence():
    truth = np.zeros((1, 100), np.uint8)
    labels = np.zeros_like(truth)
    labels[0, :40] = 1
    sure, unsure = np.full_like(truth, 255), np.full_like(truth, 153)  # 153 / 255 = 0.6
    assert calibration_error(calibration_counts(truth, labels, sure)) == pytest.approx(0.4)
    assert calibration_error(calibration_counts(truth, labels, unsure)) == pytest.approx(0, abs=1e-12)
    both = calibration_counts(truth, labels, sure) + calibration_counts(truth, labels, unsure)
    assert calibration_error(both) == pytest.approx(0.2)
    assert np.isnan(calibration_error(calibration_counts(np.full_like(truth, 255), labels, sure)))
