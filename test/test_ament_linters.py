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

"""ROS's own linters, where ROS is installed: what ``colcon test`` runs. ``make lint`` holds their rules elsewhere."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [str(ROOT / name) for name in ("gain_ros", "training", "launch", "benchmarks", "test", "setup.py")]
DOCUMENTED = [path for path in SOURCES if not path.endswith("test")]


@pytest.mark.parametrize(
    ("linter", "arguments"),
    [
        ("ament_copyright", [*SOURCES, str(ROOT / "LICENSE"), str(ROOT / "CONTRIBUTING.md")]),
        ("ament_flake8", ["--config", str(ROOT / "setup.cfg"), *SOURCES]),
        ("ament_pep257", [*DOCUMENTED, "--add-ignore", "D213", "D406", "D407"]),  # as in pyproject.toml
        ("ament_xmllint", [str(ROOT / "package.xml")]),
    ],
)
def test_ament_finds_nothing(linter, arguments):
    assert not pytest.importorskip(f"{linter}.main").main(argv=arguments)
