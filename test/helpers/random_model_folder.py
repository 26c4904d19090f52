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

"""A model folder with random weights and all its files, for the tests of several rooms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from networks import trained_like

from gain_ros.labels import CAMVID
from gain_ros.model import GAIN
from gain_ros.model.deploy import LogitsForm
from gain_ros.model_folder import write_model_folder
from gain_ros.onnx.export import export_onnx
from gain_ros.resize import labels_from_logits, resize_input

SIZE = (64, 96)
MEAN, STD = (0.41, 0.42, 0.43), (0.25, 0.26, 0.27)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Something smooth with edges, RGB uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    rows, columns = np.arange(height) * 5 // height, np.arange(width) * 7 // width
    noise = rng.integers(0, 20, (height, width, 3), dtype=np.uint8)
    return coarse[rows][:, columns] // 2 + noise + np.linspace(0, 90, width).astype(np.uint8)[:, None]


def _spread(network: GAIN, logits: torch.Tensor) -> None:
    """Brings every class's logits to mean 0 and deviation 3, so that each class wins somewhere."""
    deviation, mean = (value / 3 for value in torch.std_mean(logits, dim=(0, 2, 3)))
    network.classifier.weight.div_(deviation[:, None, None, None])
    network.classifier.bias.sub_(3 * mean).div_(deviation)


def write_random_model_folder(folder: Path, golden_labels: np.ndarray | None = None, half: bool = False) -> Path:
    """A gain_nano for CamVid's classes at SIZE; other golden labels, uint8 (90, 160), make it fail its self-test.

    ``half`` keeps its weights in fp16.
    """
    network = trained_like("gain_nano", len(CAMVID))
    rgb = picture(90, 160)
    image = torch.from_numpy(resize_input(rgb, SIZE))[None]
    _spread(network, LogitsForm(network, MEAN, STD)(image))
    weights = {key: value for key, value in network.state_dict().items() if not key.startswith("aux")}
    if half:
        weights = {key: value.half() for key, value in weights.items()}
        network.load_state_dict(weights, strict=False)
    content = {
        "name": folder.name,
        "architecture": "gain_nano",
        "options": {},
        "labels": CAMVID,
        "input_size": SIZE,
        "mean": MEAN,
        "std": STD,
        "training": {},
        "metrics": {},
        "licence": "none",
        "weights": {key: value.numpy() for key, value in weights.items()},
    }
    with torch.inference_mode():
        logits = LogitsForm(network, MEAN, STD)(image)[0].numpy()
    golden = (rgb, labels_from_logits(logits, rgb.shape[:2])[0] if golden_labels is None else golden_labels)
    write_model_folder(folder, **content, golden=golden, graph=None)
    graph = export_onnx(folder, folder.with_suffix(".onnx"), form="logits", size=SIZE)
    write_model_folder(folder, **content, golden=golden, graph=graph)
    return folder
