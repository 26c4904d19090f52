# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
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
