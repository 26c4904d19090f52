# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

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
