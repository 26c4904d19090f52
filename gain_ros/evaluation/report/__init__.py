# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a person sees of an evaluation: report.html, its charts and its pictures."""
