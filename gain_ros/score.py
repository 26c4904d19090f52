"""The one confusion matrix, and what is read off it. Training, the command line and the tests all count with this."""

from __future__ import annotations

import numpy as np

from gain_ros.labels import UNLABELLED


def confusion_matrix(truth: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Count pixels by (truth, label).

    ``truth`` and ``labels`` are integer arrays of one shape. Pixels whose truth is 255 are left out.
    Returns int64 (classes, classes): rows are truth, columns are predictions.
    Raises ValueError for shapes that differ and for ids outside 0..classes-1.
    """
    if truth.shape != labels.shape:
        raise ValueError(f"truth is {truth.shape}, labels are {labels.shape}; score labels at the truth's size")
    known = truth != UNLABELLED
    rows, columns = truth[known].astype(np.int64), labels[known].astype(np.int64)
    for what, ids in (("truth", rows), ("labels", columns)):
        if ids.size and not (0 <= ids.min() and ids.max() < classes):
            raise ValueError(
                f"{what} holds ids {ids.min()}..{ids.max()}; expected 0..{classes - 1} "
                f"(truth may also hold {UNLABELLED})"
            )
    return np.bincount(rows * classes + columns, minlength=classes * classes).reshape(classes, classes)


def iou(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union per class, float64 (classes,); NaN for a class that is neither in the truth nor
    predicted.
    """
    hits = np.diag(confusion).astype(np.float64)
    union = confusion.sum(0) + confusion.sum(1) - hits
    return np.divide(hits, union, out=np.full_like(hits, np.nan), where=union > 0)


def mean_iou(confusion: np.ndarray) -> float:
    """Mean of :func:`iou` over the classes that occur; NaN where none does."""
    values = iou(confusion)
    present = ~np.isnan(values)
    return float(values[present].mean()) if present.any() else float("nan")


def pixel_accuracy(confusion: np.ndarray) -> float:
    """Share of labelled pixels that are right; NaN where there is none."""
    total = int(confusion.sum())
    return float(np.trace(confusion) / total) if total else float("nan")
