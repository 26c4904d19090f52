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

"""ROS and the packages of messages that the node needs."""

from __future__ import annotations

import os

from gain_ros.doctor.finding import Finding
from gain_ros.libraries import has_module

_MESSAGES = ("sensor_msgs", "std_msgs", "std_srvs", "diagnostic_msgs", "lifecycle_msgs")


def check_ros() -> Finding:
    """Broken where rclpy is installed and cannot be loaded, or without messages that the node needs."""
    if not has_module("rclpy"):
        advice = "source a ROS 2 workspace, or pip install -r requirements.txt"
        return Finding("ros", {"installed": False}, ["not installed"], advice)
    try:
        import rclpy

        rmw = rclpy.get_rmw_implementation_identifier()
    except Exception as error:  # rclpy that does not fit this Python, or its middleware, may raise anything
        text = " ".join(str(error).split())
        advice = "source the ROS 2 workspace that is meant for this Python"
        return Finding("ros", {"installed": True, "error": text}, [f"rclpy cannot be loaded: {text}"], advice, ok=False)
    missing = [name for name in _MESSAGES if not has_module(name)]
    distro = os.environ.get("ROS_DISTRO")
    found = {
        "installed": True,
        "distro": distro,
        "wheels": has_module("ros_wheels_bootstrapper"),
        "rmw": rmw,
        "domain": int(os.environ.get("ROS_DOMAIN_ID") or 0),
        "missing": missing,
        "vision_msgs": has_module("vision_msgs"),
    }
    home = "community wheels (for trying and for tests)" if found["wheels"] else f"distribution {distro}"
    lines = [f"{home}, {rmw}, domain {found['domain']}"]
    return Finding("ros", found, lines, _advice(missing), ok=not missing)


def _advice(missing: list[str]) -> str:
    if missing:
        return f"install the messages that the node needs: {' '.join(missing)}"
    if not has_module("vision_msgs"):
        return "fine; vision_msgs is not installed, so label_info comes as JSON alone"
    return "fine"
