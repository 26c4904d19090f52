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

"""int8 and bf16 in OpenVINO, and how "auto" and a named precision decide."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("openvino")

from gain_ros.bench.calibration import calibrate
from gain_ros.errors import EngineUnavailable, UsageError
from gain_ros.lower_precision import Cost, LowerPrecision
from gain_ros.model_folder import ModelFolder, read_model_folder, with_lower_precision
from gain_ros.runtime import opening
from gain_ros.runtime.engines import open_engine
from gain_ros.runtime.engines.openvino_int8 import measure_ranges
from gain_ros.runtime.opening import open_segmenter

CHEAP, DEAR = Cost(0.999, 0.5, 0.5, 9), Cost(0.98, 0.5, 0.5, 9)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(opening, "available_engines", lambda: ("openvino",))


@pytest.fixture
def calibrated(deployed_folder: Path, tmp_path: Path, picture) -> ModelFolder:
    folder = read_model_folder(shutil.copytree(deployed_folder, tmp_path / deployed_folder.name))
    graph = folder.graph()
    return with_lower_precision(
        folder, LowerPrecision(measure_ranges(graph, [picture(90, 160, seed=each) for each in range(3)], (64, 96)))
    )


def test_int8_is_near_fp32_and_is_not_fp32(calibrated: ModelFolder, picture) -> None:
    images = np.stack([picture(64, 96, seed=each) for each in (1, 2)])
    expected, found = (open_engine("openvino", calibrated, "cpu", each, 1).logits(images) for each in ("fp32", "int8"))
    difference = np.abs(found - expected).max() / np.ptp(expected)
    assert 1e-5 < difference < 0.2


def test_int8_without_ranges_says_how_to_get_them(deployed_folder: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"no ranges for int8.*gain calibrate"):
        open_segmenter(deployed_folder, "openvino", precision="int8")


@pytest.mark.parametrize("precision", ["int8", "bf16", "fp16"])
def test_an_engine_without_a_precision_names_those_with_it(deployed_folder: Path, precision: str) -> None:
    with pytest.raises(EngineUnavailable, match=rf"computes in fp32, not in {precision}.*'tensorrt'|'openvino'"):
        open_engine("onnxruntime", read_model_folder(deployed_folder), "cpu", precision)


def test_auto_measures_what_costs_little_and_leaves_out_what_costs_much(calibrated: ModelFolder) -> None:
    ranges = calibrated.lower_precision().ranges
    cheap = with_lower_precision(calibrated, LowerPrecision(ranges, {"int8": CHEAP}))
    candidates, said = opening._candidates(cheap, ["openvino", "onnxruntime"], "auto")
    assert candidates == {
        "openvino": ("openvino", "auto"), "onnxruntime": ("onnxruntime", "auto"), "openvino int8": ("openvino", "int8")
    }  # fmt: skip
    assert said == "; int8: 99.90 % of the pixels as in fp32, mIoU +0.00, 9 frames"
    dear = with_lower_precision(calibrated, LowerPrecision(ranges, {"int8": DEAR}))
    candidates, said = opening._candidates(dear, ["openvino"], "auto")
    assert list(candidates) == ["openvino"]
    assert said.startswith("; int8 left out: 98.00 % of the pixels")


def test_a_precision_that_is_asked_for_is_what_runs(calibrated: ModelFolder) -> None:
    known = LowerPrecision(calibrated.lower_precision().ranges, {"int8": DEAR})
    folder = with_lower_precision(calibrated, known)
    with open_segmenter(folder.path, "openvino", precision="int8") as segmenter:
        assert (segmenter.info.precision, segmenter.info.reason) == ("int8", "as asked")
    with open_segmenter(folder.path, "openvino") as segmenter:
        assert segmenter.info.precision == "fp32"


def test_calibration_writes_ranges_and_costs(deployed_folder: Path, tmp_path: Path, picture) -> None:
    folder = read_model_folder(shutil.copytree(deployed_folder, tmp_path / deployed_folder.name))
    rgb, labels = folder.golden()
    known = calibrate(folder, [picture(90, 160)], [(rgb, labels)] * 2).lower_precision()
    assert known.costs["int8"].frames == 2
    assert known.costs["int8"].agreement > 0.9
    assert known.costs["int8"].fp32_miou > 0.99
    assert read_model_folder(folder.path).digest != folder.digest
    with pytest.raises(UsageError, match="no pictures"):
        calibrate(folder, [], [(rgb, labels)])
