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

"""The GPUs that NVIDIA's driver lists, and whether an engine can use them."""

from __future__ import annotations

import shutil
import subprocess

from gain_ros.doctor.engines import engine_rows
from gain_ros.doctor.finding import Finding

_ANSWER_S = 20.0


def check_gpu() -> Finding:
    """Broken where the driver does not answer."""
    try:
        names = _listing()
    except subprocess.TimeoutExpired:
        line = f"nvidia-smi does not answer within {_ANSWER_S:.0f} s"
        return Finding("gpu", {"names": [], "usable": False}, [line], "restart the machine or its driver", ok=False)
    if not names:
        advice = "fine; the shipped model is made for CPUs too"
        return Finding("gpu", {"names": [], "usable": False}, ["none found"], advice)
    usable = any("cuda" in device.lower() for row in engine_rows() for device in row.get("devices", []))
    advice = "fine" if usable else "no installed engine can use it: install tensorrt (docs/tensorrt.md)"
    return Finding("gpu", {"names": names, "usable": usable}, names, advice)


def _listing() -> list[str]:
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    listing = subprocess.run(query, capture_output=True, text=True, timeout=_ANSWER_S, check=False)
    return [line.strip() for line in listing.stdout.splitlines() if listing.returncode == 0 and line.strip()]
