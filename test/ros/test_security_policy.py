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

"""The shipped SROS2 policy names what the node has on the graph: all of it, and nothing that it could do without."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from fake_segmenter import FakeSegmenter
from graph import Graph, eventually

POLICY = Path(__file__).parents[2] / "config" / "sros2" / "segmentation.policy.xml"
NODE = "segmentation_node"
# Only with transport:=compressed, while segmentation/camera_info is wanted, with use_sim_time, where vision_msgs is
# installed, and from Jazzy on.
SOMETIMES = {
    "/image/compressed", "/camera_info", "/clock", "/segmentation/label_info", f"/{NODE}/get_type_description",
}  # fmt: skip


def allowed(kind: str, action: str) -> set[str]:
    names = ElementTree.parse(POLICY).findall(f".//{kind}s[@{action}='ALLOW']/{kind}")
    return {(name.text or "").replace("~", f"/{NODE}") if name.text[0] in "/~" else f"/{name.text}" for name in names}


def test_the_policy_allows_what_the_node_does(graph: Graph) -> None:
    graph.start(FakeSegmenter, model="fake")
    eventually(lambda: graph.node.count_subscribers("/image"), "an active node")
    for kind, action, found in (
        ("topic", "subscribe", graph.node.get_subscriber_names_and_types_by_node),
        ("topic", "publish", graph.node.get_publisher_names_and_types_by_node),
        ("service", "reply", graph.node.get_service_names_and_types_by_node),
        ("service", "request", graph.node.get_client_names_and_types_by_node),
    ):
        names = {name for name, _ in found(NODE, "/")}
        assert names <= allowed(kind, action)
        assert allowed(kind, action) - names <= SOMETIMES
