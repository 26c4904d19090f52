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

"""Nothing that is started here talks to anybody, or leaves files outside the caches that we name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HERE = re.compile(r"AF_UNIX|AF_NETLINK|inet_addr\(\"127\.|::1")


def run(tmp_path: Path, *arguments: str, before: tuple[str, ...] = ()) -> list[str]:
    """Run the command line in a home of its own; returns the files that it left outside the folder ``out``."""
    places = {"HOME": tmp_path / "home", "TMPDIR": tmp_path / "tmp", "XDG_CACHE_HOME": tmp_path / "cache"}
    for place in places.values():
        place.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "CI")}
    environment |= {name: str(place) for name, place in places.items()} | {"PYTHONPATH": str(ROOT)}
    command = [*before, sys.executable, "-m", "gain_ros", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return sorted(
        str(file.relative_to(tmp_path)) for place in places.values() for file in place.rglob("*") if file.is_file()
    )


@pytest.fixture
def picture(model_folder: Path, tmp_path: Path) -> str:
    return str(shutil.copy(model_folder / "golden.png", tmp_path / "a.png"))


def test_engines_leave_no_file_but_our_measurement(picture, model_folder, tmp_path):
    left = run(tmp_path, "segment", picture, "--model", str(model_folder), "--out", str(tmp_path / "out"))
    assert left == ["cache/gain_ros/auto.json"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_engines_look_up_and_connect_to_nobody(picture, model_folder, tmp_path):
    trace = tmp_path / "trace"
    watched = ("strace", "-f", "-qq", "-e", "trace=connect,sendto", "-o", str(trace))
    out = str(tmp_path / "out")
    run(tmp_path, "segment", picture, "--model", str(model_folder), "--out", out, before=watched)
    calls = trace.read_text(errors="replace").splitlines()
    assert [call for call in calls if "sa_family" in call and not HERE.search(call)] == []


@pytest.mark.parametrize("module", ["gain_ros.runtime.engines", "gain_ros.onnx"])
def test_who_opens_an_engine_has_silenced_it(module):
    code = f"import os, sys, {module}; print(os.environ['ORT_DISABLE_TELEMETRY'], sys.modules['openvino_telemetry'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.split() == ["1", "None"], done.stderr
