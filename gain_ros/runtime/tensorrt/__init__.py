# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""TensorRT: everything that knows it, from the typed graph to frames in flight."""
