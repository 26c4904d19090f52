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

"""The one confusion matrix, and what is read off it. Training, the command line and the tests all count with this.

Everything that is counted over pixels is an integer array that adds up over frames and processes; a second function
turns the sum into the measure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from gain_ros.labels import UNLABELLED, LabelSet

BOUNDARY_SHARE = 0.005  # of the diagonal: 12 px at 2048x1024, 3 px at 480x360
CALIBRATION_BINS = 15
MIN_AGREEMENT = 0.999
"""Share of pixels on which two engines agree that run one network in fp32 or fp16."""
MIN_AGREEMENT_LOWER, MAX_MIOU_LOSS = 0.995, 0.003
"""Share of pixels on which int8 and bf16 agree with fp32, and what mIoU they may lose, as a fraction."""


def least_agreement(precision: str) -> float:
    """Return the share of pixels on which an engine in ``precision`` has to agree with fp32."""
    return MIN_AGREEMENT_LOWER if precision in ("int8", "bf16") else MIN_AGREEMENT


def agreement(labels: np.ndarray, expected: np.ndarray) -> float:
    """Share of the pixels at which two arrays of one shape are equal."""
    return float((labels == expected).mean())


def confusion_matrix(truth: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Count pixels by (truth, label).

    ``truth`` and ``labels`` are integer arrays of one shape. Pixels that are 255 in either are left out: what has no
    truth, and what was not looked at.
    Returns int64 (classes, classes): rows are truth, columns are predictions.
    Raises ValueError for shapes that differ and for ids outside 0..classes-1.
    """
    if truth.shape != labels.shape:
        raise ValueError(f"truth is {truth.shape}, labels are {labels.shape}; score labels at the truth's size")
    counts = pair_counts(as_ids(truth, "truth"), as_ids(labels, "labels"))[:UNLABELLED, :UNLABELLED]
    for what, seen in (("truth", counts.sum(1)), ("labels", counts.sum(0))):
        if seen[classes:].any():
            ids = np.flatnonzero(seen)
            raise ValueError(
                f"{what} holds ids {ids[0]}..{ids[-1]}; expected 0..{classes - 1} or {UNLABELLED} (unlabelled)"
            )
    return counts[:classes, :classes]


def pair_counts(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pixels by (id in ``a``, id in ``b``), int64 (256, 256); both are uint8 of one shape."""
    if a.size == 0:
        return np.zeros((256, 256), np.int64)
    # Masks are made of runs: finding where the pair of ids changes is several times as fast as counting every pixel.
    pairs = a.astype(np.uint16).ravel()
    pairs <<= 8
    pairs |= b.ravel()
    ends = np.append(np.flatnonzero(pairs[1:] != pairs[:-1]), pairs.size - 1)
    lengths = np.diff(ends, prepend=-1)
    return np.bincount(pairs[ends], weights=lengths, minlength=1 << 16).reshape(256, 256).astype(np.int64)


def as_ids(ids: np.ndarray, what: str) -> np.ndarray:
    """Integer ids as uint8. Raises ValueError for ids outside 0..255."""
    if ids.dtype == np.uint8:
        return ids
    if ids.size and not (0 <= ids.min() and ids.max() <= UNLABELLED):
        raise ValueError(f"{what} holds ids {ids.min()}..{ids.max()}; expected class ids or {UNLABELLED} (unlabelled)")
    return ids.astype(np.uint8)


def iou(confusion: np.ndarray) -> np.ndarray:
    """Return intersection over union per class, float64 (classes,).

    NaN for a class that is neither in the truth nor predicted. The Cityscapes scripts count the same way.
    """
    hits = np.diag(confusion).astype(np.float64)
    return ratio(hits, confusion.sum(0) + confusion.sum(1) - hits)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def mean_iou(confusion: np.ndarray) -> float:
    """Mean of :func:`iou` over the classes that occur; NaN where none does."""
    return mean_of_known(iou(confusion))


def group_iou(confusion: np.ndarray, labels: LabelSet) -> dict[str, float]:
    """Return the IoU of each group of classes, in the order of their first classes; {} where the set has no groups.

    A pixel is in a group where its class is, whichever of the group's it is. Groups may share classes. NaN as in
    :func:`iou`.
    """
    found = {}
    for group in {group: None for those in labels.groups for group in those}:
        member = np.array([group in those for those in labels.groups])
        hits = confusion[np.ix_(member, member)].sum()
        union = confusion[member].sum() + confusion[:, member].sum() - hits
        found[group] = float(hits / union) if union else math.nan
    return found


def mean_of_known(values: np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN where all are."""
    known = ~np.isnan(values)
    return float(values[known].mean()) if known.any() else float("nan")


def pixel_accuracy(confusion: np.ndarray) -> float:
    """Share of labelled pixels that are right; NaN where there is none."""
    total = int(confusion.sum())
    return float(np.trace(confusion) / total) if total else float("nan")


def worst_decile(image_miou: Sequence[float] | np.ndarray) -> float:
    """Mean of the lowest tenth (rounded up) of the images' mIoU; NaN values, of images without labels, are left out."""
    values = np.asarray(image_miou, np.float64)
    values = np.sort(values[~np.isnan(values)])
    return float(values[: math.ceil(len(values) / 10)].mean()) if len(values) else float("nan")


def boundary_counts(truth: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return what boundary IoU is made of (Cheng et al., CVPR 2021).

    That is per class the pixels of its band in both maps, the truth and the labels.

    ``truth`` and ``labels`` are uint8 (H, W). A pixel lies in its class's band where the square of d pixels to each
    side holds another class or leaves the image; d is :data:`BOUNDARY_SHARE` of the diagonal, at least 1. Pixels whose
    truth is 255 are of no class in either map. Returns int64 (3, classes): band in both, in the truth, in the labels.
    """
    distance_px = max(1, round(BOUNDARY_SHARE * math.hypot(*truth.shape)))
    labels = np.where(truth == UNLABELLED, truth, labels)
    bands = [ids | away_from_borders(ids, distance_px) for ids in (truth, labels)]  # any id | 255 is unlabelled
    pairs = pair_counts(*bands)
    return np.stack([np.diag(pairs), pairs.sum(1), pairs.sum(0)])[:, :classes]


def away_from_borders(ids: np.ndarray, distance_px: int) -> np.ndarray:
    """Return uint8 (H, W): 255 away from borders, else 0.

    Away means that no other id and no end of the image is at most ``distance_px`` away along both axes.
    """
    square, d = np.ones((2 * distance_px + 1,) * 2, np.uint8), distance_px
    away = cv2.compare(cv2.erode(ids, square), cv2.dilate(ids, square), cv2.CMP_EQ)
    away[:d] = away[-d:] = away[:, :d] = away[:, -d:] = 0
    return away


def boundary_iou(counts: np.ndarray) -> np.ndarray:
    """Return band IoU per class, float64 (classes,), from the sum of :func:`boundary_counts`; NaN without a band."""
    both, truth, labels = counts.astype(np.float64)
    return ratio(both, truth + labels - both)


def calibration_counts(truth: np.ndarray, labels: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Labelled pixels by confidence: int64 (2, 256), wrong ones and right ones.

    ``truth`` and ``labels`` are ids, ``confidence`` is uint8 in 1/255, all (H, W).
    """
    known = truth != UNLABELLED
    right = (truth == labels)[known]
    return np.bincount(right * 256 + confidence[known].astype(np.intp), minlength=512).reshape(2, 256)


def calibration_error(counts: np.ndarray) -> float:
    """Return the expected calibration error (Guo et al., ICML 2017) with 15 equal bins.

    From the sum of :func:`calibration_counts`; a fraction, NaN without pixels.
    """
    wrong, right = counts.astype(np.float64)
    total = (wrong + right).sum()
    if not total:
        return float("nan")
    confidence = np.arange(256) / 255
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gap = np.bincount(bins, weights=right - (wrong + right) * confidence)
    return float(np.abs(gap).sum() / total)
