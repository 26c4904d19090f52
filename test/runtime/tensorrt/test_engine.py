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

"""The TensorRT engine on doubles of TensorRT and CUDA: masks right to the pixel, and nothing wrong ever reused."""

from __future__ import annotations

import dataclasses
import logging
import runpy
import sys
import threading
import time
import types
from pathlib import Path

import numpy as np
import pytest
import tensorrt_double
from cuda_double import LibraryDouble
from graph_segmenter import GraphSegmenter
from tiny_model_folder import GOLDEN_SIZE, labels_graph, picture, run_graph

from gain_ros.errors import EngineNotBuilt, EngineUnavailable, GoldenMismatch
from gain_ros.frames import rgb_from_array, shape_of
from gain_ros.model_folder import read_model_folder
from gain_ros.onnx.rewriting import with_shape
from gain_ros.runtime.opening import open_segmenter
from gain_ros.runtime.tensorrt import cudart, session
from gain_ros.runtime.tensorrt import store as store_module
from gain_ros.runtime.tensorrt.cudart import CudaError
from gain_ros.runtime.tensorrt.engine import TensorRtEngine
from gain_ros.runtime.tensorrt.progress import BuildProgress

GOLDEN, OTHER = GOLDEN_SIZE, (50, 70)
GOLDEN_FRAME, OTHER_FRAME = (*GOLDEN, 3), (*OTHER, 3)


@pytest.fixture
def open_one(tiny_folder: Path):
    """Opens the engine; closes what was opened."""
    opened = []

    def run(precision: str = "fp32", **options) -> TensorRtEngine:
        engine = TensorRtEngine(read_model_folder(tiny_folder), precision=precision, **options)
        opened.append(engine)
        return engine

    yield run
    for engine in opened:
        engine.close()


def pictures(size: tuple[int, int], count: int) -> np.ndarray:
    return np.stack([picture(*size, seed=seed) for seed in range(count)])


def check(engine: TensorRtEngine, frames: np.ndarray) -> None:
    labels, confidence = engine.labels(frames)
    expected = run_graph(frames)
    assert len(np.unique(expected[0])) > 2
    np.testing.assert_array_equal(labels, expected[0])
    assert np.abs(confidence.astype(int) - expected[1]).max() <= 1


def test_the_shipped_kind_of_network_gives_onnxruntime_s_masks(tensorrt, deployed_folder: Path) -> None:
    tensorrt()
    opened = read_model_folder(deployed_folder)
    frames = pictures((120, 150), 3)
    engine = TensorRtEngine(opened, precision="fp32")
    with open_segmenter(deployed_folder, "onnxruntime", "cpu", threads=1) as segmenter:
        engine.prepare((120, 150, 3), BuildProgress(), segmenter)
        expected = segmenter.segment(list(frames))
    for ids, scores, mask in zip(*engine.labels(frames), expected, strict=True):
        assert (ids == mask.labels).mean() >= 0.999
        assert np.abs(scores.astype(int) - mask.confidence).max() <= 2
    engine.close()


@pytest.mark.parametrize("cuda_graph", [False, True])
@pytest.mark.parametrize("version", tensorrt_double.VERSIONS)
def test_masks_are_right_on_every_version(version: str, cuda_graph: bool, tensorrt, cuda, open_one) -> None:
    tensorrt(version)
    engine = open_one(cuda_graph=cuda_graph)
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    frames = pictures(GOLDEN, 5)
    check(engine, frames)
    check(engine, np.ascontiguousarray(frames[::-1]))
    assert ("cudaGraphLaunch" in cuda.calls) == cuda_graph
    engine.close()
    assert cuda.alive() == 0
    assert engine.version == version
    assert engine.provider == "Double GPU, fp32"


def test_shared_memory_gives_the_same_masks_without_a_copy(tensorrt, cuda, open_one) -> None:
    cuda.integrated = True
    tensorrt()
    engine = open_one()
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    check(engine, pictures(GOLDEN, 3))
    assert "cudaMemcpyAsync" not in cuda.calls


def test_each_size_has_an_engine_and_graphs_of_its_own(tensorrt, cuda, open_one) -> None:
    tensorrt()
    engine = open_one(cuda_graph=True)
    for size in (GOLDEN, OTHER):
        engine.prepare((*size, 3), BuildProgress(), GraphSegmenter())
    for size in (GOLDEN, OTHER, GOLDEN):
        check(engine, pictures(size, 3))
    assert engine.store.built_shapes() == [GOLDEN_FRAME, OTHER_FRAME]


@pytest.mark.parametrize("encoding", ["nv12", "yuyv"])
@pytest.mark.parametrize("version", tensorrt_double.VERSIONS)
def test_yuv_frames_give_the_masks_of_their_rgb(version: str, encoding: str, tensorrt, open_one) -> None:
    tensorrt(version)
    engine = open_one()
    shape = shape_of(OTHER, encoding)
    engine.prepare(shape, BuildProgress(), GraphSegmenter())
    frames = np.random.default_rng(4).integers(0, 256, (3, *shape), np.uint8)
    labels, confidence = engine.labels(frames)
    expected = run_graph(np.stack([rgb_from_array(frame) for frame in frames]))
    np.testing.assert_array_equal(labels, expected[0])
    assert np.abs(confidence.astype(int) - expected[1]).max() <= 1
    assert engine.store.built_shapes() == [shape]
    with pytest.raises(EngineNotBuilt, match=r"frames of 70x50 in fp32.*--size 70x50 --encoding rgb8"):
        engine.prepare(OTHER_FRAME)


def test_yuv_frames_need_another_engine_to_be_checked_against(tensorrt, open_one) -> None:
    tensorrt()
    with pytest.raises(EngineUnavailable, match=r"a new TensorRT engine for 160x90 nv12 has to be checked"):
        open_one().prepare(shape_of(GOLDEN, "nv12"), BuildProgress())


def test_threads_do_not_meet_in_one_context(tensorrt, open_one) -> None:
    trt = tensorrt()
    engine = open_one()
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    trt.behaviour.on_launch = lambda: time.sleep(0.02)  # long enough for the others to come in, if they could
    errors = []

    def work(seed: int) -> None:
        try:
            check(engine, picture(*GOLDEN, seed=seed)[None])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.parametrize("failing", ["cudaStreamBeginCapture", "cudaGraphInstantiateWithFlags", "the launch"])
def test_a_graph_that_cannot_be_recorded_is_done_without(failing: str, tensorrt, cuda, open_one, caplog) -> None:
    trt = tensorrt()
    trt.behaviour.refuses_capture = failing == "the launch"
    cuda.failing[failing] = 900
    engine = open_one(cuda_graph=True)
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    for seed in range(3):
        check(engine, picture(*GOLDEN, seed=seed)[None])
    warnings = [text for _, level, text in caplog.record_tuples if level == logging.WARNING and "CUDA graph" in text]
    assert len(warnings) == 1
    assert not cuda.graphs


def test_a_ready_size_runs_while_another_is_built(tensorrt, open_one) -> None:
    trt = tensorrt()
    engine = open_one()
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    served = []

    def serve(step: int) -> None:
        thread = threading.Thread(target=lambda: served.append(engine.labels(pictures(GOLDEN, 1))), daemon=True)
        thread.start()
        thread.join(5)

    trt.behaviour.on_step = serve
    engine.prepare(OTHER_FRAME, BuildProgress(), GraphSegmenter())
    assert len(served) == 4


def test_a_second_start_builds_nothing(tensorrt, open_one) -> None:
    trt = tensorrt()
    open_one().prepare(GOLDEN_FRAME, BuildProgress())
    again = open_one()
    assert not again.ready(GOLDEN_FRAME)
    check(again, picture(*GOLDEN)[None])
    assert again.ready(GOLDEN_FRAME)
    assert len(trt.behaviour.builds) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda trt, cuda: setattr(trt, "__version__", "10.13.2"),
        lambda trt, cuda: setattr(cuda, "gpu", "Another GPU"),
        lambda trt, cuda: setattr(cuda, "capability", (8, 9)),
    ],
)
def test_another_machine_gets_another_engine(change, tensorrt, cuda, open_one) -> None:
    trt = tensorrt()
    open_one().prepare(GOLDEN_FRAME, BuildProgress())
    change(trt, cuda)
    engine = open_one()
    assert engine.store.built_shapes() == []
    with pytest.raises(EngineNotBuilt, match=r"no TensorRT engine of tiny for frames of 160x90 in fp32.*gain build"):
        engine.prepare(GOLDEN_FRAME)
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    assert len(trt.behaviour.builds) == 2
    assert "rebuilt because" in engine.store.entry(GOLDEN_FRAME).why


def test_a_changed_model_platform_or_precision_is_another_engine(
    tensorrt, open_one, monkeypatch: pytest.MonkeyPatch
) -> None:
    trt = tensorrt()
    engine = open_one()
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    assert [open_one().store.load(GOLDEN_FRAME) is None, open_one("int8").store.built_shapes()] == [False, []]
    monkeypatch.setattr(store_module, "platform_name", lambda: "l4t-39.2")
    assert open_one().store.load(GOLDEN_FRAME) is None
    monkeypatch.undo()
    assert len(trt.behaviour.builds) == 1


def test_a_plan_that_tensorrt_refuses_is_built_again(tensorrt, open_one) -> None:
    trt = tensorrt()
    open_one().prepare(GOLDEN_FRAME, BuildProgress())
    trt.behaviour.refuses_plans = "wrong magic"
    engine = open_one()
    with pytest.raises(EngineNotBuilt):
        engine.prepare(GOLDEN_FRAME)
    trt.behaviour.refuses_plans = ""
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    assert engine.store.entry(GOLDEN_FRAME).why.endswith("TensorRT refuses the plan: cannot deserialize: wrong magic")
    assert len(trt.behaviour.builds) == 2


def test_an_engine_that_gives_other_labels_than_it_did_is_built_again(tensorrt, open_one) -> None:
    trt = tensorrt()
    open_one().prepare(GOLDEN_FRAME, BuildProgress())
    trt.behaviour.changes_labels = lambda model: True
    with pytest.raises(EngineNotBuilt):
        open_one().prepare(GOLDEN_FRAME)
    trt.behaviour.changes_labels = lambda model: False
    engine = open_one()
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    assert len(trt.behaviour.builds) == 2


def test_a_new_engine_with_wrong_labels_is_refused_unless_accepted(tensorrt, open_one) -> None:
    trt = tensorrt()
    trt.behaviour.changes_labels = lambda model: True
    engine = open_one()
    with pytest.raises(GoldenMismatch, match=r"in fp32 gives 0.00 % of the check picture's labels, expected 99.9 %"):
        engine.prepare(GOLDEN_FRAME, BuildProgress())
    assert engine.store.cache.entries() == []
    engine.prepare(GOLDEN_FRAME, BuildProgress(), accept=True)
    assert engine.ready(GOLDEN_FRAME)


def test_a_size_without_golden_labels_needs_another_engine_to_judge_it(tensorrt, open_one) -> None:
    tensorrt()
    with pytest.raises(EngineUnavailable, match=r"for 70x50 has to be checked against another engine.*pip install"):
        open_one().prepare(OTHER_FRAME, BuildProgress())


@pytest.mark.parametrize("version", ["8.6.1", "10.3.0", "10.13.0"])
def test_fp16_takes_the_route_of_its_version(version: str, tensorrt, open_one) -> None:
    trt = tensorrt(version)
    engine = open_one("auto")
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    half = any(tensor.data_type == 10 for tensor in trt.behaviour.parsed[-1].graph.initializer)
    typed = version == "10.13.0"
    assert half == typed
    assert ("FP16" in trt.behaviour.builds[-1]["flags"]) != typed
    assert engine.store.entry(GOLDEN_FRAME).key.route == ("typed" if typed else "flags")
    assert engine.provider.endswith("fp16")


def test_int8_without_pictures_says_what_to_do(tensorrt, open_one) -> None:
    tensorrt()
    with pytest.raises(EngineUnavailable, match=r"gain build tiny --precision int8 --size 160x90 --images"):
        open_one("int8").prepare(GOLDEN_FRAME, BuildProgress())


@pytest.mark.parametrize(("version", "rest"), [("8.6.1", "fp32"), ("10.3.0", "fp16")])
def test_int8_is_calibrated_once_and_built_again_without_pictures(
    version: str, rest: str, tensorrt, open_one, monkeypatch
) -> None:
    import gain_ros.onnx.precision

    calls = []

    def quantized(opened, form, precision, images, size, rest):
        calls.append((form, precision, len(images), size, rest))
        return with_shape(labels_graph(), (1, *size, 3))

    monkeypatch.setattr(gain_ros.onnx.precision, "typed_onnx", quantized)
    trt = tensorrt(version)
    open_one("int8").prepare(GOLDEN_FRAME, BuildProgress(), images=list(pictures(GOLDEN, 4)))
    assert calls == [("labels", "int8", 4, GOLDEN, rest)]
    trt.__version__ = f"{version}.1"
    later = open_one("int8")
    later.prepare(GOLDEN_FRAME, BuildProgress())
    check(later, pictures(GOLDEN, 2))
    assert len(calls) == 1
    assert [build["version"] for build in trt.behaviour.builds] == [version, f"{version}.1"]
    assert "INT8" not in trt.behaviour.builds[1]["flags"] or version == "8.6.1"
    later.prepare(shape_of(GOLDEN, "nv12"), BuildProgress(), GraphSegmenter())
    assert len(calls) == 1, "YUV needs no calibration of its own"


def test_what_is_missing_is_said(tensorrt, open_one, tiny_folder: Path, monkeypatch) -> None:
    with pytest.raises(EngineUnavailable, match="tensorrt runs on NVIDIA GPUs alone"):
        TensorRtEngine(read_model_folder(tiny_folder), "cpu")
    tensorrt()
    monkeypatch.setitem(sys.modules, "gain_ros.onnx.precision", None)
    monkeypatch.setattr(store_module.EngineCache, "load_graph", lambda self, name: None)
    with pytest.raises(EngineUnavailable, match=r"building an engine needs .*pip install"):
        open_one().prepare(GOLDEN_FRAME, BuildProgress())


def test_a_gpu_without_memory_is_said_and_leaves_nothing(tensorrt, cuda, open_one) -> None:
    tensorrt()
    cuda.failing["cudaMalloc"] = 2
    with pytest.raises(EngineUnavailable, match=r"Double GPU, fp32: cudaMalloc: error number 2 \(2\); free memory"):
        open_one().prepare(GOLDEN_FRAME, BuildProgress())
    assert cuda.alive() == 0


def test_a_launch_that_fails_says_why(tensorrt, open_one) -> None:
    trt = tensorrt()
    engine = open_one()
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    trt.behaviour.refuses_launch = "illegal memory access"
    with pytest.raises(EngineUnavailable, match="TensorRT could not start: illegal memory access"):
        engine.labels(picture(*GOLDEN)[None])


def test_after_a_failed_launch_no_buffer_is_in_use(tensorrt, cuda, open_one) -> None:
    trt = tensorrt()
    engine = open_one()
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    launches = iter(["", "out of resources"])

    def fail_second() -> None:
        trt.behaviour.refuses_launch = next(launches)

    trt.behaviour.on_launch = fail_second
    with pytest.raises(CudaError, match="out of resources"):
        engine.labels(pictures(GOLDEN, 2))
    assert all(stream.done == len(stream.work) for stream in cuda.streams.values())
    trt.behaviour.on_launch, trt.behaviour.refuses_launch = lambda: None, ""
    check(engine, pictures(GOLDEN, 3))


def test_a_context_that_cannot_be_made_leaves_nothing(tensorrt, cuda, open_one, monkeypatch) -> None:
    tensorrt()
    monkeypatch.setattr(tensorrt_double._ICudaEngine, "create_execution_context", lambda self, strategy: None)
    with pytest.raises(EngineUnavailable, match="could not make an execution context; free memory of the GPU"):
        open_one().prepare(GOLDEN_FRAME, BuildProgress())
    assert cuda.alive() == 0


def test_computing_alone_copies_nothing(tensorrt, cuda, open_one) -> None:
    trt = tensorrt()
    engine = open_one()
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    session = engine.store.load(GOLDEN_FRAME)
    copies, launches = cuda.calls.count("cudaMemcpyAsync"), trt.behaviour.enqueued
    session.compute()
    assert (cuda.calls.count("cudaMemcpyAsync"), trt.behaviour.enqueued) == (copies, launches + 1)
    assert all(stream.done == len(stream.work) for stream in cuda.streams.values())
    session.close()


def test_a_plan_of_another_graph_is_refused(tensorrt, open_one, tiny_folder: Path, monkeypatch) -> None:
    """One that leaves the frame size open."""
    tensorrt()
    graph = labels_graph().SerializeToString()
    monkeypatch.setattr(store_module, "typed_graph", lambda *_: graph)
    with pytest.raises(EngineUnavailable, match=r"expected uint8 frames in, labels and confidence of their size out"):
        open_one().prepare(GOLDEN_FRAME, BuildProgress())


def test_an_output_that_is_not_uint8_is_refused(tensorrt, open_one, monkeypatch) -> None:
    """Logits or floats would be several times as much to copy."""
    tensorrt()
    model = with_shape(labels_graph(), (1, *GOLDEN, 3))
    model.graph.output[0].type.tensor_type.elem_type = 1
    cast = next(node for node in model.graph.node if node.output[0] == "labels")
    cast.attribute[0].i = 1
    monkeypatch.setattr(store_module, "typed_graph", lambda *_: model.SerializeToString())
    with pytest.raises(EngineUnavailable, match="expected uint8 frames in"):
        open_one().prepare(GOLDEN_FRAME, BuildProgress())


def test_memory_that_is_not_aligned_is_refused() -> None:
    with pytest.raises(CudaError, match=r"memory at 0x64; TensorRT needs it aligned to 256 bytes"):
        session._give_scratch(object(), 100, 4096)


def test_the_benchmark_measures_it(tensorrt) -> None:
    from gain_ros.model import build

    tensorrt()
    gpu = runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "gpu.py"))
    network = gpu["settled"](build("gain_nano", gpu["CLASSES"]), (64, 96))
    row = gpu["tensorrt"](network, "gain_nano", (8, 8), gpu["DRY"], gpu["Meter"](gpu["DRY"]))
    assert min(row["host_p50_ms"], row["gpu_p50_ms"], row["build_s"]) > 0


class Plugin(types.ModuleType):
    """Stands in for gain_ros.runtime.tensorrt.plugin: the fused graph is the plain one under another name."""

    def __init__(self) -> None:
        super().__init__("gain_ros.runtime.tensorrt.plugin")
        self.registered = 0
        self.source = "d" * 64

    def register(self) -> None:
        self.registered += 1

    def fused_onnx(self, model):
        model.graph.name = "fused"
        return model

    def source_hash(self) -> str:
        return self.source


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Plugin:
    import gain_ros.runtime.tensorrt

    double = Plugin()
    monkeypatch.setitem(sys.modules, "gain_ros.runtime.tensorrt.plugin", double)
    monkeypatch.setattr(gain_ros.runtime.tensorrt, "plugin", double, raising=False)
    return double


def names_parsed(trt) -> list[str]:
    return [model.graph.name for model in trt.behaviour.parsed]


def test_a_plugin_that_agrees_is_used(tensorrt, open_one, plugin: Plugin) -> None:
    trt = tensorrt("10.13.0")
    open_one().prepare(GOLDEN_FRAME, BuildProgress())
    engine = open_one()
    check(engine, picture(*GOLDEN)[None])
    assert names_parsed(trt)[0] != "fused", "the plain graph is always built"
    assert names_parsed(trt)[1:] == ["fused"]
    assert plugin.registered == 1
    entries = engine.store.cache.entries()
    assert sorted(entry.key.plugin for entry in entries) == ["", plugin.source]
    assert engine.store.entry(GOLDEN_FRAME).facts["plugin"].startswith("used")
    assert engine.store.built_shapes() == [GOLDEN_FRAME]


def test_both_engines_can_be_forgotten(tensorrt, open_one, plugin: Plugin) -> None:
    tensorrt()
    engine = open_one()
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    engine.store.forget(GOLDEN_FRAME, "too coarse")
    engine.store.forget(GOLDEN_FRAME, "twice")
    assert engine.store.cache.entries() == []


def test_a_plugin_that_disagrees_is_left_out(tensorrt, open_one, plugin: Plugin, caplog) -> None:
    trt = tensorrt("10.13.0")
    trt.behaviour.changes_labels = lambda model: model.graph.name == "fused"
    engine = open_one()
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    check(engine, picture(*GOLDEN)[None])
    assert [entry.key.plugin for entry in engine.store.cache.entries()] == [""]
    assert "0.00 % of the plain graph's labels" in engine.store.entry(GOLDEN_FRAME).facts["plugin"]
    assert any("plugin is left out" in text for _, _, text in caplog.record_tuples)


@pytest.mark.parametrize(("version", "said"), [("8.6.1", "no tensorrt.plugin"), ("10.8.0", "ahead of time")])
def test_a_plugin_is_not_tried_before_10_9(version: str, said: str, tensorrt, open_one, plugin: Plugin) -> None:
    tensorrt(version)
    engine = open_one()
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    assert said in engine.store.entry(GOLDEN_FRAME).facts["plugin"]
    assert plugin.registered == 0


def test_a_plugin_that_cannot_be_compiled_costs_nothing(tensorrt, open_one, plugin: Plugin, monkeypatch) -> None:
    def fail() -> None:
        raise RuntimeError("no triton")

    tensorrt()
    monkeypatch.setattr(plugin, "register", fail)
    engine = open_one()
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    assert engine.store.entry(GOLDEN_FRAME).facts["plugin"] == "left out: no triton"


@pytest.mark.parametrize(
    ("machine", "files", "name"),
    [
        ("x86_64", {}, "x86_64"),
        ("aarch64", {}, "sbsa"),
        ("aarch64", {"etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081"}, "l4t-36.4.3"),
        ("aarch64", {"etc/nv_tegra_release": "something else"}, "l4t"),
        ("aarch64", {"proc/device-tree/compatible": "nvidia,p3737\0nvidia,tegra234"}, "l4t"),
    ],
)
def test_platforms_have_names(machine: str, files: dict, name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(store_module.platform, "machine", lambda: machine)
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    assert store_module.platform_name(tmp_path) == name


def test_an_engine_of_another_machine_is_named(tensorrt, cuda, open_one) -> None:
    trt = tensorrt()
    engine = open_one()
    engine.prepare(GOLDEN_FRAME, BuildProgress())
    key = engine.store.entry(GOLDEN_FRAME).key
    here = cudart.Cuda(cudart._Library(LibraryDouble(cuda), "double"))
    assert store_module.unusable_here(trt, here, key) is None
    other = dataclasses.replace(key, tensorrt="10.3.0", gpu="Orin")
    assert store_module.unusable_here(trt, here, other) == (
        "built for TensorRT 10.3.0, here 10.13.0; GPU Orin, here Double GPU"
    )
