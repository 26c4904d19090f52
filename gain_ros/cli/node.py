# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The segmentation node, the same as ros2 run gain_ros segmentation_node."""

from __future__ import annotations

import sys

from gain_ros.cli.common import DONE, WRONG_USE, complain
from gain_ros.libraries import has_module


def run(arguments: list[str]) -> int:
    """Pass the arguments on as they are: gain node --ros-args -p model:=..."""
    if "-h" in arguments or "--help" in arguments:
        print("usage: gain node [--ros-args -p NAME:=VALUE ... -r FROM:=TO ...]")
        print("config/segmentation.yaml lists the parameters.")
        return DONE
    if not has_module("rclpy"):
        complain("rclpy is not installed; source a ROS 2 workspace, or pip install -r requirements.txt")
        return WRONG_USE
    from gain_ros.node.main import main

    return main([sys.argv[0], *arguments])
