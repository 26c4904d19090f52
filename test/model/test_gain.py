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

"""The networks: published sizes, any input size, any backbone."""

from __future__ import annotations

import pytest
import torch
from networks import PUBLISHED_FORMS, trained_like
from torch import nn

from gain_ros.model import GAIN, build
from gain_ros.model.gain import average_bins


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("architecture", "classes", "options", "total", "inference"),
    [
        ("gain_r18", 19, {}, 12_255_899, 11_955_317),
        ("gain_df2", 19, {}, 18_363_643, 18_063_061),
        ("gain_r18", 11, {}, 12_252_803, None),
        ("gain_df2", 11, {}, 18_360_547, None),
        ("gain_r18", 11, {"context": "", "fuse_3x3": False}, None, 11_642_221),
        ("gain_df2", 11, {"context": ""}, None, 17_897_677),
    ],
)
def test_parameter_counts_are_the_published_ones(architecture, classes, options, total, inference):
    model = build(architecture, classes, **options)
    assert total in (None, count(model))
    assert inference in (None, count(model) - count(model.aux16) - count(model.aux32))


def test_nano_stays_small():
    assert count(build("gain_nano", 19)) <= 3_000_000


@pytest.mark.parametrize(("architecture", "options"), PUBLISHED_FORMS)
@pytest.mark.parametrize("size", [(64, 96), (97, 131), (33, 7), (1, 1)])
def test_logits_come_at_input_size(architecture, options, size):
    logits = trained_like(architecture, 11, **options)(torch.randn(2, 3, *size))
    assert logits.shape == (2, 11, *size)
    assert logits.isfinite().all()


def test_training_mode_adds_two_auxiliary_outputs_at_stride_8():
    main, aux16, aux32 = build("gain_nano", 5).train()(torch.randn(2, 3, 64, 80))
    assert (main.shape, aux16.shape, aux32.shape) == ((2, 5, 64, 80), (2, 5, 8, 10), (2, 5, 8, 10))


@pytest.mark.parametrize("size", [(12, 15), (23, 30), (2, 3), (1, 1), (6, 6)])
@pytest.mark.parametrize("bins", [1, 2, 3, 6])
def test_pyramid_bins_are_adaptive_average_pooling(size, bins):
    x = torch.randn(2, 4, *size)
    assert torch.allclose(average_bins(x, bins), nn.functional.adaptive_avg_pool2d(x, bins), atol=1e-6)


class TinyBackbone(nn.Module):
    def __init__(self, strides):
        super().__init__()
        self.channels = {stride: 8 * stride for stride in strides}
        self.heads = nn.ModuleDict({str(s): nn.Conv2d(3, c, 1) for s, c in self.channels.items()})

    def forward(self, x):
        return {s: self.heads[str(s)](nn.functional.avg_pool2d(x, s, ceil_mode=True)) for s in self.channels}


@pytest.mark.parametrize(("strides", "output_stride"), [((4, 8, 16, 32), 4), ((8, 16, 32), 8), ((2, 4, 8, 16, 32), 4)])
def test_any_backbone_with_strides_8_16_32_serves(strides, output_stride):
    model = GAIN(TinyBackbone(strides), classes=3, channels=32).eval()
    assert model.output_stride == output_stride
    assert model(torch.randn(1, 3, 70, 90)).shape == (1, 3, 70, 90)


def test_a_backbone_without_stride_16_is_refused():
    with pytest.raises(ValueError, match=r"missing \[16\]"):
        GAIN(TinyBackbone((8, 32)), classes=3)


def test_unknown_names_and_options_are_refused():
    with pytest.raises(ValueError, match="gain_r50"):
        build("gain_r50", 19)
    with pytest.raises(ValueError, match="depth"):
        build("gain_nano", 19, depth=3)
    with pytest.raises(ValueError, match="context"):
        build("gain_r18", 19, context="aspp")
