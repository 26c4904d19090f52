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

"""Each thing that is broken makes its check say so; what is merely absent does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gain_ros.doctor import caches, engines, gpu, loopback, models, ros, tensorrt
from gain_ros.doctor.loopback import Loopback
from gain_ros.errors import EngineUnavailable, GoldenMismatch, GraphError


@pytest.fixture
def installed(monkeypatch):
    """Engines that are installed, name → what asking for version and devices does."""

    def install(**asked):
        monkeypatch.setattr(engines, "available_engines", lambda: tuple(asked))
        monkeypatch.setattr(engines, "_DEVICES", asked)

    return install


def fails():
    raise OSError("libfoo.so.3: cannot open\nshared object file")


@pytest.mark.parametrize(
    ("asked", "ok", "advice"),
    [
        ({"openvino": lambda: ("1.0", ["CPU"]), "torch": lambda: ("2.0", ["cpu"])}, True, "engine auto measures them"),
        ({"onnxruntime": lambda: ("1.0", ["CPU"])}, True, "pip install openvino may be faster"),
        ({"tensorrt": lambda: ("10.0", []), "openvino": lambda: ("1.0", ["CPU"])}, True, "fine"),
        ({"tensorrt": lambda: ("10.0", [])}, False, "pip install onnxruntime"),
        ({}, False, "pip install onnxruntime"),
        ({"onnxruntime": fails, "openvino": lambda: ("1.0", ["CPU"])}, False, "mend or uninstall onnxruntime"),
    ],
)
def test_an_engine_that_cannot_be_loaded_and_no_engine_at_all_are_broken(installed, asked, ok, advice):
    installed(**asked)
    finding = engines.check_engines()
    assert finding.ok == ok
    assert advice in finding.advice
    assert len(finding.lines) == len(engines.ENGINES)


def test_tensorrt_without_a_gpu_is_not_broken_and_tensorrt_that_is_too_old_is(installed, monkeypatch):
    def no_gpu():
        raise EngineUnavailable("no GPU")

    installed(tensorrt=engines._tensorrt, openvino=lambda: ("1.0", ["CPU"]))
    monkeypatch.setattr("gain_ros.runtime.tensorrt.cudart.open_cuda", no_gpu)
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="10.1.0"))
    finding = engines.check_engines()
    assert finding.ok
    assert "tensorrt     10.1.0 (no device for it)" in finding.lines
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="8.0.1"))
    finding = engines.check_engines()
    assert not finding.ok
    assert any("8.0.1 is too old" in line for line in finding.lines)


@pytest.mark.parametrize(
    ("absent", "ok", "advice"),
    [
        ("rclpy", True, "source a ROS 2 workspace"),
        ("vision_msgs", True, "fine; vision_msgs is not installed"),
        ("std_srvs", False, "install the messages that the node needs: std_srvs"),
    ],
)
def test_missing_messages_are_broken_and_no_ros_is_not(monkeypatch, absent, ok, advice):
    monkeypatch.setattr(ros, "has_module", lambda name: name != absent)
    finding = ros.check_ros()
    assert finding.ok == ok
    assert finding.advice.startswith(advice)


def test_ros_that_cannot_be_loaded_is_broken(monkeypatch):
    monkeypatch.setattr(ros, "has_module", lambda name: True)
    monkeypatch.setitem(sys.modules, "rclpy", SimpleNamespace(get_rmw_implementation_identifier=fails))
    finding = ros.check_ros()
    assert not finding.ok
    assert finding.found["error"] == "libfoo.so.3: cannot open shared object file"


def test_a_driver_that_does_not_answer_is_broken(monkeypatch):
    def hang(*_, timeout, **__):
        raise subprocess.TimeoutExpired("nvidia-smi", timeout)

    monkeypatch.setattr(gpu.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(gpu.subprocess, "run", hang)
    assert not gpu.check_gpu().ok
    monkeypatch.setattr(gpu.shutil, "which", lambda name: None)
    assert gpu.check_gpu().ok


def test_a_changed_model_is_broken(monkeypatch, model_folder, tmp_path):
    changed = shutil.copytree(model_folder, tmp_path / "changed")
    with (changed / "weights.safetensors").open("ab") as file:
        file.write(b"x")
    monkeypatch.setattr(models, "shipped_models", lambda: [changed])
    finding = models.check_models()
    assert not finding.ok
    assert not finding.found[0]["good"]
    assert "weights.safetensors" in finding.lines[0]
    assert "do not use changed" in finding.advice


@pytest.mark.parametrize(
    ("error", "ok", "said"),
    [
        (None, True, "right on torch, openvino"),
        (EngineUnavailable("no device"), True, "right on openvino"),
        (GoldenMismatch("90 %"), False, "WRONG on torch"),
        (RuntimeError(), False, "WRONG on torch"),
    ],
)
def test_wrong_golden_labels_are_broken_and_an_engine_that_cannot_run_is_not(
    monkeypatch, model_folder, error, ok, said
):
    def open_segmenter(_folder, engine, precision):
        if engine == "torch" and error is not None:
            raise error
        return SimpleNamespace(close=lambda: None)

    monkeypatch.setattr(models, "available_engines", lambda: ("torch", "openvino"))
    monkeypatch.setattr(models, "open_segmenter", open_segmenter)
    monkeypatch.setattr(models, "shipped_models", lambda: [model_folder])
    finding = models.check_models()
    assert finding.ok == ok
    assert said in finding.lines[0]


def test_without_any_model_the_installation_is_broken(monkeypatch):
    monkeypatch.setattr(models, "shipped_models", list)
    assert not models.check_models().ok


@pytest.mark.parametrize("blocked", ["gain_ros", "gain_ros/tensorrt"])
def test_a_cache_that_cannot_be_written_is_broken(monkeypatch, tmp_path, blocked):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    finding = caches.check_caches()
    assert finding.ok
    assert finding.found == {"auto": str(tmp_path / "gain_ros/auto.json"), "exists": False, "writable": True}
    (tmp_path / blocked).parent.mkdir(exist_ok=True)
    (tmp_path / blocked).write_text("a file is in the way")
    finding = caches.check_caches()
    assert not finding.ok
    assert not finding.found["writable"]
    assert str(tmp_path / blocked) in finding.advice


def test_a_cache_without_the_right_to_write_is_broken(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(caches.os, "access", lambda *_: False)
    assert not caches.check_caches().ok


def test_a_cache_that_others_can_write_is_broken(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "gain_ros" / "tensorrt").mkdir(parents=True)
    assert tensorrt.check_tensorrt().ok
    (tmp_path / "gain_ros" / "tensorrt").chmod(0o777)
    finding = tensorrt.check_tensorrt()
    assert not finding.ok
    assert "chmod -R go-w" in finding.advice


@pytest.fixture
def measured(monkeypatch):
    """What the loopback gives with the middleware's defaults, and with the profile."""
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE", raising=False)
    monkeypatch.setattr(loopback, "has_module", lambda name: True)
    monkeypatch.setattr("gain_ros.evaluation.live.graph.fastdds_profile", lambda: Path("/p.xml"))

    def measure(default, profile):
        both = [Loopback(75, count, 1.0 if count else None) for count in (default, profile)]
        monkeypatch.setattr(loopback, "measure", lambda file: both[file is not None])
        return loopback.check_loopback()

    return measure


@pytest.mark.parametrize(
    ("default", "profile", "ok", "advice"),
    [
        (75, 75, True, "fine"),
        (30, 75, True, "export FASTDDS_DEFAULT_PROFILES_FILE=/p.xml"),
        (30, 20, True, "docs/transport.md"),
        (0, 75, True, "export FASTDDS_DEFAULT_PROFILES_FILE=/p.xml"),
        (0, 0, False, "docs/transport.md"),
    ],
)
def test_lost_frames_bring_the_advice_that_helps(measured, default, profile, ok, advice):
    finding = measured(default, profile)
    assert finding.ok == ok
    assert advice in finding.advice
    assert finding.found["default"]["received"] == default


def test_a_loopback_that_fails_is_broken_and_one_without_ros_is_not(monkeypatch):
    def fail(_profile):
        raise GraphError("the send end of the loopback failed:\nno receiver within 30 s")

    monkeypatch.setattr(loopback, "has_module", lambda name: True)
    monkeypatch.setattr(loopback, "measure", fail)
    finding = loopback.check_loopback()
    assert not finding.ok
    assert finding.lines[-1] == "no receiver within 30 s"
    monkeypatch.setattr(loopback, "has_module", lambda name: False)
    assert loopback.check_loopback().ok
