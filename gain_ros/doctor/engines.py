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

"""The engines: which are installed, in which version, and on which devices each can run."""

from __future__ import annotations

from typing import Any

from gain_ros.doctor.finding import Finding
from gain_ros.errors import EngineUnavailable
from gain_ros.runtime.engines import ENGINES, available_engines


def check_engines() -> Finding:
    """Broken where an installed engine cannot be loaded, or where none is left."""
    rows = engine_rows()
    lines = [f"{row['name']:12} {_state(row)}" for row in rows]
    broken = [row["name"] for row in rows if "error" in row]
    usable = [row["name"] for row in rows if row.get("devices")]
    return Finding("engines", rows, lines, _advice(broken, usable), ok=bool(usable) and not broken)


def engine_rows() -> list[dict[str, Any]]:
    """Describe each engine: name, installed, and version and devices, or the error that loading it gave."""
    return [_row(name) for name in ENGINES]


def _row(name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "installed": name in available_engines()}
    if row["installed"]:
        try:
            row["version"], row["devices"] = _DEVICES[name]()
        except Exception as error:  # a library that is there and cannot be loaded may raise anything
            row["error"] = " ".join(str(error).split())
    return row


def _state(row: dict[str, Any]) -> str:
    if not row["installed"]:
        return "not installed"
    return row.get("error") or f"{row['version']} {', '.join(row['devices']) or '(no device for it)'}"


def _advice(broken: list[str], usable: list[str]) -> str:
    if broken:
        return f"mend or uninstall {', '.join(broken)}: installed, but cannot be loaded"
    if not usable:
        return "install one: pip install onnxruntime"
    if len(usable) == 1 and usable[0] != "openvino":
        return "fine; pip install openvino may be faster on a CPU, engine auto measures"
    return "fine; engine auto measures them once and takes the fastest"


def _onnxruntime() -> tuple[str, list[str]]:
    import onnxruntime

    return onnxruntime.__version__, onnxruntime.get_available_providers()


def _openvino() -> tuple[str, list[str]]:
    import openvino

    from gain_ros.runtime.engines.openvino_core import CORE

    return openvino.__version__.partition("-")[0], CORE.available_devices


def _torch() -> tuple[str, list[str]]:
    import torch

    return torch.__version__, ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]


def _tensorrt() -> tuple[str, list[str]]:
    from gain_ros.runtime.tensorrt.build import load_tensorrt
    from gain_ros.runtime.tensorrt.cudart import open_cuda

    version = load_tensorrt().__version__
    try:
        return version, [f"cuda ({open_cuda().gpu})"]
    except EngineUnavailable:  # no GPU here, which is absent and not broken; the check of TensorRT says what is missing
        return version, []


_DEVICES = {"tensorrt": _tensorrt, "onnxruntime": _onnxruntime, "openvino": _openvino, "torch": _torch}
