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

"""What validation and test count, over frames and processes: a torchmetrics shell around :mod:`gain_ros.score`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from gain_ros import score
from gain_ros.labels import UNLABELLED


class SegmentationScore(Metric):
    """Sums of :mod:`gain_ros.score` over whole frames. ``compute`` adds up all processes first.

    ``names`` are the class names, in the order of the ids.
    """

    full_state_update = False
    confusion: torch.Tensor
    boundary: torch.Tensor
    calibration: torch.Tensor
    image_miou: list[torch.Tensor]

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        classes = len(self.names)
        for name, shape in {
            "confusion": (classes, classes),
            "boundary": (3, classes),
            "calibration": (2, 256),
        }.items():
            self.add_state(name, torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("image_miou", [], dist_reduce_fx="cat")

    def update(self, truth: np.ndarray, labels: np.ndarray, confidence: np.ndarray) -> None:
        """One frame: uint8 (H, W) each; pixels that are 255 (unlabelled) in either are left out. Confidence: 1/255."""
        truth = np.where(labels == UNLABELLED, labels, truth)
        confusion = score.confusion_matrix(truth, labels, len(self.names))
        self.confusion += self._tensor(confusion)
        self.boundary += self._tensor(score.boundary_counts(truth, labels, len(self.names)))
        self.calibration += self._tensor(score.calibration_counts(truth, labels, confidence))
        self.image_miou.append(self._tensor(np.array([score.mean_iou(confusion)], np.float32)))

    def compute(self) -> dict[str, float]:
        """Return fractions by name.

        They are ``miou``, ``pixel_accuracy``, ``image_miou``, ``worst_decile``, ``boundary_iou``,
        ``calibration_error``, and ``iou/CLASS`` for each class.
        """
        confusion = self.confusion.cpu().numpy()
        images = dim_zero_cat(self.image_miou).cpu().numpy() if len(self.image_miou) else np.zeros(0)
        return {
            "miou": score.mean_iou(confusion),
            "pixel_accuracy": score.pixel_accuracy(confusion),
            "image_miou": score.mean_of_known(images),
            "worst_decile": score.worst_decile(images),
            "boundary_iou": score.mean_of_known(score.boundary_iou(self.boundary.cpu().numpy())),
            "calibration_error": score.calibration_error(self.calibration.cpu().numpy()),
            **{f"iou/{name}": float(value) for name, value in zip(self.names, score.iou(confusion), strict=True)},
        }

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)
