# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Values as JSON can hold them."""

from __future__ import annotations

import math
from typing import Any


def plain(value: Any) -> Any:
    """Return the same value made of dicts, lists, strings and numbers alone.

    Numbers are rounded to 1e-9, not-a-number and infinity become None, keys strings, NumPy's arrays lists.
    """
    if hasattr(value, "tolist"):  # arrays and scalars of NumPy, which need not be imported for it
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 9) if math.isfinite(value) else None
    return value
