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

"""The real engines on a small random network: same masks, same manners."""

from __future__ import annotations

import copy
import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gain_ros.errors import EngineUnavailable
from gain_ros.model import load_model
from gain_ros.model.deploy import LabelsForm
from gain_ros.model_folder import ModelFolder, read_model_folder
from gain_ros.runtime import engines
from gain_ros.runtime.engines import ENGINES, available_engines, open_engine
from gain_ros.runtime.opening import open_segmenter

CPU_ENGINES = tuple(name for name in ENGINES if name != "tensorrt")


@pytest.fixture(scope="module", params=CPU_ENGINES)
def engine(request: pytest.FixtureRequest, model_folder: Path):
    if request.param not in available_engines():
        pytest.skip(f"{request.param} is not installed")
    opened = open_engine(request.param, read_model_folder(model_folder), "cpu", threads=1)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def reference(model_folder: Path) -> LabelsForm:
    opened = read_model_folder(model_folder)
    return LabelsForm(load_model(opened), opened.mean, opened.std, opened.input_size).eval()


@pytest.mark.parametrize("frame", [(128, 192), (90, 160), (64, 96), (40, 50), (200, 70)])
@pytest.mark.parametrize("name", CPU_ENGINES)
def test_masks_agree_with_pytorch(
    name: str, frame: tuple[int, int], picture, model_folder: Path, reference: LabelsForm
) -> None:
    if name not in available_engines():
        pytest.skip(f"{name} is not installed")
    rgb = picture(*frame, seed=1)
    with torch.inference_mode():
        labels, confidence = (output[0].numpy() for output in reference(torch.from_numpy(rgb)[None]))
    assert len(np.unique(labels)) > 3
    with open_segmenter(model_folder, name, "cpu") as segmenter:
        mask = segmenter.segment([rgb])[0]
    assert (mask.labels == labels).mean() >= 0.999
    difference = np.abs(mask.confidence.astype(int) - confidence)
    assert np.percentile(difference, 99) <= 3


def test_a_batch_is_its_images(engine, picture) -> None:
    images = np.stack([picture(64, 96, seed=seed) for seed in range(3)])
    together = engine.logits(images)
    assert together.dtype == np.float32
    assert together.flags.c_contiguous
    assert together.shape == (3, 11, *together.shape[2:])
    for image, logits in zip(images, together, strict=True):
        np.testing.assert_allclose(engine.logits(image[None])[0], logits, atol=1e-3 * np.ptp(logits))


def test_a_bag_s_read_only_frames_are_taken_without_a_warning(engine, picture, recwarn) -> None:
    image = picture(64, 96)[None]
    image.setflags(write=False)
    torch.set_warn_always(True)
    try:
        engine.logits(image)
    finally:
        torch.set_warn_always(False)
    assert [str(each.message) for each in recwarn] == []


def test_results_belong_to_the_caller(engine, picture) -> None:
    first = engine.logits(picture(64, 96, seed=0)[None])
    kept = first.copy()
    engine.logits(picture(64, 96, seed=1)[None])
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((64, 96, 3), np.uint8),
        np.zeros((1, 0, 96, 3), np.uint8),
        np.zeros((1, 3, 64, 96), np.uint8),
        np.zeros((0, 64, 96, 3), np.uint8),
        np.zeros((1, 64, 96, 3), np.float32),
    ],
)
def test_wrong_images_say_what_is_expected(engine, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"images are .* expected uint8 \(N, (64, 96|h, w), 3\)"):
        engine.logits(images)


def test_a_graph_for_one_size_takes_no_other(engine) -> None:
    if engine.name == "torch":
        pytest.skip("PyTorch runs the network itself, at any size")
    assert engine.size == (64, 96)
    with pytest.raises(ValueError, match=r"expected uint8 \(N, 64, 96, 3\)"):
        engine.logits(np.zeros((1, 64, 95, 3), np.uint8))


@pytest.mark.parametrize("fit", ["letterbox", "crop", "area"])
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_other_shapes_agree_with_pytorch_whatever_the_fit(name: str, fit: str, picture, deployed_folder: Path) -> None:
    pytest.importorskip(name)
    frames = [picture(90, 180, seed=1), picture(120, 70, seed=2), picture(90, 180, seed=3)]
    with (
        open_segmenter(deployed_folder, "torch", "cpu", fit=fit) as reference,
        open_segmenter(deployed_folder, name, "cpu", fit=fit) as segmenter,
    ):
        assert len(segmenter.segment(frames[:1] * 2)) == 2
        for mask, expected in zip(segmenter.segment(frames), reference.segment(frames), strict=True):
            assert len(np.unique(expected.labels)) > 3
            assert (mask.labels == expected.labels).mean() >= 0.999
            difference = np.abs(mask.confidence.astype(int) - expected.confidence)
            assert np.percentile(difference, 99) <= 3


def test_openvino_keeps_the_latest_shapes_alone(
    picture, deployed_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino_engine = pytest.importorskip("gain_ros.runtime.engines.openvino_engine")
    monkeypatch.setattr(openvino_engine, "_REQUESTS", 2)
    compiled = []
    compile_one = openvino_engine.ov.Core.compile_model
    monkeypatch.setattr(
        openvino_engine.ov.Core, "compile_model", lambda *given: compiled.append(1) or compile_one(*given)
    )
    engine = openvino_engine.OpenVinoEngine(read_model_folder(deployed_folder), "cpu", 1)
    assert engine.size is None
    for size, count in (((64, 96), 1), ((32, 96), 2), ((64, 96), 2), ((64, 32), 3), ((64, 96), 3), ((32, 96), 4)):
        assert engine.logits(picture(*size)[None]).shape == (1, 11, size[0] // 4, size[1] // 4)
        assert len(compiled) == count
    engine.close()


def test_freed_by_another_thread_openvino_leaves_signals_alone(deployed_folder: Path) -> None:
    """In a process of its own, since that is what used to end."""
    pytest.importorskip("openvino")
    code = """
import gc, signal, sys, threading
from pathlib import Path
from gain_ros.model_folder import read_model_folder
from gain_ros.runtime.engines.openvino_engine import OpenVinoEngine

engines = [OpenVinoEngine(read_model_folder(Path(sys.argv[1])), "cpu", 1)]
engines[0].close()
thread = threading.Thread(target=lambda: (engines.clear(), gc.collect()))
thread.start()
thread.join()
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
signal.raise_signal(signal.SIGUSR1)
"""
    command = [sys.executable, "-c", code, str(deployed_folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


def test_an_engine_says_what_runs(engine) -> None:
    assert engine.device == "cpu"
    assert "CPU" in engine.provider
    assert engine.version[0].isdigit()


@pytest.mark.parametrize("name", CPU_ENGINES)
def test_a_gpu_that_is_not_there_is_an_error(name: str, model_folder: Path) -> None:
    if name not in available_engines() or torch.cuda.is_available():
        pytest.skip(f"{name} is not installed, or there is a GPU")
    with pytest.raises(EngineUnavailable, match=f"{name}.*'?cpu'?|{name}.*for a GPU"):
        open_engine(name, read_model_folder(model_folder), "cuda")


def test_onnxruntime_names_the_providers_it_has(model_folder: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime has CUDA")
    with pytest.raises(EngineUnavailable, match="CPUExecutionProvider"):
        open_engine("onnxruntime", read_model_folder(model_folder), "cuda")


def test_onnxruntime_that_falls_back_is_an_error(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda *arguments, **_: session(*arguments, providers=providers[1:])
    )
    with pytest.raises(EngineUnavailable, match="would run on CPUExecutionProvider"):
        open_engine("onnxruntime", read_model_folder(model_folder), "cuda")


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_folder_without_onnx_needs_torch(name: str, model_folder: Path) -> None:
    pytest.importorskip(name)
    opened = read_model_folder(model_folder)
    bare = dataclasses.replace(opened, sha256={k: v for k, v in opened.sha256.items() if k != "logits.onnx"})
    with pytest.raises(EngineUnavailable, match=r"needs logits\.onnx.*engine 'torch'"):
        open_engine(name, bare)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_graph_that_does_not_load_is_one_clear_error(
    name: str, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(name)
    monkeypatch.setattr(ModelFolder, "graph", lambda _: b"no graph")
    with pytest.raises(EngineUnavailable, match=f"{name}.*cannot load model 'random_nano'"):
        open_engine(name, read_model_folder(model_folder))


def test_what_is_not_installed_is_not_offered(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "has_module", lambda name: name == "torch")
    assert available_engines() == ("torch",)
    with pytest.raises(EngineUnavailable, match=r"not installed \(found: torch\).*pip install openvino"):
        open_engine("openvino", read_model_folder(model_folder))


def test_tensorrt_says_itself_what_each_machine_needs(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorrt", "tensorrt_lean", "tensorrt_dispatch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EngineUnavailable, match=r"tensorrt is not installed; a Jetson.*JetPack, a PC by `pip install"):
        open_engine("tensorrt", read_model_folder(model_folder))


@pytest.mark.parametrize(
    "wrong", [{"name": "caffe"}, {"name": "torch", "device": "tpu"}, {"name": "torch", "threads": 0}]
)
def test_wrong_requests_name_the_choices(wrong: dict, model_folder: Path) -> None:
    with pytest.raises(ValueError, match="expected"):
        open_engine(model_folder=read_model_folder(model_folder), **wrong)


def test_the_runtime_imports_no_engine_until_one_is_opened() -> None:
    code = (
        "import sys, gain_ros.runtime.opening as s; s.available_engines();"
        "print(sorted({'torch', 'onnxruntime', 'openvino', 'rclpy'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_whole_step_keeps_to_one_device(reference: LabelsForm) -> None:
    """A GPU is not always at hand; the meta device refuses tensors left on the CPU just the same."""
    frames = torch.zeros(2, 90, 100, 3, dtype=torch.uint8, device="meta")
    outputs = copy.deepcopy(reference).to("meta")(frames)
    assert [output.shape for output in outputs] == [(2, 90, 100)] * 2
