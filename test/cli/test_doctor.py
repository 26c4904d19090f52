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

from gain_ros.cli import main
from gain_ros.doctor.finding import Finding
from gain_ros.doctor.loopback import Loopback


@pytest.fixture
def quick(monkeypatch, model_folder):
    """No measurement over DDS, and only the random model."""
    monkeypatch.setattr("gain_ros.doctor.loopback.measure", lambda profile: Loopback(75, 75 if profile else 20, 4.0))
    monkeypatch.setattr("gain_ros.doctor.models.shipped_models", lambda: [model_folder])
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE", raising=False)


def test_doctor_says_what_there_is_with_advice_for_each(quick, capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"ros", "engines", "gpu", "tensorrt", "models", "caches", "loopback"} == set(found["advice"])
    assert all(found["advice"].values())
    assert found["broken"] == []
    engines = {row["name"]: row for row in found["engines"]}
    assert engines["onnxruntime"]["version"]
    assert found["models"][0]["good"]


def test_doctor_s_text_has_no_colour_codes(quick, capsys):
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "onnxruntime" in text
    assert "\x1b" not in text


def test_what_is_broken_is_named_and_makes_the_exit_code_1(monkeypatch, capsys):
    findings = [Finding("ros", {}, [], "fine"), Finding("models", [], ["bad"], "get it again", ok=False)]
    monkeypatch.setattr("gain_ros.doctor.checks.CHECKS", [lambda each=each: each for each in findings])
    assert main(["doctor", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["broken"] == ["models"]
    assert "gain: broken: models" in err
    assert "  -> get it again" in err
