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

"""Frames that the middleware loses before they reach a live node."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from fake_segmenter import FakeSegmenter
from graph import eventually, image, picture
from rclpy.utilities import get_rmw_implementation_identifier

from gain_ros.node import segmentation_node

FAST_DDS_SET_UP = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_BUILTIN_TRANSPORTS")
SENT = 60
# In another process, with an image of 6 MB: more than the 512 KB of shared memory that Fast DDS has by default.
CAMERA = f"""
import time
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("camera")
publisher = node.create_publisher(Image, "image", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
message = Image(height=1080, width=1920, encoding="rgb8", step=5760)
message.data.frombytes(bytes(1080 * 5760))
while not publisher.get_subscription_count():
    time.sleep(0.01)
for _ in range({SENT}):
    publisher.publish(message)
    time.sleep(0.02)
time.sleep(0.5)
"""


def diagnostics(graph, node):
    node.publish_diagnostics()
    return graph.status()


@pytest.mark.skipif("fastrtps" not in get_rmw_implementation_identifier(), reason="loses frames by Fast DDS's defaults")
def test_large_frames_lost_by_fast_dds_are_counted(graph):
    node = graph.start(FakeSegmenter, model="fake")
    eventually(lambda: graph.node.count_subscribers("image"), "the node")
    environment = {name: value for name, value in os.environ.items() if name not in FAST_DDS_SET_UP}
    subprocess.run([sys.executable, "-c", CAMERA], env=environment, timeout=120, check=True)
    status = eventually(lambda: int(diagnostics(graph, node).get("lost_upstream", 0)) and graph.status(), "losses")
    received, lost = node.frame_counts().received, int(status["lost_upstream"])
    assert SENT // 2 <= received + lost <= SENT


def test_losses_reported_by_the_middleware_reach_the_diagnostics(graph, monkeypatch):
    made = []
    events = segmentation_node.SubscriptionEventCallbacks
    monkeypatch.setattr(
        segmentation_node, "SubscriptionEventCallbacks", lambda **given: made.append(given) or events(**given)
    )
    node = graph.start(FakeSegmenter, model="fake", cameras=["front", "left"])
    graph.publisher("left/image")
    assert len(made) == 2
    for change in (3, 4):
        made[0]["message_lost"](SimpleNamespace(total_count=99, total_count_change=change))
    node.publish_diagnostics()
    eventually(lambda: graph.status("segmentation/front").get("lost_upstream") == "7", "the front camera's losses")
    assert graph.status("segmentation/front")["level"] == 1
    assert graph.status("segmentation/left")["lost_upstream"] == "0"


def test_a_middleware_that_does_not_tell_losses_leaves_them_unknown(graph, monkeypatch):
    class Unsupported(segmentation_node.SubscriptionEventCallbacks):
        def create_event_handlers(self, *_):
            raise segmentation_node.UnsupportedEventTypeError("message lost")

    monkeypatch.setattr(segmentation_node, "SubscriptionEventCallbacks", Unsupported)
    node = graph.start(FakeSegmenter, model="fake")
    publisher = graph.publisher()

    def published():
        publisher.publish(image(picture()))
        return node.frame_counts().published

    eventually(published, "a mask")
    eventually(lambda: diagnostics(graph, node).get("lost_upstream") == "unknown", "unknown losses")
    assert len(node.get_subscriptions_info_by_topic("/image")) == 1
