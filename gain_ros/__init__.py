# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation of camera streams for ROS 2 with GAIN (arXiv 2601.01167)."""

__version__ = "0.1.0"
