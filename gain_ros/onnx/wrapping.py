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

"""Nodes around a network of others, so that its graph has the "logits" form of :mod:`gain_ros.onnx.export`.

In front: uint8 RGB to what the network takes. Behind: what it gives to logits N×C×h×w. Only operators that are written
alike from opset 13 on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gain_ros.onnx import INPUTS, OUTPUTS
from gain_ros.onnx.foreign import opset
from gain_ros.onnx.nodes import PREFIX, Nodes, prefixed
from gain_ros.onnx.rewriting import drop_unused

if TYPE_CHECKING:
    from onnx import ModelProto

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


def wrapped(network: ModelProto, source: NetworkInput, result: NetworkOutput, batch: int | None = None) -> ModelProto:
    """Return the "logits" graph of a network; ``batch`` fixes N, None leaves it dynamic."""
    from onnx import TensorProto, helper

    made = Nodes(opset(network))
    inner = prefixed(network)
    images, count = INPUTS["logits"], batch or "N"
    levels = made.add("Cast", images, to=TensorProto.FLOAT)
    _feed(made, made.add("Transpose", levels, perm=[0, 3, 1, 2]), source)
    before = len(made.nodes)
    (output,) = OUTPUTS["logits"]
    made.add("Identity", _logits(made, source.size, result), output=output)
    size: tuple[int | str, int | str] = ("H", "W") if source.any_size else source.size
    graph = helper.make_graph(
        [*made.nodes[:before], *inner.graph.node, *made.nodes[before:]],
        "network",
        [helper.make_tensor_value_info(images, TensorProto.UINT8, [count, *size, 3])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [count, result.classes, "h", "w"])],
        [*inner.graph.initializer, *made.constants],
        sparse_initializer=inner.graph.sparse_initializer,
    )
    drop_unused(graph)
    return helper.make_model(graph, opset_imports=network.opset_import, ir_version=max(8, network.ir_version))


def with_source(network: ModelProto, source: NetworkInput) -> ModelProto:
    """Return the network with uint8 images in and all its own outputs, whose names get PREFIX: to look at them once."""
    from onnx import TensorProto, helper

    made, inner = Nodes(opset(network)), prefixed(network)
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
    made = Nodes(opset(network))
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


def _feed(made: Nodes, planes: str, source: NetworkInput) -> None:
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


def _logits(made: Nodes, size: tuple[int, int], result: NetworkOutput) -> str:
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


def _logits_of_ids(made: Nodes, ids: str, size: tuple[int, int], result: NetworkOutput) -> str:
    from onnx import TensorProto

    if result.size != size:  # each id is repeated, as a network's own code does it
        ids = made.resized(ids, size, "nearest", "asymmetric")
    classes = made.constant(np.arange(result.classes).reshape(1, -1, 1, 1), np.float32)
    chosen = made.add("Cast", made.add("Equal", ids, classes), to=TensorProto.FLOAT)
    return made.add("Mul", chosen, made.constant(CERTAIN, np.float32))
