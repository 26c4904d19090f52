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

"""benchmarks/gpu.py from end to end without a GPU, at toy sizes: on the day there is one, it must simply run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_every_part_runs_and_is_right(tmp_path):
    pytest.importorskip("triton")
    file = tmp_path / "gpu.json"
    command = [sys.executable, "benchmarks/gpu.py", "--dry", "--out", str(file)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(file.read_text(encoding="utf-8"))
    assert {"date", "gpu", "versions"} <= set(result["machine"])
    assert all(row["error"] <= row["bound"] for row in result["correctness"])
    assert [row["form"] for row in result["gai"] if "error" in row] == []
    assert all(row["p50_ms"] > 0 for row in result["gai"])
    assert all(row["off"] < 0.02 for row in result["gai"])
    networks = {row["form"]: row for row in result["networks"]}
    assert networks["fused fp16"]["host_p99_ms"] >= networks["fused fp16"]["host_p50_ms"] > 0
    assert "tensorrt" in networks.pop("TensorRT fp16").get("error", "tensorrt")
    assert all("error" not in row for row in networks.values())


def test_without_a_gpu_it_says_so(tmp_path):
    command = [sys.executable, "benchmarks/gpu.py", "--out", str(tmp_path / "gpu.json")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no GPU" in done.stderr
    assert not (tmp_path / "gpu.json").exists()
