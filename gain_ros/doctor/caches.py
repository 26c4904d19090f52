# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where engine "auto" keeps what it measured, and TensorRT its engines."""

from __future__ import annotations

import os
from pathlib import Path

from gain_ros.doctor.finding import Finding
from gain_ros.runtime.fastest import cache_file
from gain_ros.runtime.tensorrt.cache import EngineCache


def check_caches() -> Finding:
    """Broken where a cache cannot be written."""
    file = cache_file()
    known = file.is_file()
    closed = [str(folder) for folder in (file.parent, EngineCache().folder) if not _writable(folder)]
    found = {"auto": str(file), "exists": known, "writable": not closed}
    lines = [f"{file} ({file.stat().st_size} bytes)" if known else f"{file} (not there yet)"]
    if not closed:
        return Finding("caches", found, lines, "fine")
    advice = f"{' and '.join(closed)} cannot be written: what is measured and built is lost; set XDG_CACHE_HOME"
    return Finding("caches", found, lines, advice, ok=False)


def _writable(folder: Path) -> bool:
    """Whether files can be made in a folder that is there, or in the first that is there above it."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
