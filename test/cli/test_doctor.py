from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gain_ros.cli import doctor, main
from gain_ros.doctor.loopback import Loopback


@pytest.fixture
def quick(monkeypatch, model_folder):
    """No measurement over DDS, and only the random model."""
    monkeypatch.setattr("gain_ros.doctor.loopback.measure", lambda profile: Loopback(75, 75 if profile else 20, 4.0))
    monkeypatch.setattr("gain_ros.model_folder.shipped_models", lambda: [model_folder])
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE", raising=False)


def test_doctor_says_what_there_is_with_advice_for_each(quick, capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"ros", "engines", "gpu", "tensorrt", "models", "caches", "loopback"} == set(found["advice"])
    assert all(found["advice"].values())
    engines = {row["name"]: row for row in found["engines"]}
    assert engines["onnxruntime"]["version"]
    assert found["models"][0]["good"]


def test_doctor_s_text_has_no_colour_codes(quick, capsys):
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "onnxruntime" in text
    assert "\x1b" not in text


def test_a_changed_model_is_not_good(model_folder, tmp_path):
    broken = shutil.copytree(model_folder, tmp_path / "broken")
    with (broken / "weights.safetensors").open("ab") as file:
        file.write(b"x")
    row = doctor._check_model(broken)
    assert not row["good"]
    assert "weights.safetensors" in row["state"]


@pytest.mark.parametrize(
    ("default", "profile", "advice"),
    [
        (75, 75, "fine"),
        (30, 75, "export FASTDDS_DEFAULT_PROFILES_FILE=/p.xml"),
        (30, 20, "docs/transport.md"),
    ],
)
def test_lost_frames_bring_the_advice_that_helps(default, profile, advice, monkeypatch):
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE", raising=False)
    seen = {"default": Loopback(75, default, 1.0), "profile": Loopback(75, profile, 1.0)}
    assert advice in doctor._loopback_advice(seen, Path("/p.xml"))
