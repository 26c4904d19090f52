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

"""The deployment form equals the training form, in PyTorch and as ONNX."""

from __future__ import annotations

import copy

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from networks import PUBLISHED_FORMS, trained_like

from gain_ros import resize
from gain_ros.fit import mean_level, stretched
from gain_ros.model.deploy import LabelsForm, LogitsForm, fold, resize_input
from gain_ros.model.gai import upsample
from gain_ros.model_folder import IMAGENET_MEAN, IMAGENET_STD
from gain_ros.onnx.export import write_onnx
from gain_ros.onnx.labels_form import labels_form

# Every operator that the exports may hold: all are parsed by TensorRT 8.6 (onnx-tensorrt 8.6-GA, docs/operators.md).
# fmt: off
TENSORRT_8_6 = {
    "Add", "ArgMax", "AveragePool", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv", "Div",
    "Equal", "Exp", "Expand", "Floor", "Gather", "GlobalAveragePool", "Identity", "MatMul", "Max", "MaxPool",
    "Min", "Mul", "Range", "Reciprocal", "ReduceMax", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Resize",
    "Shape", "Slice", "Split", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where",
}
# fmt: on


@pytest.mark.parametrize(("architecture", "options"), PUBLISHED_FORMS)
@pytest.mark.parametrize("size", [(64, 96), (97, 131), (8, 8), (1, 1)])
def test_folded_network_gives_the_same_logits(architecture, options, size):
    model = trained_like(architecture, 11, **options)
    x = torch.randn(2, 3, *size)
    folded = fold(model)
    found = model(x), upsample(folded(x), size)  # how a convolution rounds depends on the CPU
    x = x.double()
    truth, exact = copy.deepcopy(model).double()(x), upsample(folded.double()(x), size)
    scale = truth.abs().max()
    assert (exact - truth).abs().max() <= 1e-5 * scale  # only the folded weights were rounded
    for logits in found:
        assert (logits - truth).abs().max() <= 1e-4 * scale


@pytest.mark.parametrize("size", [(48, 64), (131, 90), (37, 200), (30, 40), (96, 128)])
def test_input_resize_in_the_graph_is_the_runtimes(size):
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    planes = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
    inside = resize_input(planes, (48, 64))[0].permute(1, 2, 0).numpy()
    outside = resize.resize_input(frame, (48, 64)).astype(np.float32)
    assert np.abs(inside - outside).max() <= 1  # OpenCV rounds halves in its own ways
    assert np.abs(inside - outside).mean() < 0.2


@pytest.fixture(scope="module")
def model():
    return trained_like("gain_nano")


@pytest.fixture(scope="module")
def frames():
    coarse = np.random.default_rng(1).integers(0, 256, (2, 9, 8, 3), np.uint8)
    return np.stack([resize.cv2.resize(frame, (90, 131)) for frame in coarse])


def test_labels_form_is_logits_form_between_the_two_resizes(model, frames):
    labels, confidence = LabelsForm(model, IMAGENET_MEAN, IMAGENET_STD, (96, 128))(torch.from_numpy(frames))
    images = np.stack([resize.resize_input(frame, (96, 128)) for frame in frames])
    logits = LogitsForm(model, IMAGENET_MEAN, IMAGENET_STD)(torch.from_numpy(images)).numpy()
    for n in range(len(frames)):
        expected, sure = resize.labels_from_logits(logits[n], frames.shape[1:3], confidence=True)
        assert (labels[n].numpy() == expected).mean() > 0.998
        assert np.abs(confidence[n].numpy().astype(int) - sure).max() <= 3


@pytest.mark.parametrize("size", [None, (131, 90)], ids=["dynamic", "static"])
def test_labels_form_as_onnx(model, frames, tmp_path, size):
    plain = LogitsForm(model, IMAGENET_MEAN, IMAGENET_STD)
    logits = onnx.load(write_onnx(plain, tmp_path / "logits.onnx", None, (96, 128)))
    graph = labels_form(logits, stretched((96, 128)), mean_level(IMAGENET_MEAN), size)
    onnx.checker.check_model(graph, full_check=True)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    assert [(i.name, i.type, i.shape[1:3]) for i in session.get_inputs()] == [
        ("frames", "tensor(uint8)", [*(size or ("H", "W"))])
    ]
    assert [(o.name, o.type) for o in session.get_outputs()] == [
        ("labels", "tensor(uint8)"),
        ("confidence", "tensor(uint8)"),
    ]
    form = LabelsForm(model, IMAGENET_MEAN, IMAGENET_STD, (96, 128))
    for batch in (frames, frames[:1]):
        labels, confidence = session.run(None, {"frames": batch})
        expected, sure = form(torch.from_numpy(batch))
        assert (labels == expected.numpy()).mean() >= 0.999
        assert np.abs(confidence.astype(int) - sure.numpy()).max() <= 1


@pytest.mark.parametrize(("architecture", "options"), PUBLISHED_FORMS)
@pytest.mark.parametrize("size", [None, (64, 96)], ids=["dynamic", "static"])
def test_logits_form_as_onnx(architecture, options, size, tmp_path):
    form = LogitsForm(trained_like(architecture, 11, **options), IMAGENET_MEAN, IMAGENET_STD)
    path = write_onnx(form, tmp_path / "logits.onnx", size, (64, 96))
    session = onnxruntime.InferenceSession(path)
    images = np.random.default_rng(2).integers(0, 256, (1, *(size or (72, 88)), 3), np.uint8)
    (logits,) = session.run(None, {"images": images})
    assert np.allclose(logits, form(torch.from_numpy(images)).numpy(), atol=2e-5)


@pytest.mark.parametrize("form", ["labels", "logits"])
@pytest.mark.parametrize("size", [None, (64, 96)], ids=["dynamic", "static"])
def test_graph_keeps_to_what_tensorrt_8_6_parses(model, tmp_path, form, size):
    module = LogitsForm(model, IMAGENET_MEAN, IMAGENET_STD)
    graph = onnx.load(write_onnx(module, tmp_path / "m.onnx", size, (64, 96)))
    if form == "labels":
        graph = labels_form(graph, stretched((64, 96)), mean_level(IMAGENET_MEAN), size)
    assert [o.version for o in graph.opset_import] == [17]
    assert {node.op_type for node in graph.graph.node} <= TENSORRT_8_6
    constants = [onnx.numpy_helper.to_array(t) for t in graph.graph.initializer]
    constants += [
        onnx.numpy_helper.to_array(a.t) for n in graph.graph.node if n.op_type == "Constant" for a in n.attribute
    ]
    assert all(np.isfinite(c).all() for c in constants if c.dtype.kind == "f")
