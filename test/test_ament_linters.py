# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
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
