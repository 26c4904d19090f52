# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which libraries are installed here."""

from __future__ import annotations

import importlib.util


def has_module(name: str) -> bool:
    """Whether a library can be imported, without importing it."""
    return importlib.util.find_spec(name) is not None
