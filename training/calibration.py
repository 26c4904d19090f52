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

"""Calibration: a network whose confidence is the share of pixels that are right (Guo et al., ICML 2017)."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from gain_ros.datasets.frames import Frames
from gain_ros.labels import UNLABELLED
from gain_ros.model import GAIN
from gain_ros.resize import resize_input
from training.evaluation import Evaluator
from training.losses import labels_at

PIXELS_A_FRAME = 4096


def fit_temperature(network: GAIN, frames: Frames, input_size: tuple[int, int]) -> float:
    """Return the temperature T for which logits / T have the least cross-entropy over the frames' labelled pixels.

    The pixels are those of the head's own grid, thinned evenly to at most 4096 a frame. Frames that the network was
    trained on would make it too sure of itself. 1.0 where no pixel is labelled.
    """
    evaluator = Evaluator(network, input_size)
    logits, labels = [], []
    for pair in frames:
        with torch.inference_mode():
            head = evaluator.head_logits(resize_input(pair.image, input_size)).float().cpu()
        truth = labels_at(torch.from_numpy(pair.labels)[None], head.shape[2:])
        known = truth != UNLABELLED
        thinned = slice(None, None, max(1, -(-int(known.sum()) // PIXELS_A_FRAME)))
        logits.append(head.movedim(1, -1)[known][thinned])
        labels.append(truth[known][thinned])
    return least_cross_entropy(torch.cat(logits).clone(), torch.cat(labels))


def least_cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the temperature for logits float32 (N, C) and labels int64 (N,)."""
    if not len(labels):
        return 1.0
    log_temperature = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / log_temperature.exp(), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(log_temperature.detach().exp())


def divide_logits(network: GAIN, temperature: float) -> None:
    """Divide what the network's classifier gives by ``temperature``: labels stay, confidence changes."""
    with torch.no_grad():
        network.classifier.weight /= temperature
        if network.classifier.bias is not None:
            network.classifier.bias /= temperature
