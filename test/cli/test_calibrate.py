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
import shutil
from pathlib import Path

import pytest
from dataset_folders import write_camvid, write_cityscapes

pytest.importorskip("openvino")

from gain_ros.cli import main
from gain_ros.model_folder import read_model_folder


@pytest.fixture
def folder(deployed_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(deployed_folder, tmp_path / deployed_folder.name)


def test_calibrate_writes_what_it_says_into_the_model_folder(folder: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "data").mkdir()
    root = write_camvid(tmp_path / "data")
    main(["calibrate", str(folder), "--data", str(root), "--json"])  # random weights may agree or not
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    known = read_model_folder(folder).lower_precision()
    assert said["ranges"] == len(known.ranges) > 10
    assert said["costs"]["int8"]["agreement"] == known.costs["int8"].agreement


def test_data_of_other_classes_is_refused(folder: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "data").mkdir()
    root = write_cityscapes(tmp_path / "data")
    assert main(["calibrate", str(folder), "--data", str(root)]) == 2
    assert "no data set of the 11 classes" in capsys.readouterr().err
