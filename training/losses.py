"""Losses over logits N×C×H×W and labels N×H×W (int64, 255 ignored)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from gain_ros.labels import UNLABELLED


def class_weights(pixel_counts: Tensor, power: float) -> Tensor:
    """Weights (C,) proportional to frequency ** -power, scaled so that a random pixel weighs 1.

    power 0 is no weighting.
    """
    share = pixel_counts.double().clamp(min=1) / pixel_counts.sum()
    weights = share**-power
    return (weights / (weights * share).sum()).float()


def weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy in float32; a batch without labelled pixels gives 0, not NaN."""
    loss = F.cross_entropy(logits.float(), labels, weights, ignore_index=UNLABELLED, reduction="sum")
    known = labels[labels != UNLABELLED]
    return loss / weights[known].sum().clamp(min=1)


def labels_at(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Labels picked at the pixel centres of a coarser grid (nearest), for losses below the input size."""
    return F.interpolate(labels[:, None].float(), size=size, mode="nearest-exact")[:, 0].long()


def deep_supervision(
    outputs: tuple[Tensor, Tensor, Tensor], labels: Tensor, weights: Tensor, aux_weight: float
) -> Tensor:
    """Main loss at input size plus both auxiliary losses at stride 8."""
    main, *aux = outputs
    loss = weighted_cross_entropy(main, labels, weights)
    for logits in aux:
        loss = loss + aux_weight * weighted_cross_entropy(logits, labels_at(labels, logits.shape[2:]), weights)
    return loss
