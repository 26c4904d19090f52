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

"""The two resizes around the network. Every engine, training's validation and the score use these definitions."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from gain_ros.errors import ModelFolderError
from gain_ros.frames import check_frame, in_memory_order

_BLOCK = 1 << 17  # values worked on at a time, so that they stay in a core's cache
_WIDE = 1 << 21  # and kept at a time, of what is as wide as a picture and has few rows
_LONG = 1 << 14  # an axis of more pixels is not kept: 16 that are hold 10 MB at most


def resize_input(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Brings a frame to the network's size: uint8 (H, W, 3) → uint8 (h, w, 3); the frame itself where it fits already.

    Every axis that shrinks is area-averaged first (a 1080p frame at 480x360 shows no aliasing), then every axis that
    grows is interpolated bilinearly with half-pixel centres; each of the two steps rounds to 8 bit.
    Raises ValueError for anything but uint8 (H, W, 3) with pixels.
    """
    check_frame(rgb)
    if rgb.strides[2] < 0:  # the small picture is turned round instead of the large one
        return in_memory_order(resize_input(rgb[..., ::-1], size)[..., ::-1])
    height, width = size
    shrunk = (min(rgb.shape[0], height), min(rgb.shape[1], width))
    if rgb.shape[:2] != shrunk:
        rgb = cv2.resize(rgb, shrunk[::-1], interpolation=cv2.INTER_AREA)
    if shrunk != (height, width):
        # In float32: cv2's 8-bit bilinear is coarser than its rounding.
        grown = cv2.resize(rgb.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        rgb = np.add(grown, 0.5, out=grown).astype(np.uint8)
    return rgb


def labels_from_logits(
    logits: np.ndarray, size: tuple[int, int], confidence: bool = False
) -> tuple[np.ndarray, np.ndarray | None]:
    """Arg-max of the logits resized to ``size`` (H, W): bilinear, half-pixel centres, edges repeated, lowest id first.

    ``logits`` is float32 (C, h, w) with C ≤ 255. Returns uint8 labels (H, W) and, where asked for, uint8 confidence
    (H, W) = round(255 · softmax probability of the winner), else None. Raises ValueError for other shapes and for
    logits that are not finite.

    The same result as resizing every class and taking the arg-max, for a fraction of the work. Bilinear values between
    four neighbouring logits lie between them, so where one class leads at all four it leads everywhere in between:
    that cell is filled. Only cells on a border between classes are computed, and there only the classes that can win.
    """
    if logits.ndim != 3 or not 1 <= logits.shape[0] <= 255 or 0 in (*logits.shape, *size):
        raise ValueError(f"logits are {logits.shape} for a size of {size}; expected (C ≤ 255, h, w) and no empty axis")
    logits = np.ascontiguousarray(logits, dtype=np.float32)
    if not np.isfinite(logits).all():
        raise ModelFolderError("the network", "logits with NaN or infinity", "finite ones", "package the model again")
    rows, columns = (
        (_kept_axis if pixels <= _LONG else _axis)(samples, pixels)
        for samples, pixels in zip(logits.shape[1:], size, strict=True)
    )
    top = logits.argmax(0).astype(np.uint8)
    labels = top.take(columns.low, 1).take(rows.low, 0)
    cells = _border_cells(top, rows, columns)
    step = max(1, _BLOCK // (len(rows.pixels) * len(columns.pixels)))
    for start in range(0, cells.shape[1], step):
        _resolve(logits, rows, columns, cells[:, start : start + step], labels)
    return labels, _confidence(logits, rows, columns) if confidence else None


@dataclass(frozen=True)
class _Axis:
    """One axis of the resize from n samples to N pixels.

    The samples bound n + 1 cells: cell k lies between samples k - 1 and k, the first and the last one at the edges,
    where the sample is repeated. Pixel p reads samples ``low[p]`` and ``high[p]``, the latter with ``weight[p]``.
    ``pixels`` and ``weights`` (most pixels in a cell, n + 1) list the pixels of each cell, filled up with the last one.
    """

    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray
    first: np.ndarray
    count: np.ndarray
    pixels: np.ndarray
    weights: np.ndarray


def _axis(samples: int, pixels: int) -> _Axis:
    position = (2 * np.arange(pixels) + 1) * samples - pixels  # in units of 1 / (2 · pixels): exact
    cell = position // (2 * pixels) + 1
    weight = ((position % (2 * pixels)) / (2 * pixels)).astype(np.float32)
    count = np.bincount(cell, minlength=samples + 1)
    first = np.cumsum(count) - count
    within = np.minimum(np.arange(count.max())[:, None], np.maximum(count - 1, 0))
    table = np.minimum(first + within, pixels - 1)
    low, high = np.maximum(cell - 1, 0), np.minimum(cell, samples - 1)
    return _Axis(low, high, weight, first, count, table, weight[table])


_kept_axis = functools.lru_cache(maxsize=16)(_axis)


def _border_cells(top: np.ndarray, rows: _Axis, columns: _Axis) -> np.ndarray:
    """Row and column, intp (2, n), of the cells that hold pixels and whose corners have different leading classes."""
    samples = np.pad(top, 1, mode="edge")
    corner = samples[:-1, :-1]
    mixed = (corner != samples[:-1, 1:]) | (corner != samples[1:, :-1]) | (corner != samples[1:, 1:])
    mixed &= (rows.count > 0)[:, None] & (columns.count > 0)
    return np.stack(np.nonzero(mixed))


def _resolve(logits: np.ndarray, rows: _Axis, columns: _Axis, cells: np.ndarray, labels: np.ndarray) -> None:
    """Write the labels of border cells, worked on side by side along the last, contiguous axis."""
    corners = _corners(logits, cells)
    # A class that is nowhere above the lowest value of another one cannot win.
    candidate = corners.max(1) >= corners.min(1).max(0)
    # Most candidates first: the cells that have an r-th one are then the first so many, a plain slice.
    order = np.argsort(-candidate.sum(0), kind="stable")
    cells, corners, candidate = cells[:, order], corners[:, :, order], candidate[:, order]
    counts = candidate.sum(0)
    owner, classes = np.nonzero(candidate.T)
    values = np.ascontiguousarray(corners[classes, :, owner].T)
    start = np.cumsum(counts) - counts
    values -= values[:, start[owner]]  # relative to the cell's first candidate, which thereby is 0 everywhere
    classes = classes.astype(np.uint8)

    down, across = rows.weights[:, cells[0]], columns.weights[:, cells[1]]
    shape = (len(down), *across.shape)
    best = np.zeros(shape, np.float32)
    leader = np.empty(shape, np.uint8)
    leader[:] = classes[start]
    for rank in range(1, counts[0]):
        n = np.searchsorted(-counts, -rank)
        chosen = start[:n] + rank
        plane = _bilinear(values[:, chosen], down[:, :n], across[:, :n])
        wins = (plane > best[..., :n]).view(np.uint8)
        leader[..., :n] += wins * (classes[chosen] - leader[..., :n])  # modulo 256; several times as fast as np.where
        np.maximum(best[..., :n], plane, out=best[..., :n])
    pixels = (rows.pixels[:, cells[0]] * labels.shape[1])[:, None] + columns.pixels[:, cells[1]]
    labels.reshape(-1)[pixels] = leader


def _corners(logits: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Logits at the corners of cells, float32 (C, 4, n): upper left, upper right, lower left, lower right."""
    classes, height, width = logits.shape
    upper, left = np.maximum(cells - 1, 0)
    lower, right = np.minimum(cells, [[height - 1], [width - 1]])
    samples = np.stack((upper * width + left, upper * width + right, lower * width + left, lower * width + right))
    return logits.reshape(classes, -1)[:, samples]


def _bilinear(corners: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Corner values (4, n) and weights (ky, n), (kx, n) → values (ky, kx, n)."""
    upper = corners[0] + (corners[1] - corners[0]) * across
    lower = corners[2] + (corners[3] - corners[2]) * across
    lower -= upper
    plane = down[:, None] * lower
    plane += upper
    return plane


def _confidence(logits: np.ndarray, rows: _Axis, columns: _Axis) -> np.ndarray:
    """round(255 · softmax probability of the winner) of the resized logits, uint8 (H, W).

    The resized logits are never written down. Within a cell their exponentials, at one column, are a geometric series
    over the rows: two exponentials for each class, column and cell, then one multiplication for each pixel.
    """
    height, width = len(rows.low), len(columns.low)
    # Relative to the leading class at each sample, so no exponent is above 0; probabilities stay as they are.
    margins = logits - logits.max(0)
    if margins.min() < -80.0:  # float32 has no exp(-88)
        margins = np.maximum(margins, -600.0, dtype=np.float64)
    scores = np.empty((height, width), np.uint8)
    cells = np.flatnonzero(rows.count)
    top = bottom = 0  # the samples' rows that ``across`` holds, as wide as the picture
    step = max(1, _BLOCK // (len(margins) * width))
    for group in np.split(cells, range(step, len(cells), step)):
        first, count = rows.first[group], rows.count[group]
        if (last := rows.high[first[-1]]) >= bottom:
            top = rows.low[first[0]]
            bottom = max(last + 1, min(top + _WIDE // (len(margins) * width), logits.shape[1]))
            size = (width, bottom - top)
            across = np.stack(
                [cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in margins[:, top:bottom]]
            )
        upper = across[:, rows.low[first] - top]
        slope = across[:, rows.high[first] - top] - upper
        terms = np.exp(upper + slope * rows.weight[first, None])
        growth = np.exp(slope * (logits.shape[1] / height))
        best, total = np.empty((2, count.max(), len(group), width), margins.dtype)
        for best_row, total_row in zip(best, total, strict=True):
            np.maximum.reduce(terms, 0, out=best_row)
            np.add.reduce(terms, 0, out=total_row)
            terms *= growth
        best /= total
        best *= 255.0
        best += 0.5
        row, cell = np.nonzero(np.arange(len(best))[:, None] < count)
        scores[first[cell] + row] = best[row, cell]
    return scores
