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
from gain_ros.fit import check_graph_size, mean_level, place, stretched
from gain_ros.onnx import INPUTS, OUTPUTS

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

    from gain_ros.model_folder import ModelFolder


def export_onnx(model: str | Path, path: str | Path, form: str = "labels", size: tuple[int, int] | None = None) -> Path:
    """Write the deployment graph of a model folder (or of a shipped model, by name) to ``path``.

    form "labels": input ``frames`` uint8 N×H×W×3 RGB at the camera's size, outputs ``labels`` and ``confidence`` uint8
    N×H×W; needs torch only where the folder has no graph, or one for another size. form "logits": input ``images``
    uint8 N×H×W×3 RGB at the network's size, output ``logits`` float32 N×classes×h×w at the head's stride; made anew by
    torch. ``size`` fixes (H, W); None leaves both dynamic, and frames are then stretched whatever the model's fit. N is
    dynamic, but for an imported network that takes one picture alone. Raises ValueError for an unknown form,
    ModelFolderError for a bad folder, EngineUnavailable where an imported graph cannot be fitted.
    """
    from gain_ros.model_folder import find_model, read_model_folder

    if form not in INPUTS:
        raise ValueError(f"form is {form!r}; expected one of {', '.join(INPUTS)}")
    model_folder = read_model_folder(find_model(model))
    if form == "logits":
        return _export_logits(model_folder, Path(path), size)
    Path(path).write_bytes(labels_graph(model_folder, size).SerializeToString(deterministic=True))
    return Path(path)


def add_onnx(folder: str | Path) -> ModelFolder:
    """Put the deployment graph, for any size, into a model folder, so that it runs where torch is not installed.

    Where the folder keeps its weights in fp16, so does the graph; it computes in fp32 all the same. Needs torch, and
    for fp16 onnx.
    """
    from gain_ros.model_folder import read_model_folder, write_model_folder

    model_folder = read_model_folder(folder)
    in_half = all(value.dtype == "float16" for value in model_folder.weights().values())
    with scratch_folder() as scratch:
        file = export_onnx(model_folder.path, scratch / "logits.onnx", "logits")
        if in_half:
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
            graph=file,
            remap=model_folder.remap,
            min_confidence=model_folder.min_confidence,
            fit=model_folder.fit,
        )


def _halve(file: Path) -> None:
    import onnx

    from gain_ros.onnx.rewriting import with_half_weights

    file.write_bytes(with_half_weights(onnx.load(file)).SerializeToString(deterministic=True))


def labels_graph(model_folder: ModelFolder, size: tuple[int, int] | None = None) -> ModelProto:
    """Return the "labels" graph as :func:`export_onnx` describes it."""
    from gain_ros.onnx.labels_form import labels_form

    input_size, fit = model_folder.input_size, model_folder.fit
    placement = stretched(input_size) if size is None else place(size, input_size, fit)
    logits = logits_graph(model_folder)
    sides = tuple(dim.dim_value for dim in logits.graph.input[0].type.tensor_type.shape.dim)[1:3]
    if all(sides) and sides != placement.network:
        if model_folder.imported:
            check_graph_size(fit, input_size, model_folder.name)
        logits = _exported(model_folder)
    return labels_form(logits, placement, mean_level(model_folder.mean), size)


def logits_graph(model_folder: ModelFolder) -> ModelProto:
    """Return the folder's own "logits" graph, or else one that is exported now, for any size. Then needs torch."""
    import onnx

    content = model_folder.graph()
    return _exported(model_folder) if content is None else onnx.load_from_string(content)


def _exported(model_folder: ModelFolder) -> ModelProto:
    """Export the "logits" graph for any size. Needs torch."""
    import onnx

    with scratch_folder() as folder:
        return onnx.load(_export_logits(model_folder, folder / "logits.onnx", None))


def _export_logits(model_folder: ModelFolder, path: Path, size: tuple[int, int] | None) -> Path:
    from gain_ros.model import load_model
    from gain_ros.model.deploy import LogitsForm

    graph = LogitsForm(load_model(model_folder), model_folder.mean, model_folder.std)
    return write_onnx(graph, path, size, size or model_folder.input_size)


def write_onnx(graph: nn.Module, path: Path, size: tuple[int, int] | None, example_size: tuple[int, int]) -> Path:
    """Trace ``graph``, a LogitsForm, as :func:`export_onnx` describes."""
    import torch

    example = torch.zeros(2, *example_size, 3, dtype=torch.uint8)
    given, (result,) = INPUTS["logits"], OUTPUTS["logits"]
    axes = {given: {0: "N", 1: "H", 2: "W"}, result: {0: "N", 2: "h", 3: "w"}}
    if size is not None:
        axes = {name: {0: "N"} for name in axes}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that can write opset 17 announces its age on every call
        torch.onnx.export(
            graph.eval(), (example,), str(path), dynamo=False, opset_version=17, input_names=[given],
            output_names=[result], dynamic_axes=axes,
        )  # fmt: skip
    return path
