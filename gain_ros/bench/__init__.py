# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What `gain bench` and `gain compare` measure."""
