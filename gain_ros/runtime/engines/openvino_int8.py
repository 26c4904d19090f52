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

"""int8 for OpenVINO: quantise/dequantise steps around the convolutions of the fp32 graph, by measured ranges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from gain_ros.resize import resize_input
from gain_ros.runtime.engines.openvino_core import CORE

# Left in fp32, by parts of names (docs/benchmarks.md): little work each.
KEPT = ("/gai16/", "/gai32/")
_CONVOLUTIONS = {"Convolution": 1, "GroupConvolution": 2}  # type → axes of the weights that say which output channel


def quantise(model: ov.Model, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Put the convolutions whose input has a range on int8, in place.

    Inputs per tensor, 8 bits without a sign where nothing is below zero, else symmetric; weights symmetric per output
    channel, 8 bits. What a convolution gives, and everything else, stays in fp32.
    """
    quantised: dict[str, ov.Output] = {}
    for convolution in _convolutions(model):
        source = convolution.input_value(0)
        name = _name(source)
        if name not in ranges:
            continue
        if name not in quantised:
            quantised[name] = _on_levels(source, *ranges[name])
        convolution.input(0).replace_source_output(quantised[name])
        convolution.input(1).replace_source_output(_weights_on_levels(convolution))


def measure_ranges(graph: bytes, images: Iterable[np.ndarray], size: tuple[int, int]) -> dict[str, tuple[float, float]]:
    """Return the lowest and highest value, over all images, of each tensor that enters a convolution bearing int8.

    ``graph`` is a "logits" graph; ``images`` are RGB uint8 (H, W, 3) of any size, brought to ``size`` (h, w).
    """
    model = CORE.read_model(graph)
    sources = _bearing(model)
    model.add_results([ops.result(source) for source in sources.values()])
    model.reshape([1, *size, 3])
    run = CORE.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    lowest, highest = np.full(len(sources), np.inf), np.full(len(sources), -np.inf)
    for image in images:
        values = list(run({0: resize_input(image, size)[None]}).values())[-len(sources) :]
        lowest = np.minimum(lowest, [value.min() for value in values])
        highest = np.maximum(highest, [value.max() for value in values])
    return {name: (float(low), float(high)) for name, low, high in zip(sources, lowest, highest, strict=True)}


def _bearing(model: ov.Model) -> dict[str, ov.Output]:
    """Return what enters convolutions, by name: not the first, the last, and those with a name in KEPT."""
    convolutions = _convolutions(model)
    kept = {convolutions[0].get_friendly_name(), convolutions[-1].get_friendly_name()}
    found = {}
    for convolution in convolutions:
        name = convolution.get_friendly_name()
        if name not in kept and not any(part in name for part in KEPT):
            found[_name(convolution.input_value(0))] = convolution.input_value(0)
    return found


def _convolutions(model: ov.Model) -> list[ov.Node]:
    """Return those whose weights are constant."""
    nodes = [node for node in model.get_ordered_ops() if node.get_type_name() in _CONVOLUTIONS]
    return [node for node in nodes if _weights_node(node).get_type_name() == "Constant"]


def _name(source: ov.Output) -> str:
    """Return the name that the ONNX graph has for a tensor."""
    return min(source.get_names(), default=source.get_node().get_friendly_name())


def _weights_node(convolution: ov.Node) -> ov.Node:
    node = convolution.input_value(1).get_node()
    while node.get_type_name() == "Convert":  # the file may hold them in fp16
        node = node.input_value(0).get_node()
    return node


def _on_levels(source: ov.Output, low: float, high: float) -> ov.Output:
    bound = max(-low, high, 1e-8)
    lowest, highest = (0.0, bound) if low >= 0 else (-bound, bound * 127 / 128)
    return _fake_quantise(source, np.float32(lowest), np.float32(highest), levels=256)


def _weights_on_levels(convolution: ov.Node) -> ov.Output:
    weights = np.asarray(_weights_node(convolution).data, np.float32)
    channel_axes = _CONVOLUTIONS[convolution.get_type_name()]
    bound = np.maximum(np.abs(weights).max(tuple(range(channel_axes, weights.ndim)), keepdims=True), 1e-8)
    return _fake_quantise(ops.constant(weights).output(0), -bound, bound, levels=255)


def _fake_quantise(
    source: ov.Output, low: np.ndarray | np.float32, high: np.ndarray | np.float32, levels: int
) -> ov.Output:
    ends = [ops.constant(end) for end in (low, high)]
    return ops.fake_quantize(source, *ends, *ends, levels).output(0)
