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

"""Libraries that report to their makers are silenced before they are imported.

ONNX Runtime's wheels look up its maker's server, and keep a device id, a database and a file of fixed name in the
temporary folder. OpenVINO's package sends an event to Google Analytics and writes ``~/intel``. Ray's clusters report
usage. Here nothing does.
"""

from __future__ import annotations

import os
import sys


def silence() -> None:
    """Switch telemetry off for this process and its children. Call it before one of these libraries is imported."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # "there is none", to import
