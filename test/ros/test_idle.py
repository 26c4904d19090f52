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

"""A camera whose results nobody subscribes to is not listened to, until somebody does."""

import pytest
from fake_segmenter import FakeSegmenter
from graph import RELIABLE, change_state, enable, eventually, image, picture, stamp_ns
from lifecycle_msgs.msg import Transition
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import String

from gain_ros.node import outputs


@pytest.fixture(params=["events", "no events"])
def either_way(request, monkeypatch):
    """With rclpy's events of subscribers, and without, as on Humble."""
    if request.param == "no events":
        monkeypatch.setattr(outputs, "PublisherEventCallbacks", lambda *, deadline=None: None)


def subscribers(graph, topic="image"):
    return graph.node.count_subscribers(topic)


@pytest.mark.parametrize("result", ["mask", "confidence", "color", "overlay"])
def test_a_node_is_idle_until_the_first_subscriber_of_any_result_and_after_the_last(graph, either_way, result):
    node = graph.start(FakeSegmenter, model="fake", always_on=False)
    publisher = graph.node.create_publisher(Image, "image", RELIABLE)
    graph.listen(String, "segmentation/label_info_json")
    status = eventually(lambda: graph.status().get("idle") == "true" and graph.status(), "idle in diagnostics")
    assert (status["level"], status["message"], status["state"]) == (0, "idle: nobody subscribes", "active")
    assert subscribers(graph) == 0
    got = []
    subscription = graph.node.create_subscription(Image, f"segmentation/{result}", got.append, RELIABLE)
    eventually(publisher.get_subscription_count, "the node listening")
    publisher.publish(image(picture(), stamp_ns=7))
    assert [stamp_ns(each) for each in eventually(lambda: got, "a result of the first frame")] == [7]
    eventually(lambda: graph.status().get("idle") == "false", "no longer idle")
    graph.node.destroy_subscription(subscription)
    eventually(lambda: publisher.get_subscription_count() == 0, "the node idle again")
    publisher.publish(image(picture()))
    graph.pause(0.2)
    assert node.frame_counts().received == 1


def test_silence_while_idle_is_no_warning(graph, monkeypatch, capfd):
    node = graph.start(FakeSegmenter, model="fake", always_on=False)
    eventually(lambda: graph.status().get("idle") == "true", "idle")
    for monitor in node._monitors.values():
        monitor._received_ns -= 60 * 10**9
    node.publish_diagnostics()
    said = eventually(lambda: len(graph.received["/diagnostics"]) > 3 and graph.status(), "more diagnostics")
    assert (said["level"], said["message"]) == (0, "idle: nobody subscribes")
    assert "no frame on" not in capfd.readouterr().err
    graph.listen(Image, "segmentation/mask")
    graph.publisher()
    node.publish_diagnostics()
    eventually(lambda: graph.status()["idle"] == "false", "listening")
    assert graph.status()["message"] == "active", "silence counts from the first subscriber"


def test_each_camera_is_idle_by_itself(graph):
    masks = graph.listen(Image, "segmentation/left/mask")
    node = graph.start(FakeSegmenter, model="fake", cameras=["front", "left"], always_on=False)
    graph.publisher("left/image").publish(image(picture()))
    eventually(lambda: masks, "a mask of the camera with a subscriber")
    assert subscribers(graph, "front/image") == 0
    node.publish_diagnostics()
    eventually(lambda: graph.status("segmentation/front").get("message") == "idle: nobody subscribes", "front idle")
    assert graph.status("segmentation/left")["idle"] == "false"


def test_always_on_listens_without_a_subscriber_and_can_change_at_any_time(graph):
    node = graph.start(FakeSegmenter, model="fake", always_on=False)
    eventually(lambda: graph.status().get("idle") == "true", "idle")
    node.set_parameters([Parameter("always_on", value=True)])
    publisher = graph.publisher()
    publisher.publish(image(picture()))
    eventually(lambda: node.frame_counts().published == 1, "a frame that nobody sees")
    node.set_parameters([Parameter("always_on", value=False)])
    eventually(lambda: publisher.get_subscription_count() == 0, "idle again")


def test_a_node_that_is_deactivated_or_disabled_listens_for_nobody(graph):
    graph.listen(Image, "segmentation/mask")
    graph.start(FakeSegmenter, model="fake", always_on=False, autostart=False)
    assert change_state(graph, Transition.TRANSITION_CONFIGURE)
    graph.pause(0.2)
    assert subscribers(graph) == 0
    enable(graph, False)
    assert change_state(graph, Transition.TRANSITION_ACTIVATE)
    graph.pause(0.2)
    assert subscribers(graph) == 0
    enable(graph, True)
    eventually(lambda: subscribers(graph) == 1, "listening")
    assert change_state(graph, Transition.TRANSITION_DEACTIVATE)
    eventually(lambda: subscribers(graph) == 0, "deactivated")
