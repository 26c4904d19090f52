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

"""ONNX bytes: a plain graph passes, whatever else the format can hold is named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from gain_ros.graph_check import beyond_plain_graph


def plain() -> ModelProto:
    node = helper.make_node("Add", ["x", "w"], ["y"], name="add")
    shift = helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(np.ones(4, np.float32)))
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y"))
    return helper.make_model(helper.make_graph([shift, node], "g", [x], [y]))


def with_branch(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=model.graph, else_branch=model.graph))


def with_branches(model: ModelProto) -> None:
    attribute = model.graph.node[1].attribute.add(name="branches")
    attribute.graphs.add(name="branch")


def with_external_weight(model: ModelProto) -> None:
    tensor = model.graph.initializer.add(name="v", data_type=TensorProto.FLOAT, dims=[1])
    tensor.external_data.add(value="w.bin", key="location")


def with_external_constant(model: ModelProto) -> None:
    model.graph.node[0].attribute[0].t.data_location = TensorProto.EXTERNAL


def with_external_sparse_weight(model: ModelProto) -> None:
    model.graph.sparse_initializer.add().values.data_location = TensorProto.EXTERNAL


def with_function(model: ModelProto) -> None:
    model.functions.add(name="f")


def with_training(model: ModelProto) -> None:
    model.training_info.add()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda model: None, None),
        (lambda model: setattr(model.graph.node[0].attribute[0].t, "data_location", TensorProto.DEFAULT), None),
        (with_branch, "control flow"),
        (with_branches, "control flow"),
        (with_external_weight, "another file"),
        (with_external_constant, "another file"),
        (with_external_sparse_weight, "another file"),
        (with_function, "functions"),
        (with_training, "training"),
    ],
)
def test_what_a_graph_has_beyond_operators_and_tensors(change: Callable, found: str | None) -> None:
    model = plain()
    change(model)
    odd = beyond_plain_graph(model.SerializeToString())
    assert odd is None if found is None else found in str(odd)


@pytest.mark.parametrize("content", [b"no graph", b"\x3a\x7f", b"\x3a", b"\x00\x00", b"\x18\0\0\0ORTM", b"\xff" * 12])
def test_what_is_no_protobuf_is_damaged(content: bytes) -> None:
    assert beyond_plain_graph(content) == "no ONNX graph: its bytes are damaged"


def test_a_field_number_that_others_would_cut_down_is_damaged() -> None:
    tag = (25 << 3 | 2) + (1 << 32)  # in 32 bits: the functions of a model
    varint = bytes([tag & 0x7F | 0x80, tag >> 7 & 0x7F | 0x80, 0x80, 0x80, tag >> 28])
    assert beyond_plain_graph(varint + b"\0") == "no ONNX graph: its bytes are damaged"
