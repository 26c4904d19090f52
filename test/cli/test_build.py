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

"""gain build and gain doctor on doubles of TensorRT and CUDA, and where there is neither."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tensorrt_double
from cuda_double import CudaDouble, LibraryDouble
from graph_segmenter import GraphSegmenter
from tiny_model_folder import picture, run_graph, write_tiny_model_folder

import gain_ros.runtime.tensorrt
from gain_ros.cli import build, main
from gain_ros.doctor import tensorrt as doctor_tensorrt
from gain_ros.model_folder import ModelFolder, read_model_folder
from gain_ros.runtime.tensorrt import cudart
from gain_ros.runtime.tensorrt.cache import EngineCache
from gain_ros.runtime.tensorrt.engine import TensorRtEngine

SIZE = (50, 70)


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model_folder(tmp_path_factory.mktemp("tiny") / "tiny")


class Reference(GraphSegmenter):
    """The model in fp32, or something that gives other labels in a share of the rows."""

    def __init__(self, model_folder: ModelFolder, wrong_rows: int):
        super().__init__("torch", wrong_rows)
        self.model_folder = model_folder


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A machine with a GPU and TensorRT; ``wrong_rows`` of the reference can be set."""
    double = CudaDouble()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cudart, "_find_calls", lambda: cudart._Library(LibraryDouble(double), "libcudart.so.12"))
    monkeypatch.setattr(gain_ros.runtime.tensorrt, "plugin", SimpleNamespace(), raising=False)
    state = SimpleNamespace(trt=tensorrt_double.install(monkeypatch, "10.13.0", double), cuda=double, wrong_rows=0)
    monkeypatch.setattr(build, "_open_reference", lambda opened: Reference(opened, state.wrong_rows))
    return state


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three pictures with truth (their true labels are the model's own), and one of another size."""
    for folder in ("val", "valannot"):
        (tmp_path / folder).mkdir()
    for name, size in (("a", SIZE), ("b", SIZE), ("c", SIZE), ("z", (20, 30))):
        rgb = picture(*size, seed=ord(name))
        cv2.imwrite(str(tmp_path / "val" / f"{name}.png"), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        cv2.imwrite(str(tmp_path / "valannot" / f"{name}.png"), run_graph(rgb[None])[0][0])
    return tmp_path / "val"


def last_json(capsys: pytest.CaptureFixture) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def run(tiny_folder: Path, *arguments: str) -> int:
    return main(["build", str(tiny_folder), "--json", *map(str, arguments)])


def test_an_engine_is_built_and_reported(machine, tiny_folder, images, capsys) -> None:
    assert run(tiny_folder, "--precision", "fp32", "--images", images) == 0
    found = last_json(capsys)
    (entry,) = EngineCache().entries()
    assert (found["path"], found["sha256"]) == (str(entry.folder), entry.sha256["engine.plan"])
    assert (found["parity"], found["frames"], found["size"]) == (1.0, 3, list(SIZE))
    assert found["reference"] == "torch"
    assert found["miou"] == found["reference_miou"] > 0.2
    assert found["why"].startswith("first engine of tiny")
    assert run(tiny_folder, "--precision", "fp32", "--images", images) == 0
    assert len(machine.trt.behaviour.builds) == 1


def test_an_engine_for_a_camera_s_yuv_bytes_is_built_and_judged_on_them(machine, tiny_folder, images, capsys) -> None:
    assert run(tiny_folder, "--precision", "fp32", "--images", images, "--encoding", "nv12") == 0
    found = last_json(capsys)
    assert (found["parity"], found["frames"], found["encoding"]) == (1.0, 3, "nv12")
    (entry,) = EngineCache().entries()
    assert entry.key.profile == "1x75x70"
    finding = doctor_tensorrt.check_tensorrt()
    assert [(row["size"], row["encoding"]) for row in finding.found["engines"]] == [(list(SIZE), "nv12")]
    assert any("tiny 70x50 nv12 fp32: right" in line for line in finding.lines)
    assert any("first engine of tiny for 70x50 nv12 in fp32" in line for line in finding.lines)
    assert main(["build", str(tiny_folder), "--encoding", "nv12", "--size", "70x51"]) == 2
    assert "frames of 70x51 cannot be nv12" in capsys.readouterr().err


def test_a_crop_is_built_for_the_part_that_it_sees(machine, tiny_folder, images, capsys) -> None:
    assert run(tiny_folder, "--precision", "fp32", "--images", images, "--fit", "crop", "--roi", "0,0,1,0.6") == 0
    found = last_json(capsys)
    assert (found["parity"], found["frames"], found["size"]) == (1.0, 3, list(SIZE))
    (entry,) = EngineCache().entries()
    height, width = entry.key.shape[:2]
    assert height <= 0.6 * SIZE[0]
    assert width < SIZE[1]


def test_without_pictures_the_golden_one_is_the_judge(machine, tiny_folder, capsys) -> None:
    assert main(["build", str(tiny_folder), "--precision", "fp32"]) == 0
    text = capsys.readouterr().out
    assert "100.000 % of 1 frames' pixels as torch in fp32" in text
    assert "attention plugin: left out" in text


def test_too_little_agreement_is_refused_and_deleted_unless_accepted(machine, tiny_folder, images, capsys) -> None:
    assert run(tiny_folder, "--precision", "fp32", "--size", "70x50") == 0
    machine.wrong_rows = 1
    arguments = ("--precision", "fp32", "--images", images)
    assert run(tiny_folder, *arguments, "--accept") == 0
    assert "kept, as --accept says" in capsys.readouterr().err
    assert run(tiny_folder, *arguments) == 1
    assert "fp32 agrees on 98.000 % of the pixels, expected 99.9 %; deleted again" in capsys.readouterr().err
    assert EngineCache().entries() == []


def test_an_engine_that_fails_its_check_picture_is_one_line(machine, tiny_folder, capsys) -> None:
    machine.wrong_rows = 5
    assert run(tiny_folder, "--precision", "fp32") == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "of the check picture's labels, expected 99.9 %" in line
    assert run(tiny_folder, "--precision", "fp32", "--accept") == 0


def test_int8_needs_pictures(machine, tiny_folder, capsys) -> None:
    assert run(tiny_folder, "--precision", "int8") == 2
    assert "--precision int8 needs --images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--images", "val", "--size", "1x1"], "holds no frame of 1x1"),
        (["--images", "nowhere"], "nowhere"),
        (["--size", "720"], "not WIDTHxHEIGHT"),
        (["--precision", "fp8"], "fp8"),
    ],
)
def test_wrong_use_is_one_line(machine, tiny_folder, images, capsys, monkeypatch, arguments, said) -> None:
    monkeypatch.chdir(images.parent)
    try:
        code = run(tiny_folder, *arguments)
    except SystemExit as end:
        code = end.code
    assert code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("gain: ")]
    assert said in line


def test_ctrl_c_cancels_the_build(machine, tiny_folder, capsys, monkeypatch) -> None:
    joins = []

    class Thread(build.threading.Thread):
        def join(self, timeout: float | None = None) -> None:
            joins.append(timeout)
            if len(joins) == 1:
                raise KeyboardInterrupt
            super().join(timeout)

    machine.trt.behaviour.on_step = lambda step: build.threading.Event().wait(0.05)
    monkeypatch.setattr(build.threading, "Thread", Thread)
    monkeypatch.setattr(build.os, "_exit", lambda code: pytest.fail(f"left by _exit({code})"))
    seen = []
    monkeypatch.setattr(build, "_cancel", lambda progress, thread: seen.append(progress.cancel()) or thread.join())
    with pytest.raises(KeyboardInterrupt):
        run(tiny_folder, "--precision", "fp32")
    assert seen == [None]
    assert EngineCache().entries() == []


def test_a_build_that_cannot_be_cancelled_ends_the_process(capsys, monkeypatch) -> None:
    codes = []
    monkeypatch.setattr(build.os, "_exit", codes.append)
    progress = build_progress()
    for alive in (True, False):
        build._cancel(progress, SimpleNamespace(join=lambda timeout: None, is_alive=lambda alive=alive: alive))
    assert codes == [130]
    assert progress.cancelled


def build_progress():
    from gain_ros.runtime.tensorrt.progress import BuildProgress

    return BuildProgress()


def test_the_bar_shows_the_share() -> None:
    progress = build_progress()
    progress.begin("it")
    assert build._bar(progress).startswith("[........................] building it: ")
    progress.start_phase("p", None, 2)
    progress.complete_step("p", 0)
    assert build._bar(progress).startswith("[############............] building it: 50 %")


def test_without_tensorrt_build_is_one_helpful_line(tiny_folder, capsys, monkeypatch) -> None:
    for name in ("tensorrt", "tensorrt_lean", "tensorrt_dispatch"):
        monkeypatch.setitem(sys.modules, name, None)
    assert run(tiny_folder) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("gain: tensorrt is not installed; a Jetson has it from JetPack, a PC by `pip install")


def test_doctor_says_what_is_missing_and_what_to_install(capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setattr(cudart, "_find_calls", lambda: None)
    monkeypatch.setattr(doctor_tensorrt, "has_module", lambda name: False)
    finding = doctor_tensorrt.check_tensorrt()
    lines = finding.lines
    assert finding.ok
    assert len(finding.found["missing"]) == 3
    assert any("tensorrt" in line and "install" in line for line in lines)
    assert any("no CUDA runtime found" in line and "install" in line for line in lines)
    assert any("pip install onnx" in line for line in lines)
    assert "fine without an NVIDIA GPU" in finding.advice
    assert doctor_tensorrt.prune() == []


def test_doctor_lists_explains_and_prunes(machine, tiny_folder, monkeypatch, capsys) -> None:
    assert "gain build MODEL" in doctor_tensorrt.check_tensorrt().advice
    for version in ("10.13.0", "10.13.1"):
        machine.trt.__version__ = version
        assert run(tiny_folder, "--precision", "fp32") == 0
    finding = doctor_tensorrt.check_tensorrt()
    assert finding.ok
    states = {row["tensorrt"]: row["state"] for row in finding.found["engines"]}
    assert states == {"10.13.0": "built for TensorRT 10.13.0, here 10.13.1", "10.13.1": "right"}
    text = "\n".join(finding.lines)
    assert "tiny 160x90 fp32: right" in text
    assert "rebuilt because tensorrt '10.13.0' became '10.13.1'" in text
    assert "--prune" in finding.advice
    gone = doctor_tensorrt.prune()
    assert len(gone) == 1
    assert [entry.key.tensorrt for entry in EngineCache().entries()] == ["10.13.1"]
    assert doctor_tensorrt.check_tensorrt().advice == "fine"
    capsys.readouterr()
    (EngineCache().entries()[0].folder / "engine.plan").write_bytes(b"cut")
    finding = doctor_tensorrt.check_tensorrt()
    assert finding.found["engines"][0]["state"].startswith("damaged: engine.plan")
    assert not finding.ok


def test_the_engine_is_the_one_that_others_open(machine, tiny_folder) -> None:
    assert run(tiny_folder, "--precision", "fp32", "--size", "70x50") == 0
    engine = TensorRtEngine(read_model_folder(tiny_folder), precision="fp32")
    frames = picture(*SIZE)[None]
    np.testing.assert_array_equal(engine.labels(frames)[0], run_graph(frames)[0])
    engine.close()
