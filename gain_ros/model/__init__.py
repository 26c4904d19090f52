# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""GAIN as plain PyTorch. Knows no runtime and no ROS."""

from gain_ros.model.gai import GAI
from gain_ros.model.gain import GAIN, build
from gain_ros.model.load import load_model

__all__ = ["GAI", "GAIN", "build", "load_model"]
