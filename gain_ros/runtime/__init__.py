# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Frames in, class ids out. Knows no ROS; each engine's library is imported only when that engine is opened."""
