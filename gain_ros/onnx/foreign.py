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

"""The ONNX file of another tool → one plain graph: bounded, its tensors inside, no functions, no control flow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gain_ros.errors import NetworkError, quoted
from gain_ros.files import read_bounded, scratch_folder
from gain_ros.graph_check import beyond_plain_graph

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto

OLDEST_OPSET, OPSET = 13, 17  # an older graph is converted; from 13 on, what is put around it is written the same way
MOST_BYTES = (1 << 31) - 1  # protobuf's own limit
_CONTROL_FLOW = ("If", "Loop", "Scan")


def read_network(path: Path) -> ModelProto:
    """Read an ONNX file with what lies in files beside it. Raises NetworkError.

    Functions are written out; control flow is left in, for :func:`without_control_flow`.
    """
    import onnx
    import onnx.inliner

    try:
        model = onnx.load_from_string(read_bounded(path, MOST_BYTES))
    except OSError as error:
        raise NetworkError(f"{path}: {error.strerror or error}; expected an ONNX file of at most 2 GiB") from error
    except Exception as error:  # protobuf's own kind, of a library that is not ours
        raise NetworkError(f"{path}: {error}; expected an ONNX file: export the network anew") from error
    if not model.graph.node or not model.graph.output:
        raise NetworkError(f"{path}: holds no graph with nodes and outputs; expected an ONNX network")
    _embed(model, path)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    return _in_known_opset(model, path)


def network_inputs(graph: GraphProto) -> list[ValueInfoProto]:
    """Return the inputs that a caller gives; old exporters list constants among them."""
    constants = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in constants]


def has_control_flow(model: ModelProto) -> bool:
    return any(node.op_type in _CONTROL_FLOW for node in model.graph.node)


def without_control_flow(model: ModelProto, shape: tuple[int, ...]) -> ModelProto:
    """Return the graph for an input of this shape, which decides the branches that depend on sizes alone.

    Raises NetworkError where ONNX Runtime cannot load it, or where something remains to be decided on a frame.
    """
    import onnx
    import onnxruntime

    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    set_shape(network_inputs(fixed.graph)[0], shape)
    with scratch_folder() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC  # standard operators
        options.optimized_model_filepath = str(folder / "folded.onnx")
        try:
            onnxruntime.InferenceSession(fixed.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own kinds have no common base
            raise NetworkError(f"ONNX Runtime cannot load the network: {quoted(str(error))}; export it anew") from error
        folded = onnx.load(options.optimized_model_filepath)
    if has_control_flow(folded):
        kinds = sorted({node.op_type for node in folded.graph.node} & {*_CONTROL_FLOW})
        raise NetworkError(f"the network decides on each frame what runs ({', '.join(kinds)}); export it without")
    return folded


def set_shape(value: ValueInfoProto, shape: tuple[int, ...]) -> None:
    dims = value.type.tensor_type.shape.dim
    del dims[:]
    for length in shape:
        dims.add(dim_value=length)


def check_plain(content: bytes) -> None:
    """Raise NetworkError for what no model folder may hold."""
    if odd := beyond_plain_graph(content):
        raise NetworkError(f"the network holds {odd}; expected a graph of operators and tensors: export it anew")


def _embed(model: ModelProto, path: Path) -> None:
    """Read tensors that lie in other files, which have to be beside the graph's."""
    from onnx.external_data_helper import load_external_data_for_model

    folder = path.resolve().parent
    outside = [{entry.key: entry.value for entry in tensor.external_data} for tensor in _tensors(model.graph)]
    files = {facts["location"] for facts in outside if "location" in facts}
    for name in sorted(files):
        file = (folder / name).resolve()
        if folder not in file.parents or not file.is_file():
            raise NetworkError(
                f"{path}: keeps tensors in {quoted(name)}, which is not there; expected a file in {folder}: copy it "
                "there, or export the network as one file"
            )
    if path.stat().st_size + math.fsum((folder / name).stat().st_size for name in files) > MOST_BYTES:
        raise NetworkError(f"{path}: has more than 2 GiB with its tensors; expected less, which one file can hold")
    try:
        load_external_data_for_model(model, str(folder))
    except Exception as error:  # the library raises what its parts raise
        raise NetworkError(f"{path}: its tensors cannot be read: {quoted(str(error))}; copy all its files") from error


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Yield all tensors, also those within nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _tensors(inner)


def _in_known_opset(model: ModelProto, path: Path) -> ModelProto:
    from onnx import version_converter

    version = opset(model)
    if version >= OLDEST_OPSET:
        return model
    try:
        return version_converter.convert_version(model, OPSET)
    except Exception as error:  # it raises RuntimeError and others for operators that it does not know
        raise NetworkError(
            f"{path}: is in opset {version}, which cannot be converted ({quoted(str(error))}); export it in opset "
            f"{OLDEST_OPSET} or later"
        ) from error


def opset(model: ModelProto) -> int:
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)
