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

"""Frames that are not of the network's shape: which part it sees, at which size, and where in its input that is.

``FITS`` are the four ways. Where the part that is seen has the network's aspect, all four are the same to the bit.

stretch    the part is resized to the network's size, whatever its aspect
letterbox  it is scaled into that size as it is, on whole cells of the logits; the rest is filled with the mean colour
crop       the central part of the network's aspect is seen, nothing else
area       the network runs at the part's aspect, with about as many pixels

The node, the command line, training's validation and the graphs of TensorRT all ask here.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from gain_ros.errors import EngineUnavailable, ModelFolderError, UsageError
from gain_ros.frames import Frame, YuvFrame, size_of
from gain_ros.labels import UNLABELLED
from gain_ros.resize import resize_input

FITS = ("stretch", "letterbox", "crop", "area")
WHOLE = (0.0, 0.0, 1.0, 1.0)

_CELL_PX = 8  # the padding's sides are multiples of it, so that logits at this stride or a finer one are cut exactly
_SIDE_PX = 32  # as are the sides that networks like best

Size = tuple[int, int]
Logits = TypeVar("Logits", bound=Any)


@dataclass(frozen=True)
class Region:
    """Part of a frame in pixels: rows from ``top`` to before ``bottom``, columns from ``left`` to before ``right``."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def size(self) -> Size:
        """(H, W) of the part."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an array with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True)
class Placement:
    """The network's input for pictures of one size: (h, w) that it runs at, and the part of it that the picture fills.

    ``inner`` is that part's (h, w), ``offset`` the row and column of its upper left corner.
    """

    network: Size
    inner: Size
    offset: Size = (0, 0)

    @property
    def margins(self) -> tuple[int, int, int, int]:
        """Pixels of padding above, below, to the left and to the right."""
        (top, left), (h, w), (height, width) = self.offset, self.network, self.inner
        return top, h - height - top, left, w - width - left

    def shown(self, rgb: np.ndarray, mean: Sequence[float]) -> np.ndarray:
        """Bring a picture into the network's input: uint8 (H, W, 3) → uint8 (h, w, 3). ``mean`` is of RGB in 0..1."""
        picture = resize_input(rgb, self.inner)
        if self.inner == self.network:
            return picture
        image = np.empty((*self.network, 3), np.uint8)
        image[:] = mean_level(mean)
        rows, columns = (slice(o, o + i) for o, i in zip(self.offset, self.inner, strict=True))
        image[rows, columns] = picture
        return image

    def cut(self, logits: Logits) -> Logits:
        """Return the picture's part of logits (..., h', w'), a view; resized to the picture they lie where they belong.

        Raises ModelFolderError where its borders lie within a cell.
        """
        if self.inner == self.network:
            return logits
        rows, columns = self.spans((int(logits.shape[-2]), int(logits.shape[-1])))
        return logits[..., rows, columns]

    def spans(self, logits: Size) -> tuple[slice, slice]:
        """Return rows and columns of the picture's part of logits of size (h', w'). Raises as :meth:`cut` does."""
        spans = []
        for side, inner, offset, cells in zip(self.network, self.inner, self.offset, logits, strict=True):
            if (inner * cells) % side or (offset * cells) % side:
                found, expected = f"{cells} logits along {side} pixels", f"one for {_CELL_PX} pixels or a divisor of it"
                raise ModelFolderError("the network", found, expected, "take another fit than letterbox")
            spans.append(slice(offset * cells // side, (offset + inner) * cells // side))
        return spans[0], spans[1]


def check_fit(fit: str) -> str:
    """Return ``fit``. Raises UsageError unless it is one of FITS."""
    if fit not in FITS:
        raise UsageError(f"fit is {fit!r}; expected one of {', '.join(FITS)}")
    return fit


def check_graph_size(fit: str, size: Size | None, model: str) -> None:
    """Raise EngineUnavailable where ``fit`` is "area" and the model's graph takes one ``size`` (h, w) alone."""
    if fit == "area" and size is not None:
        raise EngineUnavailable(
            f"fit 'area' runs the network at the camera's aspect, but the graph of model {model!r} takes "
            f"{size[1]}x{size[0]} alone; take fit letterbox or crop, or give the model a graph for any size "
            "(docs/cameras.md)"
        )


def check_roi(roi: Sequence[float]) -> tuple[float, float, float, float]:
    """Return x, y, width and height, fractions of the frame. Raises UsageError where they are no part of it."""
    if len(roi) == 4:
        x, y, width, height = map(float, roi)
        if min(x, y) >= 0 and min(width, height) > 0 and max(x + width, y + height) <= 1 + 1e-9:
            return x, y, width, height
    raise UsageError(
        f"roi is {list(roi)}; expected x, y, width, height as fractions of the frame, within it: 0, 0, 1, 0.8 leaves "
        "out the lowest fifth"
    )


@functools.lru_cache(maxsize=64)
def seen_part(size: Size, input_size: Size, fit: str, roi: tuple[float, float, float, float] = WHOLE) -> Region:
    """Return the part that the network sees of frames of ``size`` (H, W): the roi, and of that with "crop" the middle.

    Borders within the frame lie on even pixels, where YUV frames can be cut.
    """
    x, y, width, height = roi
    top, bottom = _span(y, y + height, size[0])
    left, right = _span(x, x + width, size[1])
    if fit != "crop":
        return Region(top, bottom, left, right)
    (h, w), high, wide = input_size, bottom - top, right - left
    top, bottom = _middle(top, bottom, wide * h / w if high * w > wide * h else high)
    left, right = _middle(left, right, high * w / h if wide * h > high * w else wide)
    return Region(top, bottom, left, right)


def stretched(input_size: Size) -> Placement:
    """Return where pictures go that are resized to the network's size, or have its aspect."""
    return Placement(input_size, input_size)


def place(size: Size, input_size: Size, fit: str) -> Placement:
    """Return where pictures of ``size`` (H, W), the seen parts of frames, go in a network of ``input_size`` (h, w)."""
    if fit in ("stretch", "crop"):  # without a look at the size, which a graph that is traced does not know yet
        return stretched(input_size)
    return _place((int(size[0]), int(size[1])), input_size, fit)


@functools.lru_cache(maxsize=64)
def _place(size: Size, input_size: Size, fit: str) -> Placement:
    if fit == "area":
        network = _like(size, input_size)
        return Placement(network, network)
    (height, width), (h, w) = size, input_size
    if height * w == width * h:
        return stretched(input_size)
    inner = (_cells(height * w / width, h), w) if height * w < width * h else (h, _cells(width * h / height, w))
    top, left = ((side - part) // (2 * _CELL_PX) * _CELL_PX for side, part in zip(input_size, inner, strict=True))
    return Placement(input_size, inner, (top, left))


def mean_level(mean: Sequence[float]) -> tuple[int, ...]:
    """Return the padding's colour in 8-bit levels from a mean of RGB in 0..1; the network takes it for nothing."""
    return tuple(min(255, max(0, round(255 * value))) for value in mean)


def part_of(frame: Frame, region: Region) -> Frame:
    """Cut a frame; the frame itself where the region is all of it. RGB and YUYV are not copied."""
    if region.size == size_of(frame.shape):
        return frame
    rows, columns = region.slices
    if not isinstance(frame, YuvFrame):
        return frame[rows, columns]
    if frame.encoding == "yuyv":
        return YuvFrame(frame.data[rows, columns], "yuyv")
    height = size_of(frame.shape)[0]
    chroma = frame.data[height + region.top // 2 : height + region.bottom // 2, columns]
    return YuvFrame(np.concatenate([frame.data[rows, columns], chroma]), "nv12")


def whole(part: np.ndarray, region: Region, size: Size, outside: int = UNLABELLED) -> np.ndarray:
    """Put uint8 (h, w) back into a frame of ``size`` (H, W), with ``outside`` around it; all of it is itself."""
    if part.shape == size:
        return part
    full = np.full(size, outside, np.uint8)
    full[region.slices] = part
    return full


def _even(position: float) -> int:
    return 2 * math.floor(position / 2 + 0.5)


def _span(start: float, end: float, pixels: int) -> tuple[int, int]:
    """Return the pixels from one fraction of an axis to another; at least two, where there are two."""
    first = min(_even(start * pixels), (pixels - 1) // 2 * 2)
    return first, pixels if end >= 1 - 1e-9 else min(pixels, max(_even(end * pixels), first + 2))


def _middle(start: int, end: int, length: float) -> tuple[int, int]:
    if length >= end - start:
        return start, end
    kept = min(end - start, max(2, _even(length)))
    first = start + _even((end - start - kept) / 2) if kept < end - start else start
    return first, first + kept


def _cells(length: float, most: int) -> int:
    """Return the multiple of a cell next to ``length``; all of the side where that is no smaller."""
    cells = max(1, math.floor(length / _CELL_PX + 0.5)) * _CELL_PX
    return min(cells, most)


def _like(size: Size, input_size: Size) -> Size:
    """Return the size of a picture's aspect with about the pixels of ``input_size``: that one itself where it fits."""
    pixels = math.prod(input_size)
    ideal = [math.sqrt(pixels * size[axis] / size[1 - axis]) for axis in (0, 1)]
    rows, columns = (
        [_SIDE_PX * max(1, n) for n in (int(side // _SIDE_PX), math.ceil(side / _SIDE_PX))] for side in ideal
    )

    def distance(candidate: Size) -> float:
        """Weigh a wrong aspect twice as much as more or fewer pixels."""
        high, wide = (math.log(side / wanted) for side, wanted in zip(candidate, ideal, strict=True))
        return 2 * abs(high - wide) + abs(high + wide)

    return min([input_size, *itertools.product(rows, columns)], key=distance)
