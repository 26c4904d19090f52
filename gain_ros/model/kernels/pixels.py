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

"""The two ends of the network, one launch each: camera bytes → normalised planes, logits → class ids and confidence."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 256

# BT.601, limited range, in units of 2 ** -20: the fixed-point rounding that OpenCV's conversion has
_LUMA = tl.constexpr(1220542)  # 1.164
_RED_V = tl.constexpr(1673527)  # 1.596
_GREEN_V = tl.constexpr(-852492)  # -0.813
_GREEN_U = tl.constexpr(-409993)  # -0.391
_BLUE_U = tl.constexpr(2116026)  # 2.018


@triton.jit
def _level(value):
    """Turn fixed point into 0..255."""
    return tl.minimum(tl.maximum((value + (1 << 19)) >> 20, 0), 255)


@triton.jit
def _colours(frame, row, column, W, pixels, inside, ENCODING: tl.constexpr):
    """Red, green and blue of source pixels, float32 levels."""
    pixel = row * W + column
    if ENCODING == "rgb8":
        red = tl.load(frame + pixel * 3, mask=inside, other=0).to(tl.int32)
        green = tl.load(frame + pixel * 3 + 1, mask=inside, other=0).to(tl.int32)
        blue = tl.load(frame + pixel * 3 + 2, mask=inside, other=0).to(tl.int32)
    else:
        if ENCODING == "nv12":
            luma_at = frame + pixel
            u_at = frame + pixels + (row // 2) * W + column // 2 * 2
            v_at = u_at + 1
        else:
            luma_at = frame + pixel * 2
            u_at = frame + (row * W + column // 2 * 2) * 2 + 1
            v_at = u_at + 2
        luma = tl.maximum(tl.load(luma_at, mask=inside, other=0).to(tl.int32) - 16, 0) * _LUMA
        u = tl.load(u_at, mask=inside, other=0).to(tl.int32) - 128
        v = tl.load(v_at, mask=inside, other=0).to(tl.int32) - 128
        red = _level(luma + _RED_V * v)
        green = _level(luma + _GREEN_V * v + _GREEN_U * u)
        blue = _level(luma + _BLUE_U * u)
    return red.to(tl.float32), green.to(tl.float32), blue.to(tl.float32)


@triton.jit
def _quotient(a, b):
    """Return a / b of integers, rightly rounded: "/" alone is not, and levels half way between two would go down."""
    return tl.div_rn(a * 1.0, b * 1.0)


@triton.jit
def _share(source, target, sources, targets):
    """How much of a source pixel lies in a target pixel's window, 0 to 1, on an axis that shrinks."""
    begin = tl.maximum(source * targets, target * sources)
    end = tl.minimum((source + 1) * targets, (target + 1) * sources)
    return _quotient(tl.maximum(end - begin, 0), targets)


@triton.jit
def normalise_kernel(
    frames, mean, scale, frame_bytes, H, W, h, w, rows, columns, y_n, y_c, y_h, y_w, y,
    ENCODING: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Grid (blocks of h·w, N). Each target pixel averages a window of at most ``rows`` x ``columns`` source pixels."""
    pixel, n = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.program_id(1).to(tl.int64)
    inside = pixel < h * w
    row, column = pixel // w, pixel % w
    frame = frames + n * frame_bytes
    red = tl.zeros((BLOCK,), tl.float32)
    green, blue = red, red
    for i in range(rows):
        source_row = row * H // h + i
        height = _share(source_row, row, H, h)
        for j in range(columns):
            source_column = column * W // w + j
            area = height * _share(source_column, column, W, w)
            r, g, b = _colours(frame, source_row, source_column, W, H * W, inside & (area > 0), ENCODING)
            red += area * r
            green += area * g
            blue += area * b
    target = y + n * y_n + row * y_h + column * y_w
    element = y.dtype.element_ty
    window = _quotient(H, h) * _quotient(W, w)
    red = (tl.floor(tl.div_rn(red, window) + 0.5) - tl.load(mean)) * tl.load(scale)
    green = (tl.floor(tl.div_rn(green, window) + 0.5) - tl.load(mean + 1)) * tl.load(scale + 1)
    blue = (tl.floor(tl.div_rn(blue, window) + 0.5) - tl.load(mean + 2)) * tl.load(scale + 2)
    tl.store(target, red.to(element), mask=inside)
    tl.store(target + y_c, green.to(element), mask=inside)
    tl.store(target + 2 * y_c, blue.to(element), mask=inside)


@triton.jit
def _source(pixel, samples, pixels):
    """Half-pixel centres, edges repeated: lower sample, upper sample, weight of the upper one."""
    position = tl.maximum((pixel.to(tl.float32) + 0.5) * (samples / pixels) - 0.5, 0.0)
    low = tl.minimum(position.to(tl.int32), samples - 1)
    return low, tl.minimum(low + 1, samples - 1), position - low.to(tl.float32)


@triton.jit
def label_map_kernel(
    logits, z_n, z_c, z_h, z_w, CLASSES, h, w, H, W, labels, confidence, BLOCK: tl.constexpr
):  # fmt: skip
    """Grid (blocks of W, H, N)."""
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, n = tl.program_id(1), tl.program_id(2).to(tl.int64)
    inside = column < W
    upper, lower, down = _source(row, h, H)
    left, right, across = _source(column, w, W)
    plane = logits + n * z_n
    best = tl.full((BLOCK,), -float("inf"), tl.float32)
    leader = tl.zeros((BLOCK,), tl.int32)
    total = tl.zeros((BLOCK,), tl.float32)
    for class_id in range(CLASSES):
        at = plane + class_id * z_c
        a = tl.load(at + upper * z_h + left * z_w, mask=inside, other=0.0).to(tl.float32)
        b = tl.load(at + upper * z_h + right * z_w, mask=inside, other=0.0).to(tl.float32)
        c = tl.load(at + lower * z_h + left * z_w, mask=inside, other=0.0).to(tl.float32)
        d = tl.load(at + lower * z_h + right * z_w, mask=inside, other=0.0).to(tl.float32)
        value = (1 - down) * ((1 - across) * a + across * b) + down * ((1 - across) * c + across * d)
        wins = value > best
        ratio = tl.exp(-tl.abs(value - best))
        total = tl.where(wins, total * ratio + 1, total + ratio)
        leader = tl.where(wins, class_id, leader)
        best = tl.where(wins, value, best)
    position = (n * H + row) * W + column
    tl.store(labels + position, leader.to(tl.uint8), mask=inside)
    tl.store(confidence + position, (255 / total + 0.5).to(tl.uint8), mask=inside)


def normalise(
    frames: Tensor, mean: Tensor, scale: Tensor, size: tuple[int, int] | None = None, dtype: torch.dtype = torch.float16
) -> Tensor:
    """Camera bytes → (level - mean) * scale, N×3×h×w RGB of ``dtype`` in channels_last.

    ``frames`` is contiguous uint8, and its shape tells what it holds: RGB N×H×W×3, NV12 N×(H·3/2)×W with even sides,
    YUYV N×H×W×2 with even W (the two YUV forms as BT.601, limited range, rounded as OpenCV does). ``size`` (h, w),
    at most the frames' own and by default the same, averages areas and rounds to 8 bit first: the first half of
    :mod:`gain_ros.resize`. ``mean`` and ``scale`` are float32 (3,) in 8-bit levels. Raises ValueError for
    other shapes, for a larger size, and for frames whose pixels cannot be counted in 32 bits.
    """
    n, (height, width) = len(frames), frame_size(frames)
    h, w = size or (height, width)
    if not (1 <= h <= height and 1 <= w <= width):
        raise ValueError(f"size is {(h, w)} for frames of {(height, width)}; expected at least 1x1 and no larger side")
    if max(frames[0].numel(), height * h, width * w) >= 1 << 31:  # the kernel would read elsewhere, and lose the GPU
        raise ValueError(f"frames of {(height, width)} at {(h, w)} are too large for 32-bit positions; give less")
    planes = torch.empty((n, 3, h, w), dtype=dtype, device=frames.device, memory_format=torch.channels_last)
    normalise_kernel[triton.cdiv(h * w, _BLOCK), n](
        frames, mean, scale, frames[0].numel(), height, width, h, w, _window(height, h), _window(width, w),
        *planes.stride(), planes,
        ENCODING="nv12" if frames.ndim == 3 else "yuyv" if frames.shape[3] == 2 else "rgb8", BLOCK=_BLOCK,
    )  # fmt: skip
    return planes


def _window(source: int, target: int) -> int:
    """Return the most pixels that a target pixel's window touches on one axis."""
    return source // target if source % target == 0 else source // target + 2


def label_map(logits: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Logits N×C×h×w, C ≤ 255 → labels and confidence, both uint8 N×H×W, for ``size`` (H, W).

    Bilinear, half-pixel centres, edges repeated; the lowest of equal classes; confidence is the winner's softmax
    probability in 1/255. The resized logits are never written. Raises ValueError for other shapes.
    """
    if logits.ndim != 4 or not 1 <= logits.shape[1] <= 255 or 0 in logits.shape:
        raise ValueError(f"logits are {tuple(logits.shape)}; expected (N, C, h, w) with 1 ≤ C ≤ 255 and no empty axis")
    n, classes, h, w = logits.shape
    height, width = size
    labels = torch.empty((n, height, width), dtype=torch.uint8, device=logits.device)
    confidence = torch.empty_like(labels)
    grid = (triton.cdiv(width, _BLOCK), height, n)
    label_map_kernel[grid](logits, *logits.stride(), classes, h, w, height, width, labels, confidence, BLOCK=_BLOCK)
    return labels, confidence


def frame_size(frames: Tensor) -> tuple[int, int]:
    """(H, W) of camera bytes as :func:`normalise` takes them. Raises ValueError for anything else."""
    shape = tuple(frames.shape)
    nv12 = len(shape) == 3 and shape[1] % 3 == 0 and shape[2] % 2 == 0
    packed = len(shape) == 4 and (shape[3] == 3 or (shape[3] == 2 and shape[2] % 2 == 0))
    if not (nv12 or packed) or frames.dtype != torch.uint8 or not frames.is_contiguous():
        raise ValueError(
            f"frames are {frames.dtype} {shape}; expected contiguous uint8, RGB (N, H, W, 3), NV12 (N, H·3/2, W) with "
            "even sides or YUYV (N, H, W, 2) with even W"
        )
    return (shape[1] * 2 // 3, shape[2]) if nv12 else (shape[1], shape[2])
