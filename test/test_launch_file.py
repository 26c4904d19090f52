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

"""What the launch file makes of its arguments, without launch: it is stood in for by modules of nothing."""

import runpy
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import yaml

FOLDER = Path(__file__).parents[1]
LAUNCH_MODULES = (
    "launch", "launch.actions", "launch.substitutions", "launch_ros", "launch_ros.actions",
    "launch_ros.parameter_descriptions",
)  # fmt: skip


@pytest.fixture
def launch_file(monkeypatch):
    """The names that the launch file defines."""
    for module in LAUNCH_MODULES:
        monkeypatch.setitem(sys.modules, module, MagicMock())
    return runpy.run_path(str(FOLDER / "launch" / "segment.launch.py"))


@pytest.mark.parametrize(
    ("cameras", "image", "expected"),
    [
        ("", "", []),
        ("", "/camera/image_raw", [("image", "/camera/image_raw")]),
        ("front,left", "", []),
        ("front,left", "/f/raw,/l/raw", [("front/image", "/f/raw"), ("left/image", "/l/raw")]),
        ("[front, left]", "[/f/raw, /l/raw]", [("front/image", "/f/raw"), ("left/image", "/l/raw")]),
    ],
)
def test_images_are_remapped_camera_by_camera(launch_file, cameras, image, expected):
    listed = launch_file["listed"]
    assert launch_file["image_remappings"](listed(cameras), listed(image)) == expected


@pytest.mark.parametrize(("cameras", "image"), [("front,left", "/f/raw"), ("front", "/f/raw,/l/raw"), ("", "/f,/l")])
def test_another_number_of_topics_than_cameras_is_refused(launch_file, cameras, image):
    with pytest.raises(ValueError, match="expected one each, in the order of cameras"):
        launch_file["image_remappings"](launch_file["listed"](cameras), launch_file["listed"](image))


def test_arguments_are_parameters_of_the_node_by_name_and_type(launch_file):
    document = yaml.safe_load((FOLDER / "config" / "segmentation.yaml").read_text(encoding="utf-8"))
    defaults = document["/**"]["ros__parameters"] | {"use_sim_time": False}
    assert {name: type(defaults.get(name)) for name in launch_file["PARAMETERS"]} == launch_file["PARAMETERS"]
