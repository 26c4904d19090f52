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

"""One pass of criss-cross attention, x + gamma · attention(q, k, v), in two launches and without an energy in memory.

The first launch attends along columns, leaving out the position itself, and writes a partial result with the maximum
and the sum of its softmax. The second attends along rows, merges both by their maxima and adds the input. Each is a
flash attention along one line (Dao et al. 2022): keys and values are read block by block, energies and sums are fp32.
Any strides are taken; channels_last is the fast layout, since a position's channels then lie together.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from gain_ros.model.deploy import FoldedGAI
from gain_ros.model.gai import GAI, criss_cross_attention

_NOTHING_SEEN = tl.constexpr(-3e38)  # the maximum of no energies: finite, so that differences of it stay defined


@triton.jit
def _along_line(
    q, k, v, q_c, q_step, k_c, k_step, v_c, v_step, start, length, K, V,
    SKIP_SELF: tl.constexpr, K_PAD: tl.constexpr, V_PAD: tl.constexpr, BLOCK: tl.constexpr, DOT: tl.constexpr,
):  # fmt: skip
    """Attention of BLOCK positions of one line to all its positions: maximum, sum (BLOCK) and sums (BLOCK, V_PAD)."""
    place = start + tl.arange(0, BLOCK)
    key_channel, value_channel = tl.arange(0, K_PAD), tl.arange(0, V_PAD)
    queries = tl.load(
        q + place[:, None] * q_step + key_channel[None, :] * q_c,
        mask=(place < length)[:, None] & (key_channel < K)[None, :],
        other=0.0,
    )
    peak = tl.full((BLOCK,), _NOTHING_SEEN, tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    gathered = tl.zeros((BLOCK, V_PAD), tl.float32)
    for first in range(0, length, BLOCK):
        other = first + tl.arange(0, BLOCK)
        keys = tl.load(
            k + other[None, :] * k_step + key_channel[:, None] * k_c,
            mask=(other < length)[None, :] & (key_channel < K)[:, None],
            other=0.0,
        )
        energy = tl.dot(queries, keys, input_precision=DOT)
        seen = (other < length)[None, :]
        if SKIP_SELF:
            seen = seen & (place[:, None] != other[None, :])
        energy = tl.where(seen, energy, -float("inf"))
        new_peak = tl.maximum(peak, tl.max(energy, 1))
        weight = tl.exp(energy - new_peak[:, None])
        shrink = tl.exp(peak - new_peak)
        values = tl.load(
            v + other[:, None] * v_step + value_channel[None, :] * v_c,
            mask=(other < length)[:, None] & (value_channel < V)[None, :],
            other=0.0,
        )
        total = total * shrink + tl.sum(weight, 1)
        gathered = gathered * shrink[:, None] + tl.dot(weight.to(values.dtype), values, input_precision=DOT)
        peak = new_peak
    return peak, total, gathered


@triton.jit
def columns_kernel(
    q, k, v,
    q_n, q_c, q_h, q_w, k_n, k_c, k_h, k_w, v_n, v_c, v_h, v_w, H, W, K, V,
    partial, softmax,
    K_PAD: tl.constexpr, V_PAD: tl.constexpr, BLOCK: tl.constexpr, DOT: tl.constexpr,
):  # fmt: skip
    """Grid (N·W, blocks of H). ``partial`` N×H×W×V: the column's weighted mean; ``softmax`` N×H×W×2: maximum, sum."""
    n, column = (tl.program_id(0) // W).to(tl.int64), tl.program_id(0) % W
    start = tl.program_id(1) * BLOCK
    peak, total, gathered = _along_line(
        q + n * q_n + column * q_w, k + n * k_n + column * k_w, v + n * v_n + column * v_w,
        q_c, q_h, k_c, k_h, v_c, v_h, start, H, K, V, True, K_PAD, V_PAD, BLOCK, DOT,
    )  # fmt: skip
    row, channel = start + tl.arange(0, BLOCK), tl.arange(0, V_PAD)
    position = (n * H + row) * W + column
    mean = gathered / tl.maximum(total, 1e-30)[:, None]  # of a column of one there is nothing: 0 with weight 0
    inside = (row < H)[:, None] & (channel < V)[None, :]
    tl.store(partial + position[:, None] * V + channel[None, :], mean.to(partial.dtype.element_ty), mask=inside)
    tl.store(softmax + position * 2, peak, mask=row < H)
    tl.store(softmax + position * 2 + 1, total, mask=row < H)


@triton.jit
def rows_kernel(
    q, k, v, x, partial, softmax, gamma,
    q_n, q_c, q_h, q_w, k_n, k_c, k_h, k_w, v_n, v_c, v_h, v_w, x_n, x_c, x_h, x_w, y_n, y_c, y_h, y_w, H, W, K, V,
    y,
    K_PAD: tl.constexpr, V_PAD: tl.constexpr, BLOCK: tl.constexpr, DOT: tl.constexpr,
):  # fmt: skip
    """Grid (N·H, blocks of W). ``y`` N×V×H×W = x + gamma · attention; ``gamma`` None counts as 1."""
    n, row = (tl.program_id(0) // H).to(tl.int64), tl.program_id(0) % H
    start = tl.program_id(1) * BLOCK
    peak, total, gathered = _along_line(
        q + n * q_n + row * q_h, k + n * k_n + row * k_h, v + n * v_n + row * v_h,
        q_c, q_w, k_c, k_w, v_c, v_w, start, W, K, V, False, K_PAD, V_PAD, BLOCK, DOT,
    )  # fmt: skip
    column, channel = start + tl.arange(0, BLOCK), tl.arange(0, V_PAD)
    inside = (column < W)[:, None] & (channel < V)[None, :]
    position = (n * H + row) * W + column
    column_peak = tl.load(softmax + position * 2, mask=column < W, other=_NOTHING_SEEN)
    column_total = tl.load(softmax + position * 2 + 1, mask=column < W, other=0.0)
    column_mean = tl.load(partial + position[:, None] * V + channel[None, :], mask=inside, other=0.0).to(tl.float32)
    common = tl.maximum(peak, column_peak)
    from_row, from_column = tl.exp(peak - common), column_total * tl.exp(column_peak - common)
    merged = gathered * from_row[:, None] + column_mean * from_column[:, None]
    merged = merged / (total * from_row + from_column)[:, None]
    if gamma is not None:
        merged = merged * tl.load(gamma).to(tl.float32)
    old = tl.load(x + n * x_n + row * x_h + column[:, None] * x_w + channel[None, :] * x_c, mask=inside, other=0.0)
    new = (merged + old.to(tl.float32)).to(y.dtype.element_ty)
    tl.store(y + n * y_n + row * y_h + column[:, None] * y_w + channel[None, :] * y_c, new, mask=inside)


def padded(channels: int) -> int:
    """Return the width that tensor cores take: a power of two from 16 on."""
    return max(16, triton.next_power_of_2(channels))


def block(length: int) -> int:
    """Positions that one program works on: no more than registers hold, nor so many that a line is mostly padding."""
    return 32 if triton.cdiv(length, 32) * 32 <= 1.15 * length else 16


def attend_in_two_launches(q: Tensor, k: Tensor, v: Tensor, x: Tensor, gamma: Tensor | None = None) -> Tensor:
    """Return x + gamma · attention without a gradient; see :func:`fused_attend`."""
    n, keys, height, width = q.shape
    values = v.shape[1]
    y = torch.empty_like(x)
    partial = torch.empty((n, height, width, values), dtype=v.dtype, device=v.device)
    softmax = torch.empty((n, height, width, 2), dtype=torch.float32, device=v.device)
    # fp32 means fp32: TF32 would move energies by a thousandth of their size, which is then an exponent
    options = {"K_PAD": padded(keys), "V_PAD": padded(values), "DOT": "ieee" if v.dtype == torch.float32 else "tf32"}
    strides, sizes = (*q.stride(), *k.stride(), *v.stride()), (height, width, keys, values)
    size = block(height)
    grid = (n * width, triton.cdiv(height, size))
    columns_kernel[grid](q, k, v, *strides, *sizes, partial, softmax, BLOCK=size, **options)
    size = block(width)
    grid = (n * height, triton.cdiv(width, size))
    strides = (*strides, *x.stride(), *y.stride())
    rows_kernel[grid](q, k, v, x, partial, softmax, gamma, *strides, *sizes, y, BLOCK=size, **options)
    return y


class _Attend(torch.autograd.Function):
    """Keeps the inputs alone; the backward pass computes the attention again in its plain form."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda")
    def forward(ctx, q: Tensor, k: Tensor, v: Tensor, x: Tensor, gamma: Tensor | None) -> Tensor:
        ctx.save_for_backward(q, k, v, gamma)
        return attend_in_two_launches(q, k, v, x, gamma)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cuda")
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        *qkv, gamma = ctx.saved_tensors
        with torch.enable_grad():
            inputs = [tensor.detach().requires_grad_() for tensor in qkv]
            attention = criss_cross_attention(*inputs)
        upstream = grad if gamma is None else grad * gamma
        gradients = torch.autograd.grad(attention, inputs, upstream.to(attention.dtype))
        gamma_grad = None if gamma is None else (grad * attention.detach()).sum().reshape(gamma.shape).to(gamma.dtype)
        return *gradients, grad, gamma_grad


def fused_attend(q: Tensor, k: Tensor, v: Tensor, x: Tensor, gamma: Tensor | None = None) -> Tensor:
    """Return x + gamma · criss-cross attention.

    q and k are N×K×H×W, v and x N×V×H×W in fp32, fp16 or bf16, gamma is (1,) or None for 1.

    Equals ``x + gamma * gain_ros.model.gai.criss_cross_attention(q, k, v)`` up to rounding, for every H, W ≥ 1, with a
    gradient. Tensors lie on a CUDA device, or anywhere under Triton's interpreter. Raises ValueError for shapes or
    types that do not fit each other.
    """
    if not (q.shape == k.shape and v.shape == x.shape and q.shape[2:] == v.shape[2:] and len(q) == len(v)):
        raise ValueError(
            f"q {tuple(q.shape)}, k {tuple(k.shape)}, v {tuple(v.shape)}, x {tuple(x.shape)}; "
            "expected (N, K, H, W) twice, then (N, V, H, W) twice"
        )
    if not q.dtype == k.dtype == v.dtype:
        raise ValueError(f"q is {q.dtype}, k {k.dtype}, v {v.dtype}; expected one type")
    return _Attend.apply(q, k, v, x, gamma)


def _attend(plain: Callable, q: Tensor, k: Tensor, v: Tensor, x: Tensor, gamma: Tensor | None = None) -> Tensor:
    fused = q.is_cuda or triton.knobs.runtime.interpret
    return (fused_attend if fused else plain)(q, k, v, x, gamma)


def use_fused_attention(network: nn.Module) -> None:
    """From now on every GAI of ``network``, training or folded form, runs these kernels where its input is on a GPU."""
    for module in network.modules():
        if isinstance(module, (GAI, FoldedGAI)):
            module.attend = partial(_attend, type(module).attend)  # a closure could not be pickled
