"""Which libraries are installed here."""

from __future__ import annotations

import importlib.util


def has_module(name: str) -> bool:
    """Whether a library can be imported, without importing it."""
    return importlib.util.find_spec(name) is not None
