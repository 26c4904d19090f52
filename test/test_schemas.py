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

"""The schemas hold for what is shipped and written, and describe every key. test_model_folder.py: what they refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from evaluations import write_evaluation
from schemas import errors, validator

from gain_ros.model_folder import shipped_models


def properties(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        schema = {key: part for key, part in schema.items() if key not in ("if", "then", "else")}  # of described keys
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from properties(inner)


@pytest.mark.parametrize("name", ["model", "result"])
def test_each_key_is_described(name: str) -> None:
    keys = list(properties(validator(name).schema))
    assert len(keys) > 15
    assert [key for key, content in keys if not content.get("description")] == []


@pytest.mark.parametrize("folder", shipped_models(), ids=lambda folder: folder.name)
def test_shipped_models_are_as_described(folder: Path) -> None:
    document = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
    assert errors("model", document) == []
    schema = validator("model").schema
    assert set(schema["required"]) <= document.keys() <= schema["properties"].keys()


@pytest.mark.parametrize("mode", ["offline", "realtime"])
def test_a_result_is_as_described(tmp_path: Path, mode: str) -> None:
    write_evaluation(tmp_path, mode=mode)
    document = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert errors("result", document) == []
    assert document.keys() <= validator("result").schema["properties"].keys()


def test_a_result_without_truth_is_as_described(tmp_path: Path) -> None:
    write_evaluation(tmp_path, truth=None, bags=(), mode="attach", sha256="", details={})
    assert errors("result", json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))) == []


def test_a_share_above_1_is_no_result(tmp_path: Path) -> None:
    write_evaluation(tmp_path)
    document = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert errors("result", document | {"miou": 65.0}) == ["$.miou: 65.0 is greater than the maximum of 1"]
