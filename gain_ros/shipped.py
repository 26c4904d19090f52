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

"""Where what comes with the package lies: beside it in a checkout, else where pip or colcon put it."""

from __future__ import annotations

import contextlib
from pathlib import Path

EXAMPLE_BAG = "motorway"


def homes(kind: str) -> list[Path]:
    """Return the folders that may hold what is shipped, "models" say, the checkout's first."""
    package = Path(__file__).resolve().parent
    prefix = package.parents[3] if len(package.parents) > 3 else package  # above lib/python3.12/site-packages
    found = [package.parent / kind, prefix / "share" / "gain_ros" / kind]
    try:
        from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
    except ImportError:
        return found
    with contextlib.suppress(PackageNotFoundError, OSError):  # OSError: ament is there, but no workspace is sourced
        found.append(Path(get_package_share_directory("gain_ros")) / kind)
    return found


def example_bag() -> Path:
    """Return the folder of the shipped bag: six seconds of a motorway, 640x360 JPEG at 10 Hz."""
    places = [home / EXAMPLE_BAG for home in homes("examples")]
    return next((place for place in places if place.is_dir()), places[0])
