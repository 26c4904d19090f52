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

"""Typed graphs: the same network in fp32, fp16 and int8, for one shape, with every tensor typed."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto

from gain_ros.frames import rgb_from_array, shape_of
from gain_ros.model import load_model
from gain_ros.model.deploy import LabelsForm
from gain_ros.model_folder import find_model, read_model_folder
from gain_ros.onnx.precision import typed_onnx
from gain_ros.onnx.quantize import KEPT
from gain_ros.onnx.rewriting import drop_unused, inferred
from gain_ros.onnx.yuv_input import with_yuv_input
from gain_ros.resize import labels_from_logits
from gain_ros.score import MAX_MIOU_LOSS, confusion_matrix, mean_iou

ROOT = Path(__file__).resolve().parents[2]
FORMS = {"labels": ("frames", {"labels": (90, 160), "confidence": (90, 160)}), "logits": ("images", {"logits": None})}
SIZES = {"labels": (90, 160), "logits": None}


def as_written(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """A session that keeps to the graph's own rounding: ONNX Runtime's optimiser moves fp16 Q/DQ about."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


@pytest.fixture(scope="module")
def opened(model_folder):
    return read_model_folder(model_folder)


@pytest.fixture(scope="module")
def made(opened, picture):
    """Each form in each precision, made once."""
    pictures = [picture(64, 96, seed=seed) for seed in range(2)]
    kinds = {"fp32": {}, "fp16": {}, "int8": {"images": pictures}, "int8 on fp32": {"images": pictures, "rest": "fp32"}}
    return {
        (form, kind): typed_onnx(opened, form, kind.split()[0], size=SIZES[form], **arguments)
        for form in FORMS
        for kind, arguments in kinds.items()
        if (form, kind) in MADE
    }


MADE = [(form, kind) for form in FORMS for kind in ("fp32", "fp16", "int8")] + [("logits", "int8 on fp32")]


@pytest.mark.parametrize(("form", "kind"), MADE)
def test_a_graph_is_static_and_keeps_its_inputs_and_outputs(made, opened, form, kind):
    model = made[form, kind]
    onnx.checker.check_model(model, full_check=True)
    name, outputs = FORMS[form]
    (given,) = model.graph.input
    assert (given.name, given.type.tensor_type.elem_type) == (name, TensorProto.UINT8)
    assert shape(given) == [1, *(SIZES[form] or opened.input_size), 3]
    assert [output.name for output in model.graph.output] == list(outputs)
    kinds = {output.type.tensor_type.elem_type for output in model.graph.output}
    assert kinds == {TensorProto.UINT8 if form == "labels" else TensorProto.FLOAT}
    assert all(0 not in shape(value) for value in (*inferred(model).graph.value_info, *model.graph.output))
    assert not {"Shape", "Range", "Gather"} & {node.op_type for node in model.graph.node}
    first = next(node for node in model.graph.node if name in node.input)
    assert first.op_type == "Cast", "TensorRT takes uint8 into a cast and nothing else"


def shape(value: onnx.ValueInfoProto) -> list[int]:
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize("form", FORMS)
def test_half_is_the_network_without_its_statistics(made, form):
    graph = inferred(made[form, "fp16"]).graph
    types = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    computed = {node.op_type: set() for node in graph.node}
    for node in graph.node:
        computed[node.op_type].update(types[name] for name in node.output if name in types)
    assert computed["Conv"] == computed["Relu"] == {TensorProto.FLOAT16}
    assert computed["Exp"] == computed["ReduceSum"] == computed["ReduceMax"] == computed["Div"] == {TensorProto.FLOAT}
    weights = [name for node in graph.node if node.op_type == "Conv" for name in node.input]
    assert {types[name] for name in weights} == {TensorProto.FLOAT16}
    energies = [node for node in graph.node if node.op_type == "MatMul" and types[node.output[0]] == TensorProto.FLOAT]
    assert len(energies) == 8 + 2 * (form == "labels")  # two a pass, and the input resize


@pytest.mark.parametrize(("kind", "scale"), [("int8", TensorProto.FLOAT16), ("int8 on fp32", TensorProto.FLOAT)])
def test_int8_is_explicit_symmetric_and_around_the_right_convolutions(made, kind, scale):
    graph = made["logits", kind].graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type == "Conv":
            kept = any(part in node.name for part in KEPT)
            kinds = {producers[name].op_type for name in node.input[:2] if name in producers}
            assert (kinds == {"DequantizeLinear"}) == (not kept), node.name
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert tensors[node.input[1]].data_type == scale
            zero = onnx.numpy_helper.to_array(tensors[node.input[2]])
            assert zero.dtype == np.int8
            assert not zero.any()


@pytest.mark.parametrize("kind", ["fp16", "int8"])
def test_each_precision_gives_nearly_the_same_labels(made, opened, picture, kind):
    rgb = picture(90, 160, seed=9)
    expected = as_written(made["labels", "fp32"]).run(None, {"frames": rgb[None]})[0]
    found = as_written(made["labels", kind]).run(None, {"frames": rgb[None]})[0]
    assert (found == expected).mean() >= {"fp16": 0.99, "int8": 0.9}[kind]  # random weights: classes lie close together


@pytest.mark.parametrize("encoding", ["nv12", "yuyv"])
@pytest.mark.parametrize("kind", ["fp32", "fp16", "int8"])
def test_yuv_bytes_give_the_labels_of_their_rgb_to_the_bit(made, kind, encoding):
    shape = shape_of((90, 160), encoding)
    graph = with_yuv_input(made["labels", kind], (1, *shape))
    onnx.checker.check_model(graph, full_check=True)
    frame = np.random.default_rng(9).integers(0, 256, shape, np.uint8)
    expected = as_written(made["labels", kind]).run(None, {"frames": rgb_from_array(frame)[None]})
    found = as_written(graph).run(None, {"frames": frame[None]})
    assert len(np.unique(expected[0])) > 1
    assert all(map(np.array_equal, found, expected))


def test_every_yuv_colour_becomes_opencv_s_rgb(made):
    """All luma values against a net of chroma values and their extremes."""
    chroma = np.unique(np.concatenate([np.arange(0, 256, 15), [1, 127, 128, 129, 254]]))
    luma, u, v = np.meshgrid(np.arange(256), chroma, chroma, indexing="ij")
    frame = np.stack([np.repeat(luma.ravel(), 2), np.stack([u, v], 3).ravel()], 1)[None].astype(np.uint8)
    converter = with_yuv_input(made["labels", "fp32"], (1, *frame.shape))
    planes = made["labels", "fp32"].graph.node[1].output[0]
    del converter.graph.output[:]
    converter.graph.output.add(name=planes).type.tensor_type.elem_type = TensorProto.FLOAT
    drop_unused(converter.graph)
    (found,) = as_written(converter).run(None, {"frames": frame[None]})
    np.testing.assert_array_equal(found[0].transpose(1, 2, 0), rgb_from_array(frame))


def test_a_graph_that_begins_otherwise_takes_no_yuv(made):
    resizing_first = onnx.ModelProto.FromString(made["labels", "fp32"].SerializeToString())
    resizing_first.graph.node[1].op_type = "Identity"
    with pytest.raises(ValueError, match="give one by with_shape"):
        with_yuv_input(resizing_first, (1, 135, 160))


def test_the_typed_graph_is_the_deployment_form(made, opened, picture):
    rgb = picture(90, 160, seed=9)[None]
    form = LabelsForm(load_model(opened), opened.mean, opened.std, opened.input_size)
    found = as_written(made["labels", "fp32"]).run(None, {"frames": rgb})
    assert all((a == b.numpy()).mean() >= 0.999 for a, b in zip(found, form(torch.from_numpy(rgb)), strict=True))


@pytest.mark.parametrize("fit", ["letterbox", "area"])
def test_the_typed_graph_is_fitted(opened, picture, fit):
    folder, rgb = dataclasses.replace(opened, fit=fit), picture(90, 200, seed=9)[None]
    form = LabelsForm(load_model(opened), opened.mean, opened.std, opened.input_size, fit)
    found = as_written(typed_onnx(folder, "labels", "fp32", size=(90, 200))).run(None, {"frames": rgb})
    expected = [output.numpy() for output in form(torch.from_numpy(rgb))]
    assert all((a == b).mean() >= 0.999 for a, b in zip(found, expected, strict=True))
    stretched = LabelsForm(load_model(opened), opened.mean, opened.std, opened.input_size)(torch.from_numpy(rgb))
    assert (found[0] == stretched[0].numpy()).mean() < 0.999


def test_a_batch_is_part_of_the_shape(opened):
    model = typed_onnx(opened, "logits", "fp16", batch=3)
    assert shape(model.graph.input[0])[0] == shape(model.graph.output[0])[0] == 3


def test_the_same_arguments_give_the_same_bytes_in_every_process(model_folder):
    code = f"""
import hashlib, numpy as np
from gain_ros.model_folder import read_model_folder
from gain_ros.onnx.precision import typed_onnx
images = [np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)]
for precision in ("fp16", "int8"):
    model = typed_onnx(read_model_folder({str(model_folder)!r}), "logits", precision, images)
    print(hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest())
"""
    seen = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, cwd=ROOT,
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        seen.add(tuple(line for line in done.stdout.splitlines() if len(line) == 64))
    assert len(seen) == 1
    assert len(seen.pop()) == 2


def test_a_folder_without_onnx_is_exported(opened):
    bare = dataclasses.replace(opened, sha256={k: v for k, v in opened.sha256.items() if not k.endswith(".onnx")})
    assert shape(typed_onnx(bare, "logits").graph.input[0]) == [1, *opened.input_size, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"precision": "int4"}, "'int4'.*expected one of fp32, fp16, int8"),
        ({"precision": "int8", "rest": "int8"}, "rest 'int8'"),
        ({"precision": "int8"}, "no images"),
        ({"form": "logits", "size": (10, 10)}, r"network's \(64, 96\) alone"),
        ({"form": "masks"}, "form is 'masks'; expected one of labels, logits"),
    ],
)
def test_wrong_requests_are_named(opened, arguments, message):
    with pytest.raises(ValueError, match=message):
        typed_onnx(opened, **arguments)


@pytest.mark.parametrize(("precision", "share"), [("fp32", 0.9999), ("fp16", 0.999), ("int8", 0.99)])
def test_the_shipped_model_keeps_its_golden_labels(precision, share):
    opened = read_model_folder(find_model("gain_nano_camvid"))
    rgb, golden = opened.golden()
    session = as_written(typed_onnx(opened, "logits", precision, [rgb] if precision == "int8" else None))
    labels = labels_from_logits(session.run(None, {"images": rgb[None]})[0][0], opened.input_size)[0]
    assert (labels == golden).mean() >= share


@pytest.fixture(scope="module")
def val(data_folder):
    """Some frames of CamVid val with their labels, and some of train for calibration."""
    root = data_folder / "camvid480"
    pairs = []
    for file in sorted((root / "val").iterdir())[::20]:
        truth = cv2.imread(str(root / "valannot" / f"{file.stem}.png"), cv2.IMREAD_UNCHANGED)
        pairs.append((cv2.imread(str(file))[..., ::-1].copy(), np.where(truth < 11, truth, 255).astype(np.uint8)))
    train = [cv2.imread(str(file))[..., ::-1].copy() for file in sorted((root / "train").iterdir())[::60]]
    return pairs, train


def test_the_shipped_model_keeps_its_accuracy_on_real_pictures(val):
    pairs, train = val
    opened = read_model_folder(find_model("gain_nano_camvid"))
    masks = {}
    for precision in ("fp32", "fp16", "int8"):
        session = as_written(typed_onnx(opened, "logits", precision, train if precision == "int8" else None))
        logits = [session.run(None, {"images": rgb[None]})[0][0] for rgb, _ in pairs]
        masks[precision] = [labels_from_logits(each, opened.input_size)[0] for each in logits]
    agreement = np.mean([a == b for a, b in zip(masks["fp32"], masks["fp16"], strict=True)])
    assert agreement >= 0.999
    miou = {
        precision: mean_iou(sum(confusion_matrix(t, m, 11) for (_, t), m in zip(pairs, found, strict=True)))
        for precision, found in masks.items()
    }
    assert miou["fp32"] > 0.6
    assert miou["fp32"] - miou["int8"] <= MAX_MIOU_LOSS
