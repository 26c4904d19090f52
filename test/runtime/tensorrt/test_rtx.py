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

"""The real TensorRT parser and builder on every network and precision; `make test-tensorrt-rtx` installs them.

They come from TensorRT-RTX, whose parser is TensorRT's, and parse and build without a GPU. Engines are not run here.
"""

from __future__ import annotations

import ctypes
import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import PUBLISHED_FORMS, trained_like

from gain_ros.errors import EngineUnavailable
from gain_ros.frames import shape_of
from gain_ros.model.deploy import LogitsForm
from gain_ros.model_folder import read_model_folder, shipped_models
from gain_ros.onnx.export import write_onnx
from gain_ros.onnx.precision import PRECISIONS, typed_onnx
from gain_ros.onnx.quantize import quantise
from gain_ros.onnx.rewriting import to_half, with_half_scales, with_shape
from gain_ros.onnx.yuv_input import with_yuv_input
from gain_ros.runtime.tensorrt.build import BuildCancelledError, build_plan, choose_route
from gain_ros.runtime.tensorrt.progress import BuildProgress
from training.scenes import StreetScene

LIBRARIES, BINDINGS = "onnxruntime_ep_nv_tensorrt_rtx", "tensorrt_rtx_bindings"

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, (LIBRARIES, BINDINGS))), reason="make test-tensorrt-rtx installs TensorRT-RTX"
)


@pytest.fixture(scope="module")
def trt():
    folder = Path(importlib.util.find_spec(LIBRARIES).origin).parent
    for pattern in ("libtensorrt_rtx.so.*", "libtensorrt_onnxparser_rtx.so.*"):
        ctypes.CDLL(str(next(folder.glob(pattern))), mode=ctypes.RTLD_GLOBAL)
    return importlib.import_module(BINDINGS)


def build(trt, model: onnx.ModelProto) -> tuple[dict[str, str], dict[str, str]]:
    """Parses and builds with strong typing; the types of inputs and of outputs, by name."""
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    parsed = parser.parse(model.SerializeToString())
    assert parsed, [parser.get_error(i).desc() for i in range(parser.num_errors)]
    assert builder.build_serialized_network(network, builder.create_builder_config()) is not None
    inputs = [network.get_input(i) for i in range(network.num_inputs)]
    outputs = [network.get_output(i) for i in range(network.num_outputs)]
    return tuple({tensor.name: tensor.dtype.name for tensor in tensors} for tensors in (inputs, outputs))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("folder", shipped_models(), ids=lambda folder: folder.name)
def test_shipped_models_build(trt, folder, precision):
    images = [StreetScene(seed, (360, 480)).frame(1.0)[0] for seed in range(2)]
    bytes_in_and_out = ({"frames": "UINT8"}, {"labels": "UINT8", "confidence": "UINT8"})
    opened = read_model_folder(folder)
    assert build(trt, typed_onnx(opened, "labels", precision, images, size=(720, 960))) == bytes_in_and_out
    for encoding in ("nv12", "yuyv"):
        for_yuv = with_yuv_input(
            typed_onnx(opened, "labels", precision, images, size=(360, 480)), (1, *shape_of((360, 480), encoding))
        )
        assert build(trt, for_yuv) == bytes_in_and_out
    assert build(trt, typed_onnx(opened, "logits", precision, images)) == ({"images": "UINT8"}, {"logits": "FLOAT"})


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("fit", ["letterbox", "area"])
def test_a_shipped_model_builds_as_it_is_fitted(trt, fit, precision):
    images = [StreetScene(seed, (360, 640)).frame(1.0)[0] for seed in range(2)]
    opened = dataclasses.replace(read_model_folder(shipped_models()[0]), fit=fit)
    graph = typed_onnx(opened, "labels", precision, images, size=(720, 1280))
    assert build(trt, graph) == ({"frames": "UINT8"}, {"labels": "UINT8", "confidence": "UINT8"})


@pytest.mark.parametrize(("architecture", "options"), PUBLISHED_FORMS)
def test_every_network_builds_in_every_precision(trt, architecture, options, tmp_path):
    form = LogitsForm(trained_like(architecture, 19, **options), (0.5,) * 3, (0.2,) * 3)
    file = write_onnx(form, tmp_path / "logits.onnx", (128, 160), (128, 160))
    plain = with_shape(onnx.load(file), (1, 128, 160, 3))
    images = [np.random.default_rng(0).integers(0, 256, (128, 160, 3), np.uint8)]
    types = {"images": "UINT8"}, {"logits": "FLOAT"}
    assert build(trt, plain) == types
    assert build(trt, to_half(plain)) == types
    assert build(trt, to_half(quantise(with_half_scales(plain), images))) == types
    assert build(trt, quantise(plain, images)) == types


def test_our_builder_s_progress_and_cancelling_work_on_the_real_library(trt):
    (folder,) = shipped_models()[:1]
    graph = typed_onnx(read_model_folder(folder), "labels", "fp16", size=(360, 480)).SerializeToString()
    route, progress, seen = choose_route(trt, "fp16"), BuildProgress(), []
    progress.complete_step = lambda *step, tell=progress.complete_step: seen.append(progress.share) or tell(*step)
    assert route.name == "typed"
    assert len(build_plan(trt, graph, route, progress)) > 1_000_000
    assert len(seen) > 3
    assert 0.5 < progress.share <= 1.0
    progress.cancel()
    with pytest.raises(BuildCancelledError):
        build_plan(trt, graph, route, progress)
    with pytest.raises(EngineUnavailable, match="cannot parse the graph"):
        build_plan(trt, b"no graph", route, BuildProgress())
