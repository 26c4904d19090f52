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

"""The output step against the plain form (resize every class in float64, then arg-max), and the input resize."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gain_ros import resize
from gain_ros.resize import labels_from_logits, resize_input


def bilinear(samples: int, pixels: int) -> np.ndarray:
    """The resize of one axis as a matrix, float64 (pixels, samples): half-pixel centres, edges repeated."""
    source = np.clip((np.arange(pixels) + 0.5) * samples / pixels - 0.5, 0, samples - 1)
    low = np.floor(source).astype(int)
    high = np.minimum(low + 1, samples - 1)
    matrix = np.zeros((pixels, samples))
    matrix[np.arange(pixels), low] += 1 - (source - low)
    matrix[np.arange(pixels), high] += source - low
    return matrix


def resized(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    down, across = bilinear(logits.shape[1], size[0]), bilinear(logits.shape[2], size[1])
    return np.einsum("yi,cij,xj->cyx", down, logits.astype(np.float64), across, optimize=True)


def assert_right(logits: np.ndarray, size: tuple[int, int]) -> None:
    expected = resized(logits, size)
    winner = expected.max(0)
    rounding = 1e-5 * max(1.0, float(np.ptp(logits)))
    labels, confidence = labels_from_logits(logits, size, confidence=True)
    assert labels.shape == confidence.shape == size
    assert labels.dtype == confidence.dtype == np.uint8
    taken = np.take_along_axis(expected, labels[None].astype(np.intp), 0)[0]
    assert (taken >= winner - rounding).all()
    clear = (expected >= winner - rounding).sum(0) == 1
    np.testing.assert_array_equal(labels[clear], expected.argmax(0)[clear])
    probability = 1 / np.exp(expected - winner).sum(0)
    assert np.abs(confidence - 255 * probability).max() <= 0.5 + 255 * rounding
    np.testing.assert_array_equal(labels_from_logits(logits, size)[0], labels)


def smooth_logits(seed: int, classes: int, height: int, width: int, scale: float = 4.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(classes, max(1, height // 4), max(1, width // 4))) * scale
    noise = rng.normal(size=(classes, height, width)) * scale / 20
    return (resized(coarse, (height, width)) + noise).astype(np.float32)


SIDE = st.integers(1, 24)
PIXELS = st.integers(1, 90)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 999), st.integers(1, 19), SIDE, SIDE, PIXELS, PIXELS, st.sampled_from([0.1, 4.0, 60.0]))
def test_any_size_up_and_down(seed, classes, height, width, tall, wide, scale) -> None:
    assert_right(smooth_logits(seed, classes, height, width, scale), (tall, wide))


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 999), st.integers(2, 19), SIDE, SIDE, PIXELS, PIXELS)
def test_noise_where_every_cell_is_a_border(seed, classes, height, width, tall, wide) -> None:
    logits = np.random.default_rng(seed).normal(size=(classes, height, width)).astype(np.float32)
    assert_right(logits, (tall, wide))


@pytest.mark.parametrize("size", [(72, 96), (108, 192), (64, 85), (9, 12), (4, 5), (5, 96), (72, 3)])
def test_work_in_many_small_blocks(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    monkeypatch.setattr(resize, "_BLOCK", 50)
    assert_right(smooth_logits(1, 11, 9, 12), size)


def test_confidence_of_extreme_logits_is_finite() -> None:
    logits = smooth_logits(2, 5, 6, 7) * 1e4
    labels, confidence = labels_from_logits(logits, (48, 56), confidence=True)
    np.testing.assert_array_equal(labels, resized(logits, (48, 56)).argmax(0))
    assert confidence.min() >= 255 // 5
    assert (confidence == 255).mean() > 0.9


def test_lowest_id_wins_ties() -> None:
    logits = np.zeros((4, 3, 3), np.float32)
    logits[0] = -1.0
    labels, confidence = labels_from_logits(logits, (12, 12), confidence=True)
    assert (labels == 1).all()
    assert (confidence == round(255 / (3 + np.exp(-1.0)))).all()
    logits[:, 1, 1] = (3.0, 2.0, 2.0, 3.0)
    assert labels_from_logits(logits, (3, 3))[0].tolist() == [[1, 1, 1], [1, 0, 1], [1, 1, 1]]


def test_a_flat_class_competes_too() -> None:
    logits = np.zeros((2, 2, 2), np.float32)
    logits[1] = [[-1.0, 2.0], [-1.0, 2.0]]
    assert_right(logits, (8, 8))
    assert labels_from_logits(logits, (8, 8))[0][0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]


def test_labels_belong_to_the_caller() -> None:
    logits = smooth_logits(3, 3, 4, 5)
    first = labels_from_logits(logits, (16, 20), confidence=True)
    kept = [array.copy() for array in first]
    for array in labels_from_logits(-logits, (16, 20), confidence=True):
        array[:] = 7
    for array, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("shape", [(3, 4), (0, 4, 4), (256, 2, 2), (3, 0, 4), (1, 3, 4, 4)])
def test_wrong_logits_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        labels_from_logits(np.zeros(shape, np.float32), (8, 8))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused(value: float) -> None:
    logits = smooth_logits(4, 3, 4, 5)
    logits[1, 2, 3] = value
    with pytest.raises(ValueError, match="NaN or infinity"):
        labels_from_logits(logits, (16, 20))


def box_average(image: np.ndarray, rows: int) -> np.ndarray:
    """Exact fractional area average of axis 0."""
    edges = np.linspace(0, image.shape[0], rows + 1)
    start, stop = edges[:-1, None], edges[1:, None]
    pixel = np.arange(image.shape[0])
    share = np.clip(np.minimum(stop, pixel + 1) - np.maximum(start, pixel), 0, None)
    return np.tensordot(share / share.sum(1, keepdims=True), image, 1)


@pytest.mark.parametrize(
    ("frame", "size"),
    [((1080, 1920), (36, 48)), ((72, 96), (36, 48)), ((48, 64), (36, 48)), ((37, 49), (36, 48)), ((36, 99), (36, 48))],
)
def test_shrinking_is_the_area_average(frame: tuple[int, int], size: tuple[int, int]) -> None:
    rgb = np.random.default_rng(4).integers(0, 256, (*frame, 3), dtype=np.uint8)
    expected = box_average(box_average(rgb.astype(np.float64), size[0]).swapaxes(0, 1), size[1]).swapaxes(0, 1)
    assert np.abs(resize_input(rgb, size) - expected).max() <= 0.5 + 1e-3


@pytest.fixture
def traced() -> Iterator[None]:
    """Counts the bytes of arrays, among others."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("size", [(1, 16384), (16384, 1)])
def test_long_and_narrow_pictures_take_little_memory(traced: None, size: tuple[int, int]) -> None:
    logits = np.random.default_rng(9).normal(size=(11, 45, 60)).astype(np.float32)
    labels_from_logits(logits, size, confidence=True)
    assert tracemalloc.get_traced_memory()[1] < 16 << 20


def test_sizes_that_were_seen_before_are_kept_in_a_few_megabytes(traced: None) -> None:
    logits = np.random.default_rng(9).normal(size=(2, 4, 4)).astype(np.float32)
    for size in [*((1, 16384 - number) for number in range(20)), *((1, 100_000 + number) for number in range(20))]:
        labels_from_logits(logits, size)
    assert tracemalloc.get_traced_memory()[0] < 12 << 20


@pytest.mark.parametrize("frame", [(18, 24), (35, 47), (36, 47), (1, 1)])
def test_growing_is_bilinear(frame: tuple[int, int]) -> None:
    rgb = np.random.default_rng(5).integers(0, 256, (*frame, 3), dtype=np.uint8)
    expected = resized(np.moveaxis(rgb, 2, 0), (36, 48))
    assert np.abs(np.moveaxis(resize_input(rgb, (36, 48)), 2, 0) - expected).max() <= 0.5 + 1e-3


def test_an_axis_shrinks_before_the_other_grows() -> None:
    rgb = np.random.default_rng(6).integers(0, 256, (90, 20, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize_input(rgb, (36, 48)), resize_input(resize_input(rgb, (36, 20)), (36, 48)))


@pytest.mark.parametrize("size", [(36, 48), (90, 120), (9, 99)])
def test_a_view_of_bgr_gives_the_same_picture(size: tuple[int, int]) -> None:
    rgb = np.random.default_rng(7).integers(0, 256, (36, 48, 3), dtype=np.uint8)
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    np.testing.assert_array_equal(resize_input(bgr[..., ::-1], size), resize_input(rgb, size))


def test_padded_rows_give_the_same_picture() -> None:
    padded = np.random.default_rng(8).integers(0, 256, (36, 60, 3), dtype=np.uint8)
    view = padded[:, :48]
    np.testing.assert_array_equal(resize_input(view, (20, 30)), resize_input(view.copy(), (20, 30)))


def test_a_frame_that_fits_is_not_copied() -> None:
    rgb = np.zeros((36, 48, 3), np.uint8)
    assert resize_input(rgb, (36, 48)) is rgb


@pytest.mark.parametrize("frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_wrong_frames_are_refused(frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \(H, W, 3\)"):
        resize_input(frame, (8, 8))


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one pixel"):
        resize_input(np.zeros((0, 4, 3), np.uint8), (8, 8))
