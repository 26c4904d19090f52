# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 lifecycle node: camera messages in, masks out, every frame accounted for."""
