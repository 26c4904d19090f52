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

"""Two processes train what one does on batches of twice the size, and validate every frame once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def start(out, world):
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(world)] if world > 1 else []
    paths = os.pathsep.join([str(ROOT), str(ROOT / "test" / "helpers")])
    environment = {**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *torchrun, str(HERE / "ddp_run.py"), str(out), str(world)],
        env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finished(process, out):
    try:
        _, errors = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, errors[-3000:]
    return torch.load(out / "4.ckpt", weights_only=True), json.loads((out / "measured.json").read_text())


def test_two_processes_equal_one_and_five_frames_are_counted_once(tmp_path):
    outs = {world: tmp_path / str(world) for world in (1, 2)}
    processes = [start(out, world) for world, out in outs.items()]
    (one, measured_by_one), (two, measured_by_two) = map(finished, processes, outs.values())
    for name in ("state_dict", "current_model_state"):  # the average and the weights themselves
        for key, value in one[name].items():
            assert torch.allclose(two[name][key], value, atol=1e-6), key
    for key, value in measured_by_one.items():
        if key.startswith("val_"):
            assert measured_by_two[key] == pytest.approx(value, abs=1e-6), key
