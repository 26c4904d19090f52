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

"""The segmentation node, the same as ros2 run gain_ros segmentation_node."""

from __future__ import annotations

import sys

from gain_ros.cli.common import DONE
from gain_ros.libraries import require


def run(arguments: list[str]) -> int:
    """Pass the arguments on as they are: gain node --ros-args -p model:=..."""
    if "-h" in arguments or "--help" in arguments:
        print("usage: gain node [--ros-args -p NAME:=VALUE ... -r FROM:=TO ...]")
        print("config/segmentation.yaml lists the parameters.")
        return DONE
    require("gain node", "rclpy")
    from gain_ros.node.main import main

    return main([sys.argv[0], *arguments])
