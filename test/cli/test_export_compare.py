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

import errno
import hashlib
import json
from contextlib import nullcontext
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from disks import on_full_disk

from gain_ros.cli import main
from gain_ros.model_folder import read_model_folder
from gain_ros.runtime.engines import available_engines
from gain_ros.runtime.segmenter import EngineInfo


def last_json(capsys) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize(("form", "size"), [("labels", None), ("logits", "96x64")])
def test_export_writes_a_graph_that_agrees_with_pytorch(model_folder, tmp_path, capsys, form, size):
    file = tmp_path / "graph.onnx"
    arguments = ["export", str(model_folder), "--onnx", str(file), "--form", form, "--json"]
    assert main(arguments + (["--size", size] if size else [])) == 0
    result = last_json(capsys)
    assert result["path"] == str(file)
    assert result["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert result["parity"] >= 0.999


def test_export_into_a_missing_folder_is_wrong_use(model_folder, tmp_path, capsys):
    assert main(["export", str(model_folder), "--onnx", str(tmp_path / "none" / "g.onnx")]) == 2
    assert "none" in capsys.readouterr().err


def test_export_writes_over_nothing_and_leaves_nothing_behind(model_folder, tmp_path, capsys):
    file = tmp_path / "graph.onnx"
    done = on_full_disk(1000, "export", model_folder, "--onnx", file)
    assert done.returncode == 2
    assert "export cannot go on: [Errno 27] File too large" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())
    file.write_text("mine")
    assert main(["export", str(model_folder), "--onnx", str(file)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert file.read_text() == "mine"


def test_export_to_where_one_may_not_write_is_one_line(model_folder, tmp_path, capsys, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    monkeypatch.setattr("tempfile.mkdtemp", refuse)  # root may write anywhere
    assert main(["export", str(model_folder), "--onnx", str(tmp_path / "graph.onnx")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"Permission denied: '{tmp_path}'" in line


def test_import_writes_over_no_model(model_folder, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    words = ["import-simpleseg", "none.pth", "--arch", "r18", "--dataset", "camvid", "--out", str(tmp_path / "mine")]
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.fixture
def scored(tmp_path):
    """Two pictures with annotations beside them."""
    (tmp_path / "val").mkdir()
    (tmp_path / "valannot").mkdir()
    rng = np.random.default_rng(1)
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / "val" / f"{name}.png"), rng.integers(0, 256, (64, 96, 3), dtype=np.uint8))
        cv2.imwrite(str(tmp_path / "valannot" / f"{name}.png"), rng.integers(0, 12, (64, 96), dtype=np.uint8))
    return tmp_path / "val"


def test_compare_puts_every_engine_beside_pytorch(model_folder, scored, capsys):
    assert main(["compare", str(model_folder), "--images", str(scored), "--json"]) == 0
    result = last_json(capsys)
    assert sorted(row["engine"] for row in result["rows"]) == sorted(available_engines())
    assert result["rows"][0]["engine"] == "torch"
    assert all(row["agreement"] >= 0.999 and row["frames"] == 2 for row in result["rows"])
    assert all(0 < row["miou"] < 0.3 for row in result["rows"]), "random weights, random truth"


def test_compare_without_truth_has_no_miou(model_folder, scored, capsys):
    (scored.parent / "valannot").rename(scored.parent / "elsewhere")
    assert main(["compare", str(model_folder), "--images", str(scored), "--engines", "onnxruntime", "--json"]) == 0
    (row,) = last_json(capsys)["rows"]
    assert row["miou"] is None


def test_agreement_is_the_share_of_equal_pixels_and_too_little_of_it_fails(model_folder, scored, capsys, monkeypatch):
    """Two engines that differ in a quarter of the pixels."""

    class Fake:
        def __init__(self, engine):
            self.model_folder = read_model_folder(model_folder)
            self.info = EngineInfo(engine, "1", "fake", "cpu", "as asked")

        def segment(self, frames, confidence):
            labels = np.zeros(frames[0].shape[:2], np.uint8)
            labels[: len(labels) // 4] = self.info.engine == "openvino"
            return [SimpleNamespace(labels=labels)]

    monkeypatch.setattr(
        "gain_ros.runtime.opening.open_segmenter", lambda _model, engine, precision: nullcontext(Fake(engine))
    )
    assert main(["compare", "any", "--images", str(scored), "--engines", "openvino,torch", "--json"]) == 1
    rows = {row["engine"]: row["agreement"] for row in last_json(capsys)["rows"]}
    assert rows == {"torch": 1.0, "openvino": 0.75}
