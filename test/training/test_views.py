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

"""Random views: image and labels move together, and a seed repeats a sample."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from drawings import drawn

from gain_ros.datasets.frames import FramesInMemory, Pair
from training.data import augment
from training.data.augment import Augmentation, paste_classes, paste_rectangle, random_colors, random_view
from training.data.module import RandomViews
from training.data.sampling import Draw, EachOnce, TrainSampler

HOW = Augmentation(crop=(40, 56))
PLAIN = Augmentation(
    crop=(36, 48), scale=(1, 1), aspect=1, rotation_deg=0, color=0, hue_deg=0, grey_share=0, shadow_share=0,
    fog_share=0, blur_share=0, noise_share=0, jpeg_share=0, paste_share=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def frames():
    return FramesInMemory([drawn(seed) for seed in range(3)])


def blocks(size):
    labels = np.kron(np.arange(12).reshape(3, 4), np.ones((size, size))).astype(np.uint8)
    return Pair(np.repeat(20 * labels[..., None], 3, axis=2), labels, "blocks")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("scale", [(0.6, 2.0), (0.13, 0.3)])
def test_image_and_labels_move_together(seed, scale):
    view = random_view(blocks(96), Augmentation(crop=(40, 56), scale=scale), np.random.default_rng(seed))
    inside = cv2.erode((view.labels != 255).astype(np.uint8), np.ones((3, 3))).astype(bool)
    off = np.abs(view.image[..., 0].astype(int) - 20 * view.labels)[inside] > 10
    assert (view.image.shape, view.labels.shape) == ((40, 56, 3), (40, 56))
    assert inside.mean() > 0.1
    assert off.mean() < 0.15  # borders between blocks alone


def test_shrinking_averages():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 200
    how = Augmentation(crop=(40, 40), scale=(0.25, 0.25), aspect=1, rotation_deg=0)
    view = random_view(Pair(stripes, np.zeros((256, 256), np.uint8), ""), how, np.random.default_rng(0))
    assert np.abs(view.image.astype(int) - 100).max() <= 2


def test_flips_happen_about_half_the_time():
    labels = np.repeat(np.arange(96, dtype=np.uint8)[None], 72, axis=0)
    pair = Pair(np.repeat(labels[..., None], 3, axis=2), labels, "")
    flipped = 0
    for seed in range(40):
        ids = random_view(pair, HOW, np.random.default_rng(seed)).labels[20].astype(int)
        flipped += np.diff(ids[ids != 255]).sum() < 0
    assert 10 <= flipped <= 30


@pytest.mark.parametrize("seed", range(10))
def test_a_crop_holds_the_class_it_is_drawn_for(seed):
    pair = Pair(np.zeros((300, 400, 3), np.uint8), np.zeros((300, 400), np.uint8), "")
    pair.labels[3:12, 380:395] = 7
    rng = np.random.default_rng(seed)
    assert (random_view(pair, HOW, rng, focus=7).labels == 7).any()
    assert random_view(pair, HOW, rng, focus=5).labels.shape == (40, 56)  # a class that is not there: any crop


def test_pasting_brings_only_the_chosen_classes_and_their_pixels():
    onto = Pair(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), "onto")
    other = Pair(np.full((4, 4, 3), 9, np.uint8), np.array([[2, 2, 3, 3]] * 4, np.uint8), "other")
    mixed = paste_classes(onto, other, (2,), np.random.default_rng(0))
    assert np.array_equal(mixed.labels, np.array([[2, 2, 0, 0]] * 4))
    assert np.array_equal(mixed.image[..., 0], np.array([[9, 9, 0, 0]] * 4))
    assert paste_classes(onto, other, (7,), np.random.default_rng(0)) is onto


def test_a_pasted_rectangle_covers_a_uniform_share():
    onto, other = (Pair(np.full((60, 80, 3), v, np.uint8), np.full((60, 80), v, np.uint8), "") for v in (0, 9))
    shares = []
    for seed in range(60):
        mixed = paste_rectangle(onto, other, np.random.default_rng(seed))
        assert np.array_equal(mixed.image[..., 0], mixed.labels)
        rows, columns = (np.unique(i) for i in np.nonzero(mixed.labels))
        assert (mixed.labels == 9).sum() == len(rows) * len(columns)
        shares.append((mixed.labels == 9).mean())
    assert np.mean(shares) == pytest.approx(0.5, abs=0.1)


def test_colors_change_the_image_and_stay_uint8(frames):
    changed = random_colors(frames[0].image, HOW, np.random.default_rng(3))
    assert (changed.dtype, changed.shape) == (np.uint8, frames[0].image.shape)
    assert np.abs(changed.astype(int) - frames[0].image).mean() > 2


def test_no_range_no_change(frames):
    unchanged = random_colors(frames[0].image, PLAIN, np.random.default_rng(0)).astype(int)
    assert np.abs(unchanged - frames[0].image).max() <= 4  # to HSV and back in 8 bit


@pytest.mark.parametrize("seed", range(5))
def test_a_shadow_darkens_a_part(seed):
    image = np.full((60, 80, 3), 200, np.uint8)
    shaded = augment.random_shadow(image, np.random.default_rng(seed))
    assert shaded.max() <= 200
    assert shaded.min() < 160
    assert 0.02 < (shaded[..., 0] < 195).mean() < 0.98


@pytest.mark.parametrize("seed", range(5))
def test_fog_thickens_with_distance(seed):
    image = np.random.default_rng(0).integers(0, 120, (60, 80, 3), np.uint8)
    contrast = augment.random_fog(image, np.random.default_rng(seed)).std(axis=(1, 2))
    assert contrast[:12].mean() < contrast[-12:].mean() < image.std()


def test_a_seed_repeats_a_sample_and_another_does_not(frames):
    views = RandomViews(frames, Augmentation(crop=(40, 56), paste_share=1.0, cutmix_share=1.0), (6, 8))
    first, again, other = (views[Draw(1, (0, epoch, 1))] for epoch in (5, 5, 6))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def ones(frames, classes=3):
    return np.ones((frames, classes), np.int64)


def test_sampler_covers_every_frame_once_an_epoch_in_a_new_order():
    sampler = TrainSampler(ones(50), 0.0, seed=1)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert sorted(draw.index for draw in first) == list(range(50))
    assert [draw.index for draw in first] != [draw.index for draw in second]
    assert not {draw.seed for draw in first} & {draw.seed for draw in second}
    assert list(TrainSampler(ones(50), 0.0, seed=1)) == first
    assert list(TrainSampler(ones(50), 0.0, seed=2)) != first


def test_two_processes_share_what_one_would_see():
    alone = list(TrainSampler(ones(11), 0.5, seed=3))
    ranks = [TrainSampler(ones(11), 0.5, seed=3, rank=rank, world=2) for rank in (0, 1)]
    dealt = [draw for pair in zip(*ranks, strict=True) for draw in pair]
    assert dealt == alone[:10]
    assert [len(rank) for rank in ranks] == [5, 5]


def test_sampler_starts_in_the_middle_once():
    whole = list(TrainSampler(ones(9), 0.0, seed=0))
    sampler = TrainSampler(ones(9), 0.0, seed=0)
    sampler.start = 4
    assert list(sampler) == whole[4:]
    assert list(sampler) == whole
    assert len(sampler) == 9


def test_rare_classes_are_drawn_as_often_as_common_ones():
    counts = np.array([[1, 0, 0]] * 97 + [[1, 5, 0]] * 3)
    sampler = TrainSampler(counts, 1.0, seed=0)
    draws = [draw for epoch in range(10) if sampler.set_epoch(epoch) is None for draw in sampler]
    rare = [draw for draw in draws if draw.focus == 1]
    assert len(rare) / len(draws) == pytest.approx(0.5, abs=0.05)
    assert {draw.index for draw in rare} == {97, 98, 99}
    assert {draw.focus for draw in draws} == {0, 1}  # a class that no frame holds is never asked for


def test_every_whole_frame_is_dealt_once():
    ranks = [EachOnce(7, rank, 3) for rank in range(3)]
    assert sorted(index for rank in ranks for index in rank) == list(range(7))
    assert [len(rank) for rank in ranks] == [3, 2, 2]


def test_blur_and_noise_stay_in_their_range():
    grey = np.full((64, 64, 3), 128, np.uint8)
    edge = np.repeat(np.where(np.arange(64) < 32, 0, 255).astype(np.uint8)[None, :, None], 3, axis=2).repeat(64, axis=0)
    noisy, soft = replace(PLAIN, noise_share=1, noise_levels=(5, 10)), replace(PLAIN, blur_share=1, blur_px=(2, 4))
    for seed in range(12):
        levels = random_colors(grey, noisy, np.random.default_rng(seed)).astype(float).std()
        steepest = np.diff(random_colors(edge, soft, np.random.default_rng(seed))[0, :, 0].astype(int)).max()
        assert 4.5 < levels < 10.5
        assert 255 / (math.sqrt(2 * math.pi) * 4) - 4 < steepest < 255 / (math.sqrt(2 * math.pi) * 2) + 4
