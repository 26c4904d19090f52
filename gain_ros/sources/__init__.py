# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Streams of frames with their stamps: bags, videos, folders, data sets, cameras; and writing bags."""
