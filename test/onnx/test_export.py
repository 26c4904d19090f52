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

"""The graph that a model folder carries, and the one from frames to masks that is put together from it."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import random_model_folder
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

from gain_ros.model_folder import read_model_folder, shipped_models
from gain_ros.onnx.export import add_onnx, export_onnx, labels_graph, logits_graph
from gain_ros.onnx.precision import typed_onnx
from gain_ros.onnx.rewriting import with_half_weights
from gain_ros.runtime.engines import open_engine
from gain_ros.runtime.opening import open_segmenter

FORMS = ("labels", "logits")


@pytest.fixture(scope="module")
def half_folder(tmp_path_factory):
    """A folder with its weights, and so its graphs, in fp16."""
    folder = random_model_folder.write_random_model_folder(tmp_path_factory.mktemp("half") / "random_nano", half=True)
    add_onnx(folder)
    return folder


@pytest.mark.parametrize("form", FORMS)
def test_graphs_keep_weights_in_fp16_where_the_folder_does(half_folder, form, tmp_path):
    opened = read_model_folder(half_folder)
    plain = export_onnx(half_folder, tmp_path / "plain.onnx", "logits", opened.input_size)
    model = logits_graph(opened) if form == "logits" else labels_graph(opened)
    assert len(model.SerializeToString()) < 0.6 * plain.stat().st_size
    onnx.checker.check_model(model, full_check=True)
    large = [tensor for tensor in model.graph.initializer if len(tensor.raw_data) >= 1024]
    assert {tensor.data_type for tensor in large} == {TensorProto.FLOAT16}


@pytest.mark.parametrize("folder", shipped_models(), ids=lambda folder: folder.name)
def test_the_labels_graph_of_a_shipped_model_is_the_segmenter(folder):
    opened = read_model_folder(folder)
    rgb = opened.golden()[0]
    session = onnxruntime.InferenceSession(labels_graph(opened).SerializeToString())
    with open_segmenter(folder, "onnxruntime", "cpu", threads=1) as segmenter:
        for frame in (rgb, np.ascontiguousarray(rgb[::2, ::3])):
            labels, confidence = session.run(["labels", "confidence"], {"frames": frame[None]})
            (mask,) = segmenter.segment([frame])
            assert (labels[0] == mask.labels).mean() >= 0.999
            assert (np.abs(confidence[0].astype(int) - mask.confidence) <= 3).mean() >= 0.998


def test_a_folder_in_fp32_has_its_graphs_in_fp32(deployed_folder):
    graph = logits_graph(read_model_folder(deployed_folder)).graph
    assert TensorProto.FLOAT16 not in {tensor.data_type for tensor in graph.initializer}


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_engines_compute_in_fp32_with_weights_rounded_once(half_folder, engine, picture):
    opened = read_model_folder(half_folder)
    images = np.stack([picture(*opened.input_size, seed=seed) for seed in range(2)])
    expected = open_engine("torch", opened, "cpu", threads=1).logits(images)
    found = open_engine(engine, opened, "cpu", threads=1).logits(images)
    assert np.abs(found - expected).max() < 0.01 * np.ptp(expected)
    assert (found.argmax(1) == expected.argmax(1)).mean() >= 0.99  # random weights: classes lie close together


def test_the_typed_graphs_hold_no_more_casts_of_constants(half_folder):
    graph = typed_onnx(read_model_folder(half_folder), "logits", "fp32").graph
    constants = {tensor.name for tensor in graph.initializer}
    assert not [node.name for node in graph.node if node.op_type == "Cast" and node.input[0] in constants]
    assert TensorProto.FLOAT16 not in {tensor.data_type for tensor in graph.initializer}


def test_values_beyond_fp16_are_cut_off_and_small_constants_stay():
    values = np.full(300, 1e6, np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "large"], ["sum"]), onnx.helper.make_node("Mul", ["sum", "small"], ["y"])],
        "sums",
        [onnx.helper.make_tensor_value_info("x", TensorProto.FLOAT, [300])],
        [onnx.helper.make_tensor_value_info("y", TensorProto.FLOAT, [300])],
        [onnx.numpy_helper.from_array(values, "large"), onnx.numpy_helper.from_array(np.float32([0.1]), "small")],
    )
    halved = with_half_weights(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]))
    (result,) = ReferenceEvaluator(halved).run(None, {"x": np.zeros(300, np.float32)})
    assert np.allclose(result, np.float32(0.1) * 65504)
    assert [tensor.data_type for tensor in halved.graph.initializer] == [TensorProto.FLOAT16, TensorProto.FLOAT]
