"""Random views: image and labels move together, and a seed repeats a sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawings import drawn

from training.data.augment import Augmentation, paste_classes, random_colors, random_view
from training.data.module import RandomViews, SeededSampler

HOW = Augmentation(crop=(40, 56))


@pytest.fixture(scope="module")
def pairs():
    return [drawn(seed) for seed in range(3)]


@pytest.mark.parametrize("seed", range(8))
def test_image_and_labels_move_together(seed):
    labels = np.kron(np.arange(12).reshape(3, 4), np.ones((24, 24))).astype(np.uint8)
    image = np.repeat(20 * labels[..., None], 3, axis=2)
    view, ids = random_view(image, labels, HOW, np.random.default_rng(seed))
    inside = ids != 255
    off = np.abs(view[..., 0].astype(int) - 20 * ids)[inside] > 10
    assert view.shape == (40, 56, 3)
    assert ids.shape == (40, 56)
    assert inside.mean() > 0.2
    assert off.mean() < 0.1  # borders between blocks alone


def test_flips_happen_about_half_the_time():
    labels = np.repeat(np.arange(96, dtype=np.uint8)[None], 72, axis=0)
    image = np.repeat(labels[..., None], 3, axis=2)
    flipped = 0
    for seed in range(40):
        ids = random_view(image, labels, HOW, np.random.default_rng(seed))[1][20].astype(int)
        flipped += np.diff(ids[ids != 255]).sum() < 0
    assert 10 <= flipped <= 30


def test_pasting_brings_only_the_chosen_classes_and_their_pixels():
    image, other = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 9, np.uint8)
    labels, other_labels = np.zeros((4, 4), np.uint8), np.array([[2, 2, 3, 3]] * 4, np.uint8)
    mixed, ids = paste_classes(image, labels, other, other_labels, (2,), np.random.default_rng(0))
    assert np.array_equal(ids, np.array([[2, 2, 0, 0]] * 4))
    assert np.array_equal(mixed[..., 0], np.array([[9, 9, 0, 0]] * 4))
    assert paste_classes(image, labels, other, other_labels, (7,), np.random.default_rng(0))[1] is labels


def test_colors_change_the_image_and_stay_uint8(pairs):
    changed = random_colors(pairs[0].image, HOW, np.random.default_rng(3))
    assert changed.dtype == np.uint8
    assert changed.shape == pairs[0].image.shape
    assert np.abs(changed.astype(int) - pairs[0].image).mean() > 2


def test_a_seed_repeats_a_sample_and_another_does_not(pairs):
    views = RandomViews(pairs, HOW, paste_share=1.0)
    first, again, other = views[1, (0, 5, 1)], views[1, (0, 5, 1)], views[1, (0, 6, 1)]
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_sampler_covers_every_sample_once_an_epoch_in_a_new_order():
    sampler = SeededSampler(50, seed=1)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert sorted(i for i, _ in first) == list(range(50))
    assert [i for i, _ in first] != [i for i, _ in second]
    assert not {seed for _, seed in first} & {seed for _, seed in second}
