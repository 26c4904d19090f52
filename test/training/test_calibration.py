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

"""Calibration: the temperature is found again, and dividing by it changes confidence alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gain_ros.datasets.frames import FramesInMemory, Pair
from gain_ros.model import build
from training.calibration import divide_logits, fit_temperature, least_cross_entropy
from training.evaluation import Evaluator

SIZE = (64, 96)


def drawn_labels(logits: torch.Tensor) -> torch.Tensor:
    """Labels as the logits say, (N, C): each class with its probability."""
    return torch.multinomial(logits.softmax(1), 1, generator=torch.Generator().manual_seed(0))[:, 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_logits_that_are_too_sure_are_found_out(temperature: float) -> None:
    true = 3 * torch.randn(20_000, 5, generator=torch.Generator().manual_seed(1))
    assert least_cross_entropy(temperature * true, drawn_labels(true)) == pytest.approx(temperature, rel=0.05)


def test_without_a_labelled_pixel_nothing_changes() -> None:
    assert least_cross_entropy(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)) == 1.0


def test_a_network_s_temperature_is_found_on_frames_and_leaves_the_labels() -> None:
    torch.manual_seed(0)
    network = build("gain_nano", 3, channels=16).eval()
    with torch.no_grad():
        network.classifier.weight *= 40  # a random network hardly decides
    evaluator = Evaluator(network, SIZE)
    images = [np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8) for seed in range(3)]
    frames = []
    for image in images:
        logits = evaluator.head_logits(image)[0].flatten(1).t()
        ids = drawn_labels(logits).view(SIZE[0] // 4, SIZE[1] // 4).numpy().astype(np.uint8)
        frames.append(Pair(image, np.kron(ids, np.ones((4, 4), np.uint8)), "noise"))
    before = [evaluator(image) for image in images]
    divide_logits(network, 0.25)  # four times as sure as it may be
    temperature = fit_temperature(network, FramesInMemory(frames), SIZE)
    assert temperature == pytest.approx(4, rel=0.15)
    divide_logits(network, temperature)
    after = [Evaluator(network, SIZE)(image) for image in images]
    for (labels, confidence), (same_labels, near_confidence) in zip(before, after, strict=True):
        assert (labels == same_labels).mean() > 0.999
        assert np.abs(confidence.astype(int) - near_confidence).max() < 20
