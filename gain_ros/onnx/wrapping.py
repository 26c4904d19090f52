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

"""Nodes around a network of others, so that its graph has the two forms of :mod:`gain_ros.onnx.export`.

In front: uint8 RGB to what the network takes. Behind: what it gives to logits N×C×h×w. In the "labels" form also both
resizes of :mod:`gain_ros.resize`. Only operators that are written alike from opset 13 on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gain_ros.onnx.export import INPUTS, OUTPUTS
from gain_ros.onnx.foreign import opset
from gain_ros.onnx.rewriting import drop_unused

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

PREFIX = "network/"  # of every name of the network, none of which can then be one of ours
CERTAIN = 16.0  # the logit of a class that is given as an id: its probability rounds to 255


@dataclass(frozen=True)
class NetworkInput:
    """What the network takes; ``any_size`` where it takes others than ``size`` as well.

    ``dtype`` is ONNX's number of the type; ``size`` (height, width); ``mean`` and ``std`` of R, G, B in 0..1, so 0 and
    1 / 255 for a network that takes levels as they are.
    """

    name: str
    dtype: int
    channels_last: bool
    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool
    any_size: bool


@dataclass(frozen=True)
class NetworkOutput:
    """What the network gives for each class or pixel.

    ``kind`` is "logits", "probabilities" or "ids"; ``rank`` the number of its axes; ``size`` its (height, width).
    ``align_corners`` is how its own code resizes the logits: the outermost samples lie on the outermost pixels.
    """

    name: str
    kind: str
    rank: int
    channels_last: bool
    classes: int
    size: tuple[int, int]
    align_corners: bool = False


def wrapped(
    network: ModelProto, source: NetworkInput, result: NetworkOutput, form: str, batch: int | None = None
) -> ModelProto:
    """Return the "labels" or "logits" graph of a network; ``batch`` fixes N, None leaves it dynamic.

    In the "labels" form the network gets pictures of ``source.size``, in the "logits" form also of others where it can.
    """
    from onnx import TensorProto, helper

    made = _Nodes(opset(network))
    inner = _prefixed(network)
    frames, count = INPUTS[form], batch or "N"
    levels = made.add("Cast", frames, to=TensorProto.FLOAT)
    planes = made.add("Transpose", levels, perm=[0, 3, 1, 2])
    resized = planes if form == "logits" else _resized_input(made, planes, source.size)
    _feed(made, resized, source)
    before = len(made.nodes)
    logits = _logits(made, source.size, result)
    if form == "logits":
        made.add("Identity", logits, output="logits")
        size: tuple[int | str, int | str] = ("H", "W") if source.any_size else source.size
        kind, shape = TensorProto.FLOAT, [count, result.classes, "h", "w"]
    else:
        _labels(made, made.resized_like(logits, planes, "linear", "half_pixel"))
        size, kind, shape = ("H", "W"), TensorProto.UINT8, [count, "h", "w"]
    graph = helper.make_graph(
        [*made.nodes[:before], *inner.graph.node, *made.nodes[before:]],
        "network",
        [helper.make_tensor_value_info(frames, TensorProto.UINT8, [count, *size, 3])],
        [helper.make_tensor_value_info(name, kind, shape) for name in OUTPUTS[form]],
        [*inner.graph.initializer, *made.constants],
        sparse_initializer=inner.graph.sparse_initializer,
    )
    drop_unused(graph)
    return helper.make_model(graph, opset_imports=network.opset_import, ir_version=max(8, network.ir_version))


def with_source(network: ModelProto, source: NetworkInput) -> ModelProto:
    """Return the network with uint8 images in and all its own outputs, whose names get PREFIX: to look at them once."""
    from onnx import TensorProto, helper

    made, inner = _Nodes(opset(network)), _prefixed(network)
    levels = made.add("Cast", INPUTS["logits"], to=TensorProto.FLOAT)
    _feed(made, made.add("Transpose", levels, perm=[0, 3, 1, 2]), source)
    for value in inner.graph.output:
        value.type.tensor_type.ClearField("shape")
    graph = helper.make_graph(
        [*made.nodes, *inner.graph.node],
        "network",
        [helper.make_tensor_value_info(INPUTS["logits"], TensorProto.UINT8, [1, *source.size, 3])],
        inner.graph.output,
        [*inner.graph.initializer, *made.constants],
        sparse_initializer=inner.graph.sparse_initializer,
    )
    return helper.make_model(graph, opset_imports=network.opset_import, ir_version=max(8, network.ir_version))


def with_semantic_output(network: ModelProto, classes: str, masks: str, name: str, size: tuple[int, int]) -> ModelProto:
    """Return the network with one more output: scores N×C×size of a network that gives queries.

    ``classes`` N×Q×(C+1) and ``masks`` N×Q×h×w are logits; the last class is "nothing". A class's score is the sum over
    the queries of its probability times that of the mask.
    """
    from onnx import ModelProto, TensorProto, helper

    combined = ModelProto()
    combined.CopyFrom(network)
    made = _Nodes(opset(network))
    shares = made.add("Softmax", classes, axis=-1)
    known = made.add("Slice", shares, made.constant([0]), made.constant([-1]), made.constant([2]))
    large = made.add("Sigmoid", made.resized(masks, size, "linear", "half_pixel"))
    flat = made.add("Reshape", large, made.constant([0, 0, -1]))
    scores = made.add("MatMul", made.add("Transpose", known, perm=[0, 2, 1]), flat)
    made.add("Reshape", scores, made.constant([0, 0, *size]), output=name)
    combined.graph.node.extend(made.nodes)
    combined.graph.initializer.extend(made.constants)
    combined.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return combined


class _Nodes:
    """Nodes and constants that are being written, under names of our own."""

    def __init__(self, version: int):
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._version = version

    def constant(self, values: object, dtype: type = np.int64) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.array(values, dtype), f"gain/constant_{len(self.constants)}"))
        return self.constants[-1].name

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        from onnx import helper

        output = output or f"gain/{kind}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, list(inputs), [output], f"gain/{len(self.nodes)}_{kind}", **attributes)
        )
        return output

    def greatest(self, name: str) -> str:
        """Add the largest value over the classes, N×1×h×w."""
        if self._version < 18:
            return self.add("ReduceMax", name, axes=[1], keepdims=1)
        return self.add("ReduceMax", name, self.constant([1]), keepdims=1)

    def resized(self, name: str, size: tuple[int, int], mode: str, positions: str) -> str:
        """Resize N×C×h×w to ``size``."""
        return self._resized(name, self.constant(size), mode, positions)

    def resized_like(self, name: str, planes: str, mode: str, positions: str) -> str:
        """Resize N×C×h×w to the size of ``planes``."""
        shape = self.add("Shape", planes)
        size = self.add("Slice", shape, self.constant([2]), self.constant([4]), self.constant([0]))
        return self._resized(name, size, mode, positions)

    def _resized(self, name: str, size: str, mode: str, positions: str) -> str:
        front = self.add("Slice", self.add("Shape", name), self.constant([0]), self.constant([2]), self.constant([0]))
        sizes = self.add("Concat", front, size, axis=0)
        return self.add(
            "Resize", name, "", "", sizes, mode=mode, coordinate_transformation_mode=positions, nearest_mode="floor"
        )


def _prefixed(network: ModelProto) -> ModelProto:
    from onnx import ModelProto, compose

    inner = ModelProto()
    inner.CopyFrom(network)
    del inner.graph.value_info[:]  # shapes of another batch or size
    for place, node in enumerate(inner.graph.node):
        node.name = node.name or f"{node.op_type}_{place}"
    return compose.add_prefix(inner, PREFIX)


def _feed(made: _Nodes, planes: str, source: NetworkInput) -> None:
    """Write levels N×3×h×w, float32 RGB in 0 to 255, as the network's input."""
    from onnx import TensorProto

    order = [2, 1, 0] if source.bgr else [0, 1, 2]
    mean, std = (np.array(values)[order].reshape(1, 3, 1, 1) * 255 for values in (source.mean, source.std))
    if source.bgr:
        planes = made.add("Gather", planes, made.constant(order), axis=1)
    if mean.any():
        planes = made.add("Sub", planes, made.constant(mean, np.float32))
    if not np.allclose(std, 1, rtol=1e-6):
        planes = made.add("Mul", planes, made.constant(1 / std, np.float32))
    if source.channels_last:
        planes = made.add("Transpose", planes, perm=[0, 2, 3, 1])
    kind = {"to": source.dtype} if source.dtype != TensorProto.FLOAT else {}
    made.add("Cast" if kind else "Identity", planes, output=PREFIX + source.name, **kind)


def _logits(made: _Nodes, size: tuple[int, int], result: NetworkOutput) -> str:
    """Write the network's output as float32 logits N×C×h×w."""
    from onnx import TensorProto

    values = made.add("Cast", PREFIX + result.name, to=TensorProto.FLOAT)
    if result.kind == "ids":
        return _logits_of_ids(made, made.add("Reshape", values, made.constant([-1, 1, *result.size])), size, result)
    if result.rank == 3:
        values = made.add("Unsqueeze", values, made.constant([0]))
    if result.channels_last:
        values = made.add("Transpose", values, perm=[0, 3, 1, 2])
    if result.align_corners and result.size != size:
        values = made.resized(values, size, "linear", "align_corners")
    if result.kind == "probabilities":
        # Their logarithms would be logits, but resize to other borders than the probabilities do. Scaled, they keep
        # their borders, and a class that is certain still comes out with a confidence of 254.
        values = made.add("Mul", values, made.constant(np.log(255 * max(1, result.classes - 1)), np.float32))
    return values


def _logits_of_ids(made: _Nodes, ids: str, size: tuple[int, int], result: NetworkOutput) -> str:
    from onnx import TensorProto

    if result.size != size:  # each id is repeated, as a network's own code does it
        ids = made.resized(ids, size, "nearest", "asymmetric")
    classes = made.constant(np.arange(result.classes).reshape(1, -1, 1, 1), np.float32)
    chosen = made.add("Cast", made.add("Equal", ids, classes), to=TensorProto.FLOAT)
    return made.add("Mul", chosen, made.constant(CERTAIN, np.float32))


def _resized_input(made: _Nodes, planes: str, size: tuple[int, int]) -> str:
    """Write :func:`gain_ros.resize.resize_input`: area average, then bilinear, each rounded to 8-bit levels."""
    shape = made.add("Shape", planes)
    half = made.constant(0.5, np.float32)
    rows, columns = (_area_weights(made, shape, axis, side) for axis, side in zip((2, 3), size, strict=True))
    across = made.add("MatMul", planes, made.add("Transpose", columns, perm=[1, 0]))
    shrunk = made.add("Floor", made.add("Add", made.add("MatMul", rows, across), half))
    grown = made.resized(shrunk, size, "linear", "half_pixel")
    return made.add("Floor", made.add("Add", grown, half))


def _area_weights(made: _Nodes, shape: str, axis: int, target: int) -> str:
    """Write :func:`gain_ros.model.deploy.area_weights`, (min(length, target), length)."""
    from onnx import TensorProto

    zero, one = made.constant(0), made.constant(1)
    length = made.add("Gather", shape, made.constant(axis), axis=0)
    # Clip and no Min, whose result onnxslim follows into the division below, which it then takes for one of integers.
    count = made.add("Clip", length, "", made.constant(target))
    long, few = (made.add("Cast", number, to=TensorProto.FLOAT) for number in (length, count))
    step = made.add("Div", long, few)
    source = made.add("Unsqueeze", made.add("Range", zero, length, one), made.constant([0]))
    place = made.add("Unsqueeze", made.add("Range", zero, count, one), made.constant([1]))
    begin = made.add("Cast", source, to=TensorProto.FLOAT)
    start = made.add("Mul", made.add("Cast", place, to=TensorProto.FLOAT), step)
    low = made.add("Max", begin, start)
    high = made.add("Min", made.add("Add", begin, made.constant(1, np.float32)), made.add("Add", start, step))
    return made.add("Div", made.add("Relu", made.add("Sub", high, low)), step)


def _labels(made: _Nodes, logits: str) -> None:
    """Write labels and confidence of logits at the frame's size."""
    from onnx import TensorProto

    # uint8 through float: the only uint8 conversion that every TensorRT release has
    ids = made.add("Cast", made.add("ArgMax", logits, axis=1, keepdims=0), to=TensorProto.FLOAT)
    made.add("Cast", ids, output="labels", to=TensorProto.UINT8)
    terms = made.add("Exp", made.add("Sub", logits, made.greatest(logits)))
    total = made.add("ReduceSum", terms, made.constant([1]), keepdims=0)
    share = made.add("Div", made.constant(255, np.float32), total)
    level = made.add("Floor", made.add("Add", share, made.constant(0.5, np.float32)))
    made.add("Cast", level, output="confidence", to=TensorProto.UINT8)
