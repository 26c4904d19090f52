from __future__ import annotations

import json

import pytest

from gain_ros.cli import bench, main


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(bench, "_ROUNDS", 2)
    monkeypatch.setattr(bench, "_ROUND_S", 0.0)
    monkeypatch.setattr(bench, "_FEWEST_FRAMES", 2)


@pytest.mark.ros
def test_engine_segmenter_node_and_reference_in_one_run(short, model_folder, capsys):
    arguments = ["bench", str(model_folder), "--engines", "onnxruntime", "--size", "48x64", "--reference", "--json"]
    assert main(arguments) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    rows = {row["what"]: row for row in result["rows"]}
    assert set(rows) == {"engine", "segmenter", "node", "reference"}
    for row in rows.values():
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert row["fps"] > 0
    assert rows["segmenter"]["ratio"] == 1
    node, inside = rows["node"], rows["segmenter"]
    assert node["over_segmenter_ms"]["p50"] == pytest.approx(node["p50_ms"] - inside["p50_ms"], abs=0.01)
    assert result["size"] == [48, 64]


def test_percentiles_and_ratios():
    assert bench._percentiles([1.0, 2.0, 3.0])["p50_ms"] == 2.0
    rows = [
        {"what": "segmenter", "engine": "a", "p50_ms": 4.0, "p95_ms": 5.0, "p99_ms": 6.0},
        {"what": "segmenter", "engine": "b", "p50_ms": 2.0, "p95_ms": 3.0, "p99_ms": 4.0},
        {"what": "node", "engine": "a", "p50_ms": 5.0, "p95_ms": 7.0, "p99_ms": 9.0},
    ]
    bench._compare(rows)
    assert [row["ratio"] for row in rows] == [2.0, 1.0, 2.5]
    assert rows[2]["over_segmenter_ms"] == {"p50": 1.0, "p95": 2.0, "p99": 3.0}
