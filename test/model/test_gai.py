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

"""The operator against its definition, entry by entry."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from networks import shake_batch_norm, sharpen

from gain_ros.model import GAI
from gain_ros.model.deploy import FoldedGAI
from gain_ros.model.deploy import criss_cross_attention as split_attention
from gain_ros.model.gai import criss_cross_attention

SIZES = [(5, 7), (1, 6), (6, 1), (1, 1), (12, 12)]


def attention_by_definition(q, k, v):
    """Loops over positions: softmax over the position's row and the rest of its column."""
    _, _, height, width = q.shape
    out = torch.zeros_like(v)
    for i in range(height):
        for j in range(width):
            places = [(i, column) for column in range(width)] + [(row, j) for row in range(height) if row != i]
            energies = torch.stack([(q[0, :, i, j] * k[0, :, r, c]).sum() for r, c in places])
            values = torch.stack([v[0, :, r, c] for r, c in places])
            out[0, :, i, j] = energies.softmax(0) @ values
    return out


@pytest.mark.parametrize("form", [criss_cross_attention, split_attention])
@pytest.mark.parametrize("size", SIZES)
def test_attention_is_one_softmax_over_row_and_column(form, size):
    torch.manual_seed(1)
    q, k, v = (2 * torch.randn(1, channels, *size).double() for channels in (3, 3, 4))
    assert torch.allclose(form(q, k, v), attention_by_definition(q, k, v), atol=1e-12)


@pytest.mark.parametrize("scale", [1, 30])
def test_split_softmax_stays_exact_for_large_energies(scale):
    torch.manual_seed(2)
    q, k, v = (torch.randn(2, channels, 9, 11) for channels in (8, 8, 16))
    plain = criss_cross_attention(scale * q.double(), k.double(), v.double())
    assert torch.allclose(split_attention(scale * q, k, v).double(), plain, atol=2e-5)


def make_gai(channels: int = 32) -> GAI:
    torch.manual_seed(3)
    gai = GAI(channels)
    sharpen(gai)
    shake_batch_norm(gai.out_bn)
    return gai.eval()


def test_gamma_zero_is_the_bilinear_block():
    gai = make_gai()
    gai.gamma.data.zero_()
    low, high = torch.randn(2, 32, 8, 10), torch.randn(2, 32, 4, 5)
    up = F.interpolate(high, size=(8, 10), mode="bilinear", align_corners=False)
    bilinear = F.relu(gai.out_bn(gai.out_conv(torch.cat((gai.value(up), up), dim=1))))
    assert torch.equal(gai(low, high), bilinear)


def test_every_position_reaches_every_other_in_two_passes():
    gai = make_gai()
    low, high = torch.randn(1, 32, 6, 7), torch.randn(1, 32, 6, 7, requires_grad=True)
    gai(low, high)[0, :, 0, 0].sum().backward()
    assert (high.grad.abs().sum(1) > 0).all()


def test_the_guide_only_steers_the_query():
    gai = make_gai()
    nn_zero = torch.nn.init.zeros_
    nn_zero(gai.to_q.weight)
    nn_zero(gai.to_q.bias)
    high = torch.randn(1, 32, 3, 4)
    assert torch.allclose(gai(torch.randn(1, 32, 6, 8), high), gai(torch.randn(1, 32, 6, 8), high))


@pytest.mark.parametrize(
    "sizes", [((6, 8), (3, 4)), ((90, 12), (23, 3)), ((1, 5), (1, 2)), ((1, 1), (1, 1)), ((4, 4), (4, 4))]
)
def test_folding_is_exact(sizes):
    gai = make_gai()
    low, high = torch.randn(2, 32, *sizes[0]), torch.randn(2, 32, *sizes[1])
    assert torch.allclose(FoldedGAI(gai)(low, high), gai(low, high), atol=1e-5)


def test_parameter_count_is_the_published_one():
    assert sum(p.numel() for p in GAI(128).parameters()) == 54_737


def test_channels_must_be_a_multiple_of_16():
    with pytest.raises(ValueError, match="multiple of 16"):
        GAI(40)
