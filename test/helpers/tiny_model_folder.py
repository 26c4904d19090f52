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

"""A model folder whose network is two 1x1 convolutions: what surrounds a network is quickly tested with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from gain_ros.fit import stretched
from gain_ros.labels import CAMVID
from gain_ros.model_folder import write_model_folder
from gain_ros.onnx.labels_form import labels_form

GOLDEN_SIZE = (90, 160)
_CLASSES, _INPUT_SIZE = 5, (64, 96)


def logits_graph() -> onnx.ModelProto:
    """uint8 N×h×w×3 ``images`` → ``logits`` N×classes×h×w, for any size."""
    rng = np.random.default_rng(3)
    first = rng.normal(0, 0.05, (8, 3, 1, 1)).astype(np.float32)
    last = rng.normal(0, 0.5, (_CLASSES, 8, 1, 1)).astype(np.float32)
    nodes = [
        ("Cast", ["images"], "levels", {"to": TensorProto.FLOAT}),
        ("Transpose", ["levels"], "planes", {"perm": [0, 3, 1, 2]}),
        ("Sub", ["planes", "mean"], "centred", {}),
        ("Conv", ["centred", "first"], "hidden", {}),
        ("Relu", ["hidden"], "kept", {}),
        ("Conv", ["kept", "last"], "logits", {}),
    ]
    constants = {"mean": np.full((1, 3, 1, 1), 120, np.float32), "first": first, "last": last}
    graph = helper.make_graph(
        [helper.make_node(kind, given, [out], out, **options) for kind, given, out, options in nodes],
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", _CLASSES, "h", "w"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def labels_graph() -> onnx.ModelProto:
    """uint8 N×H×W×3 ``frames`` → ``labels``, ``confidence`` uint8 N×H×W, with operators of every kind of precision."""
    return labels_form(logits_graph(), stretched(_INPUT_SIZE), (0, 0, 0))


def run_graph(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the graph gives: labels and confidence, uint8 (N, H, W)."""
    session = onnxruntime.InferenceSession(labels_graph().SerializeToString())
    return tuple(session.run(["labels", "confidence"], {"frames": frames}))


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Blocks of colour, RGB uint8 (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return coarse[np.arange(height) * 6 // height][:, np.arange(width) * 8 // width]


def write_tiny_model_folder(folder: Path) -> Path:
    """Its other files are empty or invented: only its graph runs."""
    file = folder.parent / "logits.onnx"
    file.write_bytes(logits_graph().SerializeToString())
    rgb = picture(*GOLDEN_SIZE)
    write_model_folder(
        folder,
        name=folder.name,
        architecture="gain_nano",
        options={},
        labels=CAMVID,
        input_size=_INPUT_SIZE,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        training={},
        metrics={},
        licence="none",
        weights={"none": np.zeros(1, np.float32)},
        golden=(rgb, run_graph(rgb[None])[0][0]),
        graph=file,
    )
    return folder
