# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a check gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """What one check found: ``found`` as JSON values, ``lines`` for people, and one line of ``advice``.

    ``ok`` is False where something is broken. What is optional and merely absent leaves it True.
    """

    name: str
    found: Any
    lines: list[str]
    advice: str
    ok: bool = True
