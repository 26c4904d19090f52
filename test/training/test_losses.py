"""Losses against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from training.losses import class_weights, deep_supervision, labels_at, weighted_cross_entropy


def test_a_random_pixel_weighs_one():
    counts = torch.tensor([900, 90, 10])
    weights = class_weights(counts, 0.5)
    assert (weights * counts / counts.sum()).sum() == pytest.approx(1)
    assert weights[2] / weights[0] == pytest.approx(math.sqrt(90), rel=1e-5)
    assert torch.allclose(class_weights(counts, 0.0), torch.ones(3))


def test_cross_entropy_is_the_weighted_mean_over_labelled_pixels():
    logits = torch.tensor([[[[2.0, 0.0, 5.0]], [[0.0, 1.0, 5.0]]]])
    labels = torch.tensor([[[0, 0, 255]]])
    by_hand = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(1))) / 2
    assert weighted_cross_entropy(logits, labels, torch.tensor([3.0, 1.0])).item() == pytest.approx(by_hand)


def test_nothing_labelled_gives_zero_and_no_gradient():
    logits = torch.zeros(1, 2, 2, 2, requires_grad=True)
    loss = weighted_cross_entropy(logits, torch.full((1, 2, 2), 255), torch.ones(2))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_coarse_labels_are_picked_at_pixel_centres_and_keep_255():
    labels = torch.arange(16).view(1, 4, 4)
    labels[0, 1, 1] = 255
    assert labels_at(labels, (2, 2)).tolist() == [[[255, 7], [13, 15]]]


def test_auxiliary_losses_are_added_with_their_weight():
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    main, aux = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 1, 1)
    assert deep_supervision((main, aux, aux), labels, torch.ones(2), 0.4).item() == pytest.approx(1.8 * math.log(2))
