# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The real node on a graph of its own on this machine: what plays to it, what listens, and what keeps them together."""
