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

"""What comes with the package is found in a checkout and in a workspace, and the bag plays."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from gain_ros import shipped
from gain_ros.sources.opening import open_source

CHECKOUT = Path(shipped.__file__).resolve().parent.parent


def test_the_checkout_comes_first_then_the_workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ament = ModuleType("ament_index_python.packages")
    monkeypatch.setattr(ament, "PackageNotFoundError", KeyError, raising=False)
    monkeypatch.setattr(ament, "get_package_share_directory", lambda name: str(tmp_path / name), raising=False)
    monkeypatch.setitem(sys.modules, "ament_index_python", ModuleType("ament_index_python"))
    monkeypatch.setitem(sys.modules, "ament_index_python.packages", ament)
    homes = shipped.homes("models")
    assert (homes[0], homes[-1]) == (CHECKOUT / "models", tmp_path / "gain_ros/models")


def test_without_a_workspace_what_pip_installed_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ament_index_python", None)
    monkeypatch.setattr(shipped, "__file__", str(tmp_path / "lib/python3.12/site-packages/gain_ros/shipped.py"))
    assert shipped.homes("models")[1:] == [tmp_path / "share/gain_ros/models"]


def test_the_installed_bag_is_found_where_no_checkout_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "share" / shipped.EXAMPLE_BAG).mkdir(parents=True)
    monkeypatch.setattr(shipped, "homes", lambda kind: [tmp_path / "none", tmp_path / "share"])
    assert shipped.example_bag() == tmp_path / "share" / shipped.EXAMPLE_BAG


def test_the_bag_holds_six_seconds_of_motorway() -> None:
    bag = shipped.example_bag()
    frames = list(open_source(bag))
    assert (bag / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert len(frames) == 64
    assert {frame.rgb.shape for frame in frames} == {(360, 640, 3)}
    assert sum(file.stat().st_size for file in bag.iterdir()) < 1_500_000
