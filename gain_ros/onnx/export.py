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

"""Model folder → ONNX."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from gain_ros.files import scratch_folder

if TYPE_CHECKING:
    from torch import nn

    from gain_ros.model_folder import ModelFolder

INPUTS = {"labels": "frames", "logits": "images"}
OUTPUTS = {"labels": ("labels", "confidence"), "logits": ("logits",)}


def export_onnx(
    model: str | Path, path: str | Path, form: str = "labels", size: tuple[int, int] | None = None, opset: int = 17
) -> Path:
    """Write the deployment graph of a model folder (or of a shipped model, by name) to ``path``. Needs torch.

    form "labels": input ``frames`` uint8 N×H×W×3 RGB at the camera's size, outputs ``labels`` and ``confidence`` uint8
    N×H×W. form "logits": input ``images`` uint8 N×H×W×3 RGB at the network's size, output ``logits`` float32
    N×classes×h×w at the head's stride. ``size`` fixes (H, W); None leaves both dynamic. N is always dynamic. Raises
    ValueError for an unknown form, ModelFolderError for a bad folder.
    """
    from gain_ros.model import load_model
    from gain_ros.model.deploy import LabelsForm, LogitsForm
    from gain_ros.model_folder import find_model, read_model_folder

    if form not in INPUTS:
        raise ValueError(f"form is {form!r}; expected one of {', '.join(INPUTS)}")
    model_folder = read_model_folder(find_model(model))
    network = load_model(model_folder)
    graph: nn.Module
    if form == "labels":
        graph = LabelsForm(network, model_folder.mean, model_folder.std, model_folder.input_size)
    else:
        graph = LogitsForm(network, model_folder.mean, model_folder.std)
    return write_onnx(graph, path, form, size, size or model_folder.input_size, opset)


def add_onnx(folder: str | Path) -> ModelFolder:
    """Put both deployment graphs, for any size, into a model folder, so that it runs where torch is not installed.

    Where the folder keeps its weights in fp16, so do the graphs; they compute in fp32 all the same. Needs torch, and
    for fp16 onnx.
    """
    from gain_ros.model_folder import read_model_folder, write_model_folder

    model_folder = read_model_folder(folder)
    in_half = all(value.dtype == "float16" for value in model_folder.weights().values())
    with scratch_folder() as scratch:
        files = {form: export_onnx(model_folder.path, scratch / f"{form}.onnx", form) for form in INPUTS}
        if in_half:
            for file in files.values():
                _halve(file)
        return write_model_folder(
            model_folder.path,
            name=model_folder.name,
            architecture=model_folder.architecture,
            options=model_folder.options,
            labels=model_folder.labels,
            input_size=model_folder.input_size,
            mean=model_folder.mean,
            std=model_folder.std,
            training=model_folder.training,
            metrics=model_folder.metrics,
            licence=model_folder.licence,
            weights=model_folder.weights(),
            golden=model_folder.golden(),
            onnx_files=files,
            remap=model_folder.remap,
            min_confidence=model_folder.min_confidence,
            fit=model_folder.fit,
        )


def _halve(file: Path) -> None:
    import onnx

    from gain_ros.onnx.rewriting import with_half_weights

    file.write_bytes(with_half_weights(onnx.load(file)).SerializeToString(deterministic=True))


def write_onnx(
    graph: nn.Module,
    path: str | Path,
    form: str,
    size: tuple[int, int] | None,
    example_size: tuple[int, int],
    opset: int = 17,
) -> Path:
    """Trace ``graph``, a LabelsForm or LogitsForm, as :func:`export_onnx` describes."""
    import torch

    example = torch.zeros(2, *example_size, 3, dtype=torch.uint8)
    height, width = (1, 2) if form == "labels" else (2, 3)
    axes = {
        INPUTS[form]: {0: "N", 1: "H", 2: "W"},
        **{name: {0: "N", height: "h", width: "w"} for name in OUTPUTS[form]},
    }
    if size is not None:
        axes = {name: {0: "N"} for name in axes}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that can write opset 17 announces its age on every call
        torch.onnx.export(
            graph.eval(), (example,), str(path), dynamo=False, opset_version=opset,
            input_names=[INPUTS[form]], output_names=list(OUTPUTS[form]), dynamic_axes=axes,
        )  # fmt: skip
    return Path(path)
