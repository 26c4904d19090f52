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

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys

import pytest
from streets import street

import gain_ros
from gain_ros.cli import VERBS, main
from gain_ros.cli.common import frame_size, table
from gain_ros.plain_values import plain


def test_without_a_verb_the_usage_is_shown_and_it_is_wrong_use(capsys):
    assert main([]) == 2
    shown = capsys.readouterr().err
    assert all(verb in shown for verb in VERBS)


def test_help_is_not_wrong_use(capsys):
    assert main(["--help"]) == 0
    assert "usage: gain VERB" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gain_ros {gain_ros.__version__}\n"


def test_an_unknown_verb_is_one_line_that_lists_the_verbs(capsys):
    assert main(["segmnet"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'segmnet'; did you mean 'segment'?" in line
    assert "import-onnx" in line


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "node"])
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    assert f"usage: gain {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["segment"], ["bench"], ["export", "m"], ["segment", "x", "--out", "d", "--engine", "abacus"]]
)
def test_wrong_arguments_are_one_line_and_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"gain: {arguments[0]}: ")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["segment", "x", "--out", "d", "--engine", "opnvino"], "openvino"),
        (["segment", "x", "--out", "d", "--ovrelay"], "--overlay"),
        (["segment", "x", "--uot", "d"], "--out"),  # argparse itself says that --out is missing
        (["evaluate", "x", "--truth-tpoic=/labels"], "--truth-topic"),
        (["bench", "m", "--engines", "openvino,onnxrntime"], "onnxruntime"),
    ],
)
def test_what_was_probably_meant_is_said(arguments, meant, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    (line,) = capsys.readouterr().err.splitlines()
    assert f"; did you mean {meant!r}?" in line


def test_a_right_option_is_not_guessed_at(capsys):
    with pytest.raises(SystemExit):
        main(["segment", "x", "--over"])
    assert "did you mean" not in capsys.readouterr().err


def test_a_misspelt_model_is_guessed_at(tmp_path, capsys):
    assert main(["bench", "gain_nano_camvd"]) == 2
    assert "did you mean 'gain_nano_camvid'?" in capsys.readouterr().err


def test_a_missing_source_is_one_line_and_code_2(tmp_path, capsys):
    assert main(["segment", "nowhere.mp4", "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere.mp4" in line


def test_a_missing_model_is_one_line_and_code_2(tmp_path, capsys):
    assert main(["segment", str(street(tmp_path)), "--out", str(tmp_path), "--model", "no_such_model"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no_such_model" in line


@pytest.mark.parametrize(
    ("missing", "words", "needs"),
    [
        ("rosbags", ["evaluate", "drive.mcap", "--out", "out"], "the bag 'drive.mcap'"),
        ("rosbags", ["segment", "drive.mcap", "--out", "out"], "the bag 'drive.mcap'"),
        ("rosbags", ["bag-from", "pictures", "--out", "out"], "gain bag-from"),
        ("pygal", ["evaluate", "pictures", "--out", "out"], "gain evaluate"),
        ("pygal", ["demo", "--out", "out"], "gain demo"),
        ("rclpy", ["node"], "gain node"),
        ("rclpy", ["evaluate", "pictures", "--mode", "realtime", "--out", "out"], "gain evaluate"),
    ],
)
def test_a_missing_library_is_one_line_before_any_work(missing, words, needs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drive.mcap").touch()
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"gain: {needs} needs ")
    assert missing in line
    assert "pip install" in line


def test_python_m_gain_ros_is_the_same_command():
    done = subprocess.run([sys.executable, "-m", "gain_ros", "nothing"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no verb 'nothing'" in done.stderr


def test_a_verb_module_loads_nothing_heavy():
    code = "import sys; from gain_ros.cli import VERBS; import importlib\n"
    code += "[importlib.import_module('gain_ros.cli.' + v.replace('-', '_')) for v in VERBS]\n"
    code += "print([m for m in ('torch', 'rclpy.node', 'onnxruntime', 'openvino', 'cv2', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_verb_has_a_module():
    for verb in VERBS:
        assert callable(importlib.import_module(f"gain_ros.cli.{verb.replace('-', '_')}").run)


@pytest.mark.parametrize("text", ["720", "x960", "0x10", "axb", "-1x5", "9" * 5000 + "x1"])
def test_a_size_must_be_width_x_height(text):
    with pytest.raises(Exception, match="WIDTHxHEIGHT"):
        frame_size(text)
    assert frame_size("960x720") == (720, 960)


def test_an_upright_size_is_taken_with_a_question(capsys):
    assert frame_size("720x960") == (960, 720)
    assert "720 wide and 960 high: is 960x720 meant?" in capsys.readouterr().err
    frame_size("960x720")
    assert not capsys.readouterr().err


@pytest.mark.parametrize("size", ["99999x99999", "1x33554433"])
def test_a_size_that_no_node_takes_is_refused(size):
    with pytest.raises(argparse.ArgumentTypeError, match="33554432 pixels"):
        frame_size(size)


def test_json_has_no_nan():
    assert plain({"a": [float("nan"), 1.5], 3: (float("inf"), "x")}) == {"a": [None, 1.5], "3": [None, "x"]}


def test_a_table_lines_up():
    assert table([["a", "long head"], ["longer", "b"]]).splitlines() == ["a       long head", "longer  b"]


def test_what_killed_processes_left_goes_at_the_start_of_any_verb(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for left in (tmp_path / ".gain-a.new", tmp_path / "gain_ros" / ".gain-b.new"):
        left.mkdir(parents=True)
    assert main(["export", "m", "--onnx", str(tmp_path / "none" / "x")]) == 2
    assert [path.name for path in tmp_path.rglob("*")] == ["gain_ros"]
