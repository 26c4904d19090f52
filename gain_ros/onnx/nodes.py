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

"""Nodes and constants that are written around a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

PREFIX = "network/"  # of every name of the graph within, none of which can then be one of ours


class Nodes:
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


def prefixed(network: ModelProto) -> ModelProto:
    """Return the graph under names of its own, and without shapes that hold for one batch or size."""
    from onnx import ModelProto, compose

    inner = ModelProto()
    inner.CopyFrom(network)
    del inner.graph.value_info[:]
    for place, node in enumerate(inner.graph.node):
        node.name = node.name or f"{node.op_type}_{place}"
    return compose.add_prefix(inner, PREFIX)
