# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which libraries are installed here."""

from __future__ import annotations

import importlib.util

from gain_ros.errors import UsageError


def has_module(name: str) -> bool:
    """Whether a library can be imported, without importing it."""
    return importlib.util.find_spec(name) is not None


def require(what: str, *names: str) -> None:
    """Raise UsageError where ``what`` cannot be done because libraries are missing, rclpy for ROS 2."""
    missing = [name for name in names if not has_module(name)]
    if "rclpy" in missing:
        raise UsageError(f"{what} needs ROS 2 (rclpy); source a workspace, or pip install -r requirements.txt")
    if missing:
        raise UsageError(f"{what} needs {' and '.join(missing)}; pip install {' '.join(missing)}")
