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

"""Deployment graphs that take a camera's YUV bytes: the conversion to RGB as nodes in front of the network's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gain_ros.onnx.rewriting import input_planes

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

# YUV to RGB, BT.601 in limited range, in units of 2 ** -20: for all colours, and for red, green and blue.
_LUMA = 1220542
_CHROMA_U = (0, -409993, 2116026)
_CHROMA_V = (1673527, -852492, 0)
_BELOW_ZERO = 512  # no level comes out as low as minus this


def with_yuv_input(model: ModelProto, shape: tuple[int, ...]) -> ModelProto:
    """Return the graph for YUV frames in place of RGB ones; ``shape`` is NV12 (N, H·3/2, W) or YUYV (N, H, W, 2).

    ``model`` is one by :func:`gain_ros.onnx.rewriting.with_shape`, in any precision. Colours are converted in integers
    as OpenCV's own code does it (some builds for ARM have another, opencv issue 20432), so the labels are those of the
    RGB frames to the bit. Raises NetworkError for another graph.
    """
    from onnx import ModelProto

    converted = ModelProto()
    converted.CopyFrom(model)
    graph = converted.graph
    source = graph.input[0]
    first, second, planes = input_planes(graph)
    dims = source.type.tensor_type.shape.dim
    del dims[:]
    for length in shape:
        dims.add(dim_value=length)
    nodes, constants = _yuv_to_rgb(source.name, planes, shape)
    nodes += [node for node in graph.node if node not in (first, second)]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    return converted


def _yuv_to_rgb(source: str, target: str, shape: tuple[int, ...]) -> tuple[list[NodeProto], list[TensorProto]]:
    """Nodes and constants from YUV bytes to float32 levels N×3×H×W."""
    from onnx import TensorProto, helper, numpy_helper

    n, rows, width = shape[:3]
    height = rows * 2 // 3 if len(shape) == 3 else rows
    nodes: list[NodeProto] = []
    constants: list[TensorProto] = []

    def constant(values: object, dtype: type = np.int64) -> str:
        constants.append(numpy_helper.from_array(np.array(values, dtype), f"yuv_constant_{len(constants)}"))
        return constants[-1].name

    def add(kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"yuv_{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [output], f"{output}_{kind}", **attributes))
        return output

    def part(name: str, axis: int, start: int, stop: int) -> str:
        return add("Slice", name, constant([start]), constant([stop]), constant([axis]))

    def reshaped(name: str, *sides: int) -> str:
        return add("Reshape", name, constant(sides))

    # TensorRT takes uint8 into a cast to float and into nothing else.
    levels = add("Cast", add("Cast", source, to=TensorProto.FLOAT), to=TensorProto.INT32)
    if len(shape) == 3:
        luma, pairs = part(levels, 1, 0, height), part(levels, 1, height, rows)
        shared = (2, 2)
    else:
        luma, pairs = part(levels, 3, 0, 1), part(levels, 3, 1, 2)
        shared = (1, 2)
    groups = (height // shared[0], width // shared[1])
    chroma = add(
        "Expand",
        reshaped(pairs, n, groups[0], 1, groups[1], 1, 2),
        constant([n, groups[0], shared[0], groups[1], shared[1], 2]),
    )
    chroma = add("Sub", reshaped(chroma, n, height, width, 2), constant(128, np.int32))
    u, v = (reshaped(part(chroma, 3, i, i + 1), n, 1, height, width) for i in range(2))
    luma = add("Max", add("Sub", reshaped(luma, n, 1, height, width), constant(16, np.int32)), constant(0, np.int32))
    colours = add("Mul", luma, constant(_LUMA, np.int32))
    for plane, factors in ((u, _CHROMA_U), (v, _CHROMA_V)):
        colours = add("Add", colours, add("Mul", plane, constant(np.reshape(factors, (1, 3, 1, 1)), np.int32)))
    # Division rounds towards zero: what is divided is made positive first, and clipping comes after.
    raised = add("Add", colours, constant((_BELOW_ZERO << 20) + (1 << 19), np.int32))
    colours = add("Sub", add("Div", raised, constant(1 << 20, np.int32)), constant(_BELOW_ZERO, np.int32))
    clipped = add("Min", add("Max", colours, constant(0, np.int32)), constant(255, np.int32))
    add("Cast", clipped, output=target, to=TensorProto.FLOAT)
    return nodes, constants
