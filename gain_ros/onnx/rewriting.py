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

"""Work on ONNX graphs: fixed sizes, folded constants, fp16. Everything gives the same bytes for the same input."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, MutableSequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gain_ros.errors import NetworkError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_LARGE_BYTES = 1024
_HALF_MAX = float(np.finfo(np.float16).max)

# What a softmax and an average are made of. Their sums run over hundreds of terms and their exponents are differences
# of large numbers: in fp16 the class borders move.
_STATISTICS = frozenset(
    {"Div", "Exp", "Max", "ReduceMax", "ReduceMean", "ReduceSum", "Sub"}
    | {"InstanceNormalization", "LayerNormalization", "Pow", "Softmax", "Sqrt"}  # imported graphs have these whole
)
_EXTREMES = frozenset({"ReduceMax", "ReduceSum"})
_WITH_WEIGHTS = frozenset({"Conv", "DequantizeLinear"})
_TYPED = frozenset({"Cast", "Constant", "ConstantOfShape"})  # an attribute says what type they give


def with_shape(model: ModelProto, shape: tuple[int, ...]) -> ModelProto:
    """Fix the graph to one input of this shape, as TensorRT likes it best: no dynamic axis, no shape arithmetic."""
    fixed = _folded(model, [f"{model.graph.input[0].name}:{','.join(map(str, shape))}"])
    cast_inputs_first(fixed.graph)
    return fixed


def with_half_weights(model: ModelProto) -> ModelProto:
    """Return the same fp32 computation in half the file: large constants are kept in fp16, cast where they are used."""
    from onnx import ModelProto, TensorProto, helper, numpy_helper

    smaller = ModelProto()
    smaller.CopyFrom(model)
    graph, casts = smaller.graph, []
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.raw_data) >= _LARGE_BYTES:
            name, values = tensor.name, numpy_helper.to_array(tensor).clip(-_HALF_MAX, _HALF_MAX)
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_fp16"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], f"{name}_cast", to=TensorProto.FLOAT))
    _replace(graph.node, [*casts, *graph.node])
    return smaller


def with_half_scales(model: ModelProto) -> ModelProto:
    """Return the same graph in opset 19 or later, the first one whose Q/DQ nodes take fp16."""
    from onnx import version_converter

    if any(entry.domain == "" and entry.version >= 19 for entry in model.opset_import):
        return model
    return _folded(version_converter.convert_version(model, 19))


def cast_inputs_first(graph: GraphProto) -> None:
    """Move the cast of a uint8 input in front of its transpose: TensorRT lets uint8 into a cast and nothing else."""
    nodes = list(graph.node)
    inputs = {value.name for value in graph.input}
    for index, (transpose, cast) in enumerate(itertools.pairwise(nodes)):
        if (transpose.op_type, cast.op_type) == ("Transpose", "Cast") and transpose.input[0] in inputs:
            source, between, result = transpose.input[0], transpose.output[0], cast.output[0]
            cast.input[0], cast.output[0] = source, between
            transpose.input[0], transpose.output[0] = between, result
            nodes[index : index + 2] = cast, transpose
    _replace(graph.node, nodes)


def input_planes(graph: GraphProto) -> tuple[NodeProto, NodeProto, str]:
    """Return the cast and the transpose that a graph's uint8 input goes through, and the name of the planes N×3×H×W.

    Raises NetworkError where it goes another way.
    """
    first = [node for node in graph.node if graph.input[0].name in node.input]
    second = [node for node in graph.node if first and first[0].output[0] in node.input]
    if [node.op_type for node in (*first, *second)] != ["Cast", "Transpose"]:
        raise NetworkError(
            "the graph does not begin with cast and transpose of its frames; give one by with_shape, or package the "
            "model again"
        )
    return first[0], second[0], second[0].output[0]


def drop_unused(graph: GraphProto) -> None:
    """Remove nodes and initialisers that no output needs."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    _replace(graph.node, reversed(kept))
    _replace(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in needed])


def to_half(model: ModelProto) -> ModelProto:
    """Return the same graph with its network in fp16, typed throughout; inputs and outputs keep their types.

    Everything before the first convolution and after the last one stays in fp32 (8-bit levels and class borders), and
    so do softmax and averages. Casts stand where the two meet.
    """
    from onnx import ModelProto

    half = ModelProto()
    half.CopyFrom(model)
    _HalfWriter(half).run()
    return half


class _HalfWriter:
    """Goes through the nodes once, with the type that each tensor has so far.

    onnxruntime's converter is no substitute: on the shipped model's graph it writes 218 casts where this writes 90, and
    ONNX's checker refuses what it gives.
    """

    def __init__(self, model: ModelProto):
        from onnx import TensorProto, helper, numpy_helper

        self._helper, self._numpy = helper, numpy_helper
        self._float, self._half = TensorProto.FLOAT, TensorProto.FLOAT16
        self._graph = model.graph
        self._in_half = _half_nodes(model.graph)
        self._initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        typed = inferred(model).graph
        values = (*typed.input, *typed.value_info, *typed.output)
        self._types = {value.name: value.type.tensor_type.elem_type for value in values}
        self._types.update((name, tensor.data_type) for name, tensor in self._initializers.items())
        self._nodes: list[NodeProto] = []
        self._cast: dict[tuple[str, int], str] = {}

    def run(self) -> None:
        outputs = {output.name for output in self._graph.output}
        for index, node in enumerate(list(self._graph.node)):
            self._write(node, self._half if index in self._in_half else self._float, outputs)
        _replace(self._graph.node, self._nodes)
        _replace(self._graph.initializer, self._initializers.values())
        del self._graph.value_info[:]
        drop_unused(self._graph)

    def _write(self, node: NodeProto, wanted: int, outputs: set[str]) -> None:
        for position, name in enumerate(node.input):
            typed = position == 0 or node.op_type != "Resize"  # its scales are fp32 whatever it works on
            if name and typed and node.op_type != "Cast" and self._types.get(name) in (self._float, self._half):
                node.input[position] = self._as(name, wanted)
        self._nodes.append(node)
        for position, name in enumerate(node.output):
            if wanted == self._float or node.op_type in _TYPED or self._types.get(name) != self._float:
                continue
            if name in outputs:
                node.output[position] = f"{name}_fp16"
                cast = self._helper.make_node("Cast", [f"{name}_fp16"], [name], f"{name}_cast", to=self._float)
                self._nodes.append(cast)
            self._types[node.output[position]] = self._half

    def _as(self, name: str, wanted: int) -> str:
        """Return the name of this tensor in the type wanted, converted on first use."""
        if self._types[name] == wanted:
            return name
        if (name, wanted) not in self._cast:
            self._cast[name, wanted] = self._convert(name, wanted)
        return self._cast[name, wanted]

    def _convert(self, name: str, wanted: int) -> str:
        converted = f"{name}_{'fp16' if wanted == self._half else 'fp32'}"
        if name in self._initializers:
            values = np.clip(self._numpy.to_array(self._initializers[name]), -_HALF_MAX, _HALF_MAX)
            self._initializers[converted] = self._numpy.from_array(values.astype(np.float16), converted)
        else:
            self._nodes.append(self._helper.make_node("Cast", [name], [converted], f"{converted}_cast", to=wanted))
        self._types[converted] = wanted
        return converted


def _half_nodes(graph: GraphProto) -> set[int]:
    """Positions of the nodes that work in fp16: those from the first convolution to the last, without statistics."""
    after = _reached(list(enumerate(graph.node)), lambda node: (node.input, node.output))
    before = _reached(list(enumerate(graph.node))[::-1], lambda node: (node.output, node.input))
    to_extreme = {name for node in graph.node if node.op_type in _EXTREMES for name in node.input}
    return {
        index
        for index in after & before
        if graph.node[index].op_type not in _STATISTICS and not to_extreme.intersection(graph.node[index].output)
    }


def _reached(
    nodes: list[tuple[int, NodeProto]], ends: Callable[[NodeProto], tuple[Iterable[str], Iterable[str]]]
) -> set[int]:
    """Positions of the convolutions and their int8 weights, and of all nodes that these reach in one direction."""
    names: set[str] = set()
    reached = set()
    for index, node in nodes:
        sources, targets = ends(node)
        if node.op_type in _WITH_WEIGHTS or names.intersection(sources):
            names.update(name for name in targets if name)
            reached.add(index)
    return reached


def _folded(model: ModelProto, input_shapes: list[str] | None = None) -> ModelProto:
    """Compute everything in the graph that can be, also from shapes; those within it are left to be inferred."""
    import onnxslim

    folded = onnxslim.slim(model, input_shapes=input_shapes)
    del folded.graph.value_info[:]
    return folded


def inferred(model: ModelProto) -> ModelProto:
    """Return a copy that knows type and shape of each tensor, as far as they follow from the input."""
    from onnx import shape_inference

    return shape_inference.infer_shapes(model, strict_mode=False, data_prop=True)


def _replace(field: MutableSequence[Any], values: Iterable[Any]) -> None:
    """Fill a repeated protobuf field anew."""
    values = list(values)
    del field[:]
    field.extend(values)
