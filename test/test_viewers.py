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

"""The files for RViz and Foxglove name topics that the node has: those of the SROS2 policy, held to the live node."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import yaml

CONFIG = Path(__file__).parents[1] / "config"


def published() -> set[str]:
    topics = ElementTree.parse(CONFIG / "sros2" / "segmentation.policy.xml").findall(
        ".//topics[@publish='ALLOW']/topic"
    )
    return {re.sub("^(~|(?=[^/]))", lambda found: "/segmentation_node" if found[1] else "/", t.text) for t in topics}


def test_rviz_shows_what_is_published():
    document = yaml.safe_load((CONFIG / "rviz" / "segmentation.rviz").read_text(encoding="utf-8"))
    displays = document["Visualization Manager"]["Displays"]
    assert {each["Class"] for each in displays} == {"rviz_default_plugins/Image"}
    topics = {each["Topic"]["Value"] for each in displays}
    assert {"/segmentation/overlay", "/segmentation/mask"} <= topics <= published()


def test_foxglove_shows_what_is_published_in_panels_that_are_laid_out():
    text = (CONFIG / "foxglove" / "segmentation.json").read_text(encoding="utf-8")
    document = json.loads(text)
    panels = document["configById"]
    images = {each["imageMode"]["imageTopic"] for each in panels.values() if "imageMode" in each}
    plotted = {path["value"].removesuffix(".data") for each in panels.values() for path in each.get("paths", ())}
    assert images
    assert plotted
    assert images | plotted <= published()
    laid_out = json.dumps(document["layout"])
    assert all(json.dumps(panel) in laid_out for panel in panels)
