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

"""Losses against their definitions, written out pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training.losses import (
    LossOptions,
    SegmentationLoss,
    class_weights,
    labels_at,
    lovasz_softmax,
    near_borders,
    ohem_cross_entropy,
    weighted_cross_entropy,
)

WEIGHTS = torch.tensor([0.5, 1.0, 2.0])


def random_batch(seed=0, size=(9, 7), ignored=0.2):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, 3, *size, generator=generator)
    labels = torch.randint(0, 3, (2, *size), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < ignored] = 255
    return logits.requires_grad_(), labels


def pixels(logits, labels):
    """(cross-entropy, class) of every labelled pixel."""
    probabilities = logits.detach().double().softmax(1).movedim(1, -1).reshape(-1, logits.shape[1])
    flat = labels.flatten().tolist()
    return [(-math.log(probabilities[i, c]), c) for i, c in enumerate(flat) if c != 255]


def weighted_mean(kept):
    weights = WEIGHTS.tolist()
    return sum(weights[c] * loss for loss, c in kept) / sum(weights[c] for _, c in kept)


def test_a_random_pixel_weighs_one():
    counts = torch.tensor([900, 90, 10])
    weights = class_weights(counts, 0.5)
    assert (weights * counts / counts.sum()).sum() == pytest.approx(1)
    assert weights[2] / weights[0] == pytest.approx(math.sqrt(90), rel=1e-5)
    assert torch.allclose(class_weights(counts, 0.0), torch.ones(3))


def test_cross_entropy_is_the_weighted_mean_over_labelled_pixels():
    logits, labels = random_batch()
    expected = weighted_mean(pixels(logits, labels))
    assert weighted_cross_entropy(logits, labels, WEIGHTS).item() == pytest.approx(expected, rel=1e-5)


def test_a_single_light_pixel_counts_whole():
    logits = torch.tensor([[[[0.0, 0.0]], [[1.0, 1.0]]]])
    loss = weighted_cross_entropy(logits, torch.tensor([[[0, 255]]]), torch.tensor([0.1, 1.0]))
    assert loss.item() == pytest.approx(math.log(1 + math.e))


@pytest.mark.parametrize("threshold", [0.9, 0.5, 0.01])
@pytest.mark.parametrize("min_share", [0.0, 0.1, 0.6, 1.0])
@pytest.mark.parametrize("size", [(1, 2), (9, 7), (40, 30)])
def test_ohem_keeps_the_hard_pixels(threshold, min_share, size):
    logits, labels = random_batch(3, size, ignored=0.4)
    ranked = sorted(pixels(logits, labels), reverse=True)
    hard = [pair for pair in ranked if math.exp(-pair[0]) < threshold]
    kept = max(hard, ranked[: math.ceil(min_share * len(ranked))], key=len)
    expected = weighted_mean(kept) if kept else 0
    loss = ohem_cross_entropy(logits, labels, WEIGHTS, threshold, min_share)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_ohem_does_not_count_ignored_pixels():
    logits, labels = random_batch(ignored=0)
    padded = torch.nn.functional.pad(logits, (0, 500))
    ignored = torch.nn.functional.pad(labels, (0, 500), value=255)
    expected = ohem_cross_entropy(logits, labels, WEIGHTS, 0.01, 0.5)
    assert ohem_cross_entropy(padded, ignored, WEIGHTS, 0.01, 0.5).item() == pytest.approx(expected.item(), rel=1e-5)


def test_ohem_moves_the_kept_pixels_alone():
    logits = torch.tensor([[[[4.0, -4.0]], [[0.0, 0.0]]]], requires_grad=True)
    ohem_cross_entropy(logits, torch.zeros(1, 1, 2, dtype=torch.long), torch.ones(2), 0.7, 0.0).backward()
    assert not logits.grad[..., 0].any()
    assert logits.grad[..., 1].all()


def lovasz_by_definition(logits, labels):
    """Sum over the sorted errors of the growth of 1 - IoU as one more pixel is wrong, sets written out."""
    probabilities = logits.detach().double().softmax(1).movedim(1, -1).reshape(-1, logits.shape[1]).numpy()
    truth, losses = labels.flatten().numpy(), []
    known = np.flatnonzero(truth != 255)
    for c in sorted(set(truth[known])):
        errors = {i: abs((truth[i] == c) - probabilities[i, c]) for i in known}
        members, wrong, before, total = {i for i in known if truth[i] == c}, set(), 0.0, 0.0
        for i in sorted(errors, key=errors.get, reverse=True):
            wrong.add(i)
            after = len(wrong) / len(members | wrong)
            total, before = total + errors[i] * (after - before), after
        losses.append(total)
    return np.mean(losses)


@pytest.mark.parametrize("seed", range(3))
def test_lovasz_softmax_is_its_definition(seed):
    logits, labels = random_batch(seed)
    if seed == 1:
        labels[labels == 2] = 0  # a class that the batch does not hold
    assert lovasz_softmax(logits, labels).item() == pytest.approx(lovasz_by_definition(logits, labels), rel=1e-5)


def test_lovasz_softmax_of_certain_predictions_is_one_minus_iou():
    predicted = torch.tensor([[[0, 0, 1, 1, 1, 0]]])
    labels = torch.tensor([[[0, 1, 1, 1, 0, 255]]])
    logits = 100 * torch.nn.functional.one_hot(predicted, 2).movedim(-1, 1).float()
    assert lovasz_softmax(logits, labels).item() == pytest.approx(1 - (1 / 3 + 2 / 4) / 2)


def test_borders_lie_between_labelled_classes():
    labels = torch.randint(0, 3, (2, 5, 6), generator=torch.Generator().manual_seed(0))
    labels = labels.repeat_interleave(4, 1).repeat_interleave(4, 2)
    labels[0, 6:9], labels[1, :, 3] = 255, 255
    found, (_, height, width) = near_borders(labels, 2), labels.shape
    for n, y, x in np.ndindex(*labels.shape):
        around = labels[n, max(y - 2, 0) : min(y + 3, height), max(x - 2, 0) : min(x + 3, width)]
        others = set(around.flatten().tolist()) - {255, labels[n, y, x].item()}
        assert found[n, y, x] == (labels[n, y, x] != 255 and bool(others))


@pytest.mark.parametrize(
    "loss",
    [
        lambda *batch: weighted_cross_entropy(*batch, WEIGHTS),
        lambda *batch: ohem_cross_entropy(*batch, WEIGHTS),
        lovasz_softmax,
    ],
)
def test_nothing_labelled_gives_zero_and_no_gradient(loss):
    logits, labels = random_batch(ignored=1.1)
    value = loss(logits, labels)
    value.backward()
    assert value.item() == 0
    assert not logits.grad.any()


def test_coarse_labels_are_picked_at_pixel_centres_and_keep_255():
    labels = torch.arange(16).view(1, 4, 4)
    labels[0, 1, 1] = 255
    assert labels_at(labels, (2, 2)).tolist() == [[[255, 7], [13, 15]]]


def test_the_loss_is_the_weighted_sum_of_its_parts():
    main, labels = random_batch(0, (16, 24))
    aux, other = (random_batch(seed, (2, 3))[0] for seed in (1, 2))
    coarse = labels_at(labels, (2, 3))
    borders = torch.where(near_borders(labels, 1), labels, 255)
    options = LossOptions("ohem", aux_weight=0.3, ohem_min_share=0.2, boundary_weight=2.0, boundary_px=1,
                          lovasz_weight=0.5)  # fmt: skip
    expected = (
        ohem_cross_entropy(main, labels, WEIGHTS, 0.7, 0.2)
        + 0.3 * ohem_cross_entropy(aux, coarse, WEIGHTS, 0.7, 0.2)
        + 0.3 * ohem_cross_entropy(other, coarse, WEIGHTS, 0.7, 0.2)
        + 2.0 * weighted_cross_entropy(main, borders, WEIGHTS)
        + 0.5 * lovasz_softmax(main, labels)
    )
    assert SegmentationLoss(options, WEIGHTS)((main, aux, other), labels).item() == pytest.approx(expected.item())


def test_plain_cross_entropy_by_default():
    main, labels = random_batch(0, (16, 24))
    loss = SegmentationLoss(LossOptions(aux_weight=0), WEIGHTS)((main, main[..., :2, :2], main[..., :2, :2]), labels)
    assert loss.item() == pytest.approx(weighted_cross_entropy(main, labels, WEIGHTS).item())


def test_a_stride_takes_every_nth_pixel_from_a_random_one():
    main, labels = random_batch(0, (16, 24))
    loss = SegmentationLoss(LossOptions(aux_weight=0, stride=2), WEIGHTS)
    phases = {
        weighted_cross_entropy(main[..., y::2, x::2], labels[:, y::2, x::2], WEIGHTS).item(): (y, x)
        for y in range(2)
        for x in range(2)
    }
    torch.manual_seed(0)
    seen = {phases[loss((main, main, main), labels).item()] for _ in range(40)}
    assert seen == {(0, 0), (0, 1), (1, 0), (1, 1)}
