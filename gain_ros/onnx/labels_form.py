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

"""A "logits" graph → the "labels" graph: both resizes of :mod:`gain_ros.resize` around it, and the arg-max.

The nodes do what :class:`gain_ros.model.deploy.LabelsForm` does in PyTorch. Only operators that are written alike from
opset 13 on, and that TensorRT 8.6 parses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gain_ros.fit import Placement
from gain_ros.onnx import INPUTS, OUTPUTS
from gain_ros.onnx.foreign import opset
from gain_ros.onnx.nodes import Nodes, prefixed
from gain_ros.onnx.rewriting import cast_inputs_first, drop_unused, input_planes, with_shape

if TYPE_CHECKING:
    from onnx import ModelProto


def labels_form(
    logits: ModelProto, placement: Placement, level: Sequence[int], size: tuple[int, int] | None = None
) -> ModelProto:
    """Return the graph from uint8 frames N×H×W×3 to uint8 labels and confidence N×H×W.

    ``placement`` is where frames go in the network's input, ``level`` the 8-bit colour around them; ``size`` fixes
    (H, W), None leaves both open. Raises NetworkError where the "logits" graph does not begin as ours do,
    ModelFolderError where the placement cuts a cell of its logits.
    """
    from onnx import TensorProto, helper

    cells = _cells(logits, placement) if placement.inner != placement.network else (0, 0)
    made, inner = Nodes(opset(logits)), prefixed(logits)
    (images,) = inner.graph.input
    cast_inputs_first(inner.graph)
    first, second, images_planes = input_planes(inner.graph)
    planes = made.add("Transpose", made.add("Cast", INPUTS["labels"], to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    shown = _padded(made, _resized_input(made, planes, placement.inner), placement, level)
    made.add("Identity", shown, output=images_planes)
    before = len(made.nodes)
    seen = _cut(made, inner.graph.output[0].name, placement, cells)
    _labels(made, made.resized_like(seen, planes, "linear", "half_pixel"))
    batch = images.type.tensor_type.shape.dim[0].dim_value or "N"
    sides: tuple[int | str, ...] = size or ("H", "W")
    own = [node for node in inner.graph.node if node not in (first, second)]
    graph = helper.make_graph(
        [*made.nodes[:before], *own, *made.nodes[before:]],
        "network",
        [helper.make_tensor_value_info(INPUTS["labels"], TensorProto.UINT8, [batch, *sides, 3])],
        [
            helper.make_tensor_value_info(name, TensorProto.UINT8, [batch, *(size or ("h", "w"))])
            for name in OUTPUTS["labels"]
        ],
        [*inner.graph.initializer, *made.constants],
        sparse_initializer=inner.graph.sparse_initializer,
    )
    drop_unused(graph)
    return helper.make_model(graph, opset_imports=logits.opset_import, ir_version=max(8, logits.ir_version))


def _cells(logits: ModelProto, placement: Placement) -> tuple[int, int]:
    """Return the (h', w') of the logits for the network's input."""
    fixed = with_shape(logits, (1, *placement.network, 3))
    *_, height, width = (dim.dim_value for dim in fixed.graph.output[0].type.tensor_type.shape.dim)
    return height, width


def _padded(made: Nodes, picture: str, placement: Placement, level: Sequence[int]) -> str:
    if placement.inner == placement.network:
        return picture
    top, bottom, left, right = placement.margins
    colour = made.constant(np.reshape(level, (1, 3, 1, 1)), np.float32)
    pads = made.constant([0, 0, top, left, 0, 0, bottom, right])
    return made.add("Add", made.add("Pad", made.add("Sub", picture, colour), pads), colour)


def _cut(made: Nodes, logits: str, placement: Placement, cells: tuple[int, int]) -> str:
    if placement.inner == placement.network:
        return logits
    rows, columns = placement.spans(cells)
    starts, ends = made.constant([rows.start, columns.start]), made.constant([rows.stop, columns.stop])
    return made.add("Slice", logits, starts, ends, made.constant([2, 3]))


def _resized_input(made: Nodes, planes: str, size: tuple[int, int]) -> str:
    """Write :func:`gain_ros.resize.resize_input`: area average, then bilinear, each rounded to 8-bit levels."""
    shape = made.add("Shape", planes)
    half = made.constant(0.5, np.float32)
    rows, columns = (_area_weights(made, shape, axis, side) for axis, side in zip((2, 3), size, strict=True))
    across = made.add("MatMul", planes, made.add("Transpose", columns, perm=[1, 0]))
    shrunk = made.add("Floor", made.add("Add", made.add("MatMul", rows, across), half))
    grown = made.resized(shrunk, size, "linear", "half_pixel")
    return made.add("Floor", made.add("Add", grown, half))


def _area_weights(made: Nodes, shape: str, axis: int, target: int) -> str:
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


def _labels(made: Nodes, logits: str) -> None:
    """Write labels and confidence of logits at the frame's size."""
    from onnx import TensorProto

    # uint8 through float: the only uint8 conversion that every TensorRT release has
    ids = made.add("Cast", made.add("ArgMax", logits, axis=1, keepdims=0), to=TensorProto.FLOAT)
    made.add("Cast", ids, output="labels", to=TensorProto.UINT8)
    terms = made.add("Exp", made.add("Sub", logits, made.greatest(logits)))
    total = made.add("ReduceSum", terms, made.constant([1]), keepdims=0)
    share = made.add("Mul", made.add("Reciprocal", total), made.constant(255, np.float32))  # as PyTorch divides
    level = made.add("Floor", made.add("Add", share, made.constant(0.5, np.float32)))
    made.add("Cast", level, output="confidence", to=TensorProto.UINT8)
