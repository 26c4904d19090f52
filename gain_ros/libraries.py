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
