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

"""YAML files come back as they were written; more than plain values is refused. Hostile ones: test_model_folder.py."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from gain_ros.datasets.class_maps import match_classes
from gain_ros.errors import SourceError
from gain_ros.labels import CAMVID
from gain_ros.yaml_files import read_yaml, write_yaml


def test_plain_values_come_back_written_out_each(tmp_path: Path) -> None:
    shared = {"sizes": [1, 2.5, -3], "on": True, "none": None}
    document = {"first": shared, "second": shared, "text": "ä, 2026-01-01, 0x1, null"}
    write_yaml(tmp_path / "a.yaml", document)
    assert read_yaml(tmp_path / "a.yaml") == document
    assert "&" not in (tmp_path / "a.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [datetime.date(2026, 1, 1), {1, 2}, b"bytes"])
def test_what_is_not_plain_is_not_read(tmp_path: Path, value: object) -> None:
    write_yaml(tmp_path / "a.yaml", {"value": value})
    with pytest.raises(ValueError, match="broken YAML"):
        read_yaml(tmp_path / "a.yaml")


def test_a_class_map_with_aliases_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bomb.yaml"
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    file.write_text("\n".join(["a0: &a0 [lol]", *rows, "from: *a8", "to: camvid", "map: {}"]))
    with pytest.raises(SourceError, match=r"no class map.*alias"):
        match_classes(CAMVID, str(file))
