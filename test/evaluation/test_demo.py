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

"""The whole demo: three processes, a real graph."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import random_model_folder

from gain_ros.cli.out_folder import WRITTEN

pytestmark = pytest.mark.ros
CLIP = "overlay.webp" if hasattr(cv2, "imreadanimation") else "overlay.webm"


def demo(model: Path, out: Path, *more: str) -> subprocess.CompletedProcess:
    arguments = ["demo", "--model", str(model), "--engine", "onnxruntime", "--out", str(out), *more]
    return subprocess.run(
        [sys.executable, "-m", "gain_ros", *arguments], capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(8):
        cv2.imwrite(str(folder / f"{index}.png"), random_model_folder.picture(48, 64, index))
    return folder


def test_every_published_mask_is_received(model_folder, pictures, tmp_path):
    done = demo(model_folder, tmp_path / "out", "--source", str(pictures))
    assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["sent"] == 8
    assert line["published"] >= 1
    assert line["received"] == line["published"]
    assert line["engine"] == "onnxruntime"
    assert line["latency_ms"]["p50"] > 0
    assert line["miou"] is None
    counts = line["frames"]
    assert counts["received"] == sum(counts[key] for key in ("published", "superseded", "stale", "failed"))
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [WRITTEN, CLIP, "report.html", "result.json"]
    assert json.loads((tmp_path / "out" / "result.json").read_text())["model"]["name"] == "random_nano"


def test_a_node_that_cannot_start_is_shown_with_its_reason(pictures, tmp_path):
    wrong = np.zeros((90, 160), np.uint8)
    model = random_model_folder.write_random_model_folder(tmp_path / "wrong_golden", golden_labels=wrong)
    done = demo(model, tmp_path / "out", "--source", str(pictures))
    assert done.returncode == 1
    assert "golden" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_source_that_is_not_there_starts_nothing(model_folder, tmp_path):
    done = demo(model_folder, tmp_path / "out", "--source", "nowhere.mp4")
    assert done.returncode == 2
    assert "nowhere.mp4" in done.stderr
    assert not (tmp_path / "out").exists()
