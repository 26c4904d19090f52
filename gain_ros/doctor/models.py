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

"""The shipped models: their hashes, and the golden pair through every engine that is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gain_ros.doctor.finding import Finding
from gain_ros.errors import EngineUnavailable, ModelFolderError
from gain_ros.model_folder import read_model_folder, shipped_models
from gain_ros.runtime.engines import available_engines, with_precisions
from gain_ros.runtime.opening import open_segmenter

_RIGHT, _CANNOT_RUN = "right", "cannot run"


def check_models() -> Finding:
    """Broken where a model cannot be read, gives wrong golden labels, or runs on no engine, and where there is none."""
    rows = [check_model(folder) for folder in shipped_models()]
    lines = [f"{row['name']:24} {row['state']}" for row in rows]
    broken = [row["name"] for row in rows if not row["good"]]
    if not rows:
        return Finding("models", rows, ["none"], "an installed package holds some: install gain_ros again", ok=False)
    advice = f"do not use {', '.join(broken)}: get them again, or mend the engine that is wrong" if broken else "fine"
    return Finding("models", rows, lines, advice, ok=not broken)


def check_model(folder: Path) -> dict[str, Any]:
    """Check one model: name, path, sha256 where it can be read, golden (engine → state), good, state."""
    row: dict[str, Any] = {"name": folder.name, "path": str(folder), "good": False, "golden": {}}
    try:
        model_folder = read_model_folder(folder)
        row["sha256"], costs = model_folder.digest, model_folder.lower_precision().costs
    except ModelFolderError as error:
        return row | {"state": str(error)}
    pairs = with_precisions(available_engines())
    row["golden"] = {engine: _golden_state(folder, engine, precision) for engine, precision in pairs}
    if "openvino" in row["golden"]:
        row["golden"] |= {f"openvino {each}": _golden_state(folder, "openvino", each) for each in costs}
    good = [engine for engine, state in row["golden"].items() if state == _RIGHT]
    wrong = [engine for engine, state in row["golden"].items() if state not in (_RIGHT, _CANNOT_RUN)]
    row["good"] = bool(good) and not wrong
    row["state"] = f"hashes right, golden pair right on {', '.join(good) or 'no engine'}"
    row["state"] += "".join(
        f"; {each} {'left out by auto' if cost.refusal else 'taken by auto where faster'}: {cost}"
        for each, cost in costs.items()
    )
    if wrong:
        row["state"] += f", WRONG on {', '.join(wrong)}"
    return row


def _golden_state(folder: Path, engine: str, precision: str) -> str:
    try:
        open_segmenter(folder, engine=engine, precision=precision).close()
    except EngineUnavailable:
        return _CANNOT_RUN
    except Exception as error:  # wrong labels, or whatever a library raises while it runs
        return " ".join(str(error).split()) or type(error).__name__
    return _RIGHT
