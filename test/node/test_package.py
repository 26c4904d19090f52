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

"""What a ROS workspace sees of the package."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import gain_ros

ROOT = Path(__file__).resolve().parents[2]


def test_one_version_everywhere():
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    assert manifest.findtext("version") == gain_ros.__version__
    assert manifest.findtext("name") == "gain_ros"
    assert manifest.get("format") == "3"


def test_every_ros_package_the_node_imports_is_a_dependency():
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    depends = {element.text for element in manifest.iter("exec_depend")}
    sources = [*(ROOT / "gain_ros" / "node").glob("*.py"), ROOT / "launch" / "segment.launch.py"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE))
    ros_names = re.compile(r"rclpy|launch(_ros)?|ament_index_python|\w+_(msgs|srvs|interfaces)")
    ros = {name for name in imported if ros_names.fullmatch(name)}
    assert ros
    assert ros - depends - {"autoware_internal_debug_msgs"} == set()  # taken where it is there, no more


def test_install_puts_everything_where_ros_looks_for_it(tmp_path):
    source, target = tmp_path / "source", tmp_path / "install"
    source.mkdir()
    for name in ("gain_ros", "training", "launch", "config", "resource"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "setup.cfg", "package.xml", "README.md"):
        shutil.copy(ROOT / name, source)
    model = source / "models" / "toy"
    model.mkdir(parents=True)
    (model / "model.yaml").write_text("name: toy\n")
    command = [sys.executable, "setup.py", "-q", "install", "--single-version-externally-managed"]
    subprocess.run(
        [*command, "--prefix", str(target), "--record", str(tmp_path / "record")],
        cwd=source,
        check=True,
        capture_output=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    share = target / "share"
    assert (share / "ament_index/resource_index/packages/gain_ros").is_file()
    files = [path for path in (share / "gain_ros").rglob("*") if path.is_file()]
    installed = {str(path.relative_to(share / "gain_ros")) for path in files}
    assert {
        "package.xml",
        "launch/segment.launch.py",
        "config/segmentation.yaml",
        "config/fastdds.xml",
        "models/toy/model.yaml",
    } <= installed
    assert len(list(target.rglob("training/configs/finetune.yaml"))) == 1
    assert sorted(path.name for path in (target / "lib/gain_ros").iterdir()) == ["gain", "segmentation_node"]
