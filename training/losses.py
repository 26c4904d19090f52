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

"""Losses over logits N×C×H×W and labels N×H×W (int64, 255 ignored).

Each is 0, with a gradient of 0, where no pixel of the batch is labelled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gain_ros.labels import UNLABELLED


@dataclass(frozen=True)
class LossOptions:
    """``kind`` "ce" averages over all labelled pixels, "ohem" over the hard ones.

    ``class_weight_power`` weighs a class by frequency ** -power. Hard pixels are those whose true class has less than
    the probability ``ohem_threshold``, and at least the share ``ohem_min_share`` of the labelled pixels.
    ``aux_weight`` is that of each auxiliary head, ``boundary_weight`` that of the cross-entropy over the pixels within
    ``boundary_px`` of another class, ``lovasz_weight`` that of Lovász-softmax. 0 leaves a part out. With a ``stride``
    of n the main loss takes every n-th row and column, from a random one on: the same on average, for less time.
    """

    kind: Literal["ce", "ohem"] = "ce"
    stride: int = 1
    class_weight_power: float = 0.2
    aux_weight: float = 0.4
    ohem_threshold: float = 0.7
    ohem_min_share: float = 0.1
    boundary_weight: float = 0.0
    boundary_px: int = 3
    lovasz_weight: float = 0.0


class SegmentationLoss(nn.Module):
    """The training loss of a GAIN: its three outputs (main at input size, two auxiliary at stride 8) against labels.

    ``weights`` (C,) are class weights, as :func:`class_weights` makes them.
    """

    weights: Tensor

    def __init__(self, options: LossOptions, weights: Tensor) -> None:
        super().__init__()
        self.options = options
        self.register_buffer("weights", weights)

    def forward(self, outputs: tuple[Tensor, Tensor, Tensor], labels: Tensor) -> Tensor:
        o, (main, *aux) = self.options, outputs
        top, left = torch.randint(o.stride, (2,)).tolist()
        rows, columns = slice(top, None, o.stride), slice(left, None, o.stride)
        loss = self.pixelwise(main[..., rows, columns], labels[:, rows, columns])
        for logits in aux if o.aux_weight else ():
            loss = loss + o.aux_weight * self.pixelwise(logits, labels_at(labels, logits.shape[2:]))
        if o.boundary_weight:
            at_borders = labels.where(near_borders(labels, o.boundary_px), UNLABELLED)
            loss = loss + o.boundary_weight * weighted_cross_entropy(main, at_borders, self.weights)
        if o.lovasz_weight:
            loss = loss + o.lovasz_weight * lovasz_softmax(main, labels)
        return loss

    def pixelwise(self, logits: Tensor, labels: Tensor) -> Tensor:
        o = self.options
        if o.kind == "ce":
            return weighted_cross_entropy(logits, labels, self.weights)
        return ohem_cross_entropy(logits, labels, self.weights, o.ohem_threshold, o.ohem_min_share)


def class_weights(pixel_counts: Tensor, power: float) -> Tensor:
    """Weights (C,) proportional to frequency ** -power, scaled so that a random pixel weighs 1.

    power 0 is no weighting.
    """
    share = pixel_counts.double().clamp(min=1) / pixel_counts.sum()
    weights = share**-power
    return (weights / (weights * share).sum()).float()


def weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy in float32, averaged over the labelled pixels by their classes' weights."""
    loss = F.cross_entropy(logits.float(), labels, weights, ignore_index=UNLABELLED, reduction="sum")
    return loss / total_weight(weights[labels[labels != UNLABELLED]])


def ohem_cross_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor, threshold: float = 0.7, min_share: float = 0.1
) -> Tensor:
    """Online hard example mining (Shrivastava et al., CVPR 2016) over the labelled pixels of the batch.

    Kept are the pixels whose true class has a probability below ``threshold``; where these are less than ``min_share``
    of the labelled ones, the hardest of that share. Averaged over the kept pixels by their classes' weights.
    """
    known = labels != UNLABELLED
    classes = labels[known]
    losses = F.cross_entropy(logits.float(), labels, ignore_index=UNLABELLED, reduction="none")[known]
    at_least = math.ceil(min_share * len(losses))
    hard = (losses > -math.log(threshold)).nonzero()[:, 0]
    if len(hard) < at_least:
        hard = losses.topk(at_least).indices
    kept = weights[classes[hard]]
    return (kept * losses[hard]).sum() / total_weight(kept)


def total_weight(weights: Tensor) -> Tensor:
    return weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)


def lovasz_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the Lovász extension of 1 - IoU, averaged over the classes in the batch (Berman et al., CVPR 2018).

    Sorts all pixels once a class, which takes its time.
    """
    known = labels != UNLABELLED
    if not known.any():
        return 0 * logits.float().sum()
    probabilities = logits.float().softmax(1).movedim(1, -1)[known]
    truth = F.one_hot(labels[known], logits.shape[1]).float()
    errors, order = (truth - probabilities).abs().sort(dim=0, descending=True)
    hits = truth.gather(0, order)
    size = hits.sum(0)
    iou_loss = 1 - (size - hits.cumsum(0)) / (size + (1 - hits).cumsum(0))  # with the first pixels of the order wrong
    steps = iou_loss.diff(dim=0, prepend=torch.zeros_like(iou_loss[:1]))
    return (errors * steps).sum(0)[size > 0].mean()


def near_borders(labels: Tensor, within_px: int) -> Tensor:
    """Bool N×H×W: labelled pixels with another class at most ``within_px`` rows and columns away."""
    known = labels != UNLABELLED
    ids, window = labels[:, None].float(), 2 * within_px + 1
    highest = F.max_pool2d(ids.where(known[:, None], -1), window, stride=1, padding=within_px)[:, 0]
    lowest = -F.max_pool2d(-ids, window, stride=1, padding=within_px)[:, 0]  # 255 is above every class
    return known & (highest != lowest)


def labels_at(labels: Tensor, size: Sequence[int]) -> Tensor:
    """Labels picked at the pixel centres of a coarser grid (nearest), for losses below the input size."""
    return F.interpolate(labels[:, None].float(), size=list(size), mode="nearest-exact")[:, 0].long()
