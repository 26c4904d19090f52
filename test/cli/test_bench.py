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

import json

import pytest

from gain_ros.bench.rounds import Pace
from gain_ros.cli import main


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr("gain_ros.bench.rounds.Pace", lambda: Pace(rounds=2, round_s=0.0, fewest_frames=2))


@pytest.mark.ros
def test_engine_segmenter_node_and_reference_in_one_run(short, model_folder, capfd):
    arguments = ["bench", str(model_folder), "--engines", "onnxruntime", "--size", "64x48", "--reference", "--json"]
    assert main(arguments) == 0
    told = capfd.readouterr()
    assert "listening to" not in told.err, "the node is quiet below errors: it waits while others are measured"
    result = json.loads(told.out.splitlines()[-1])
    rows = {row["what"]: row for row in result["rows"]}
    assert set(rows) == {"engine", "segmenter", "node", "reference"}
    for row in rows.values():
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert row["fps"] > 0
    assert rows["segmenter"]["ratio"] == 1
    node, inside = rows["node"], rows["segmenter"]
    assert node["over_segmenter_ms"]["p50"] == pytest.approx(node["p50_ms"] - inside["p50_ms"], abs=0.01)
    assert result["size"] == [48, 64]
