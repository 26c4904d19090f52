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

"""What the ids mean, as vision_msgs/LabelInfo where vision_msgs is installed and as JSON everywhere."""

import functools
import json
import sys
import types
from types import SimpleNamespace

import numpy as np
import pytest
from std_msgs.msg import Header

from gain_ros.class_output import class_output
from gain_ros.frames import as_rgb, from_rgb
from gain_ros.labels import CAMVID
from gain_ros.node.outputs import CameraOutputs, label_info_json

PLAIN = class_output(CAMVID)


class Message:
    """Stands for a generated message: takes its fields by name."""

    def __init__(self, **fields):
        self.header = SimpleNamespace(stamp=None)
        vars(self).update(fields)


class Publisher:
    def __init__(self, message_type, topic, qos):
        self.message_type, self.topic, self.qos, self.messages = message_type, topic, qos, []

    def publish(self, message):
        self.messages.append(message)


class Node:
    """As much of a lifecycle node as the outputs use."""

    def __init__(self, knows_events=True):
        self.publishers, self.knows_events = {}, knows_events

    def create_lifecycle_publisher(self, message_type, topic, qos, *, qos_overriding_options=None, **events):
        if events and not self.knows_events:
            raise TypeError("matched")
        self.publishers[topic] = Publisher(message_type, topic, qos)
        return self.publishers[topic]

    def destroy_lifecycle_publisher(self, publisher):
        del self.publishers[publisher.topic]

    def create_subscription(self, message_type, topic, callback, qos, *, qos_overriding_options=None):
        return topic

    def destroy_subscription(self, topic):
        pass

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=lambda: "now"))


@pytest.fixture
def vision_msgs(monkeypatch):
    package, module = types.ModuleType("vision_msgs"), types.ModuleType("vision_msgs.msg")
    module.LabelInfo = type("LabelInfo", (Message,), {})
    module.VisionClass = type("VisionClass", (Message,), {})
    monkeypatch.setitem(sys.modules, "vision_msgs", package)
    monkeypatch.setitem(sys.modules, "vision_msgs.msg", module)
    return module


def test_label_info_is_latched_and_complete_where_vision_msgs_is_installed(vision_msgs):
    node = Node()
    CameraOutputs(node, "segmentation", "/camera_info").publish_label_info(PLAIN)
    publisher = node.publishers["segmentation/label_info"]
    assert publisher.message_type is vision_msgs.LabelInfo
    assert publisher.qos.durability.name == "TRANSIENT_LOCAL"
    (message,) = publisher.messages
    assert message.header.stamp == "now"
    assert message.threshold == 0.0
    assert [(entry.class_id, entry.class_name) for entry in message.class_map] == list(enumerate(CAMVID.names))


def test_the_overlay_of_a_yuv_frame_is_that_of_its_rgb():
    node = Node()
    outputs = CameraOutputs(node, "segmentation", "/camera_info")
    for publisher in node.publishers.values():
        publisher.get_subscription_count = lambda: 1
    rgb = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    result = SimpleNamespace(labels=np.zeros((4, 6), np.uint8), confidence=None)
    frame = from_rgb(rgb, "yuyv")
    for picture in (frame, as_rgb(frame)):
        outputs.publish_extras(Header(), picture, result, PLAIN, 0.25)
    of_yuv, of_rgb = node.publishers["segmentation/overlay"].messages
    assert of_yuv.encoding == "rgb8"
    assert of_yuv.data == of_rgb.data


def test_without_vision_msgs_the_json_topic_serves(monkeypatch):
    monkeypatch.setitem(sys.modules, "vision_msgs", None)
    monkeypatch.setitem(sys.modules, "vision_msgs.msg", None)
    node = Node()
    outputs = CameraOutputs(node, "segmentation/front", "/camera_info")
    outputs.publish_label_info(PLAIN)
    assert sorted(node.publishers) == [
        f"segmentation/front/{name}"
        for name in ("camera_info", "color", "confidence", "label_info_json", "mask", "mask/compressed", "overlay")
    ]
    assert node.publishers["segmentation/front/label_info_json"].qos.durability.name == "TRANSIENT_LOCAL"
    outputs.destroy()
    assert node.publishers == {}


@pytest.mark.parametrize("knows_events", [True, False], ids=["events", "no events"])
def test_a_camera_is_wanted_where_somebody_subscribes_to_any_result_but_not_to_the_label_info_alone(knows_events):
    node = Node(knows_events)
    outputs = CameraOutputs(node, "segmentation", "/camera_info")
    assert outputs.tells_matches == knows_events
    subscribed = dict.fromkeys(node.publishers, 0)
    for topic, publisher in node.publishers.items():
        publisher.get_subscription_count = functools.partial(subscribed.get, topic)
    assert not outputs.wanted
    for topic in subscribed:
        subscribed[topic] = 1
        assert outputs.wanted == ("label_info" not in topic), topic
        subscribed[topic] = 0


def test_the_json_says_names_colours_and_the_unlabelled_id():
    content = json.loads(label_info_json(PLAIN))
    assert content["unlabelled_id"] == 255
    assert content["threshold"] == 0.0
    assert content["label_set"] == "camvid"
    listed = [(entry["id"], entry["name"], tuple(entry["color"])) for entry in content["classes"]]
    assert listed == list(zip(range(len(CAMVID)), CAMVID.names, CAMVID.colors, strict=True))


def test_ids_that_are_remapped_have_names_colours_groups_and_thresholds(vision_msgs):
    classes = class_output(CAMVID, {"traversable": 2, "car": 4, "others": 255}, {"road": 0.75, "others": 0.5})
    content = json.loads(label_info_json(classes))
    assert content["classes"] == [
        {"id": 2, "name": "traversable", "color": [128, 64, 128], "groups": ["traversable"], "min_confidence": 0.5},
        {"id": 4, "name": "car", "color": [0, 255, 255], "groups": ["dynamic"], "min_confidence": 0.5},
    ]
    assert (content["threshold"], content["as_network"]) == (0.5, False)
    node = Node()
    CameraOutputs(node, "segmentation", "/camera_info").publish_label_info(classes)
    (message,) = node.publishers["segmentation/label_info"].messages
    assert message.threshold == 0.5
    assert [(entry.class_id, entry.class_name) for entry in message.class_map] == [(2, "traversable"), (4, "car")]


def test_what_the_ids_mean_goes_out_before_the_first_mask_that_holds_them():
    node, order = Node(), []
    outputs = CameraOutputs(node, "segmentation", "/camera_info")
    for topic, publisher in node.publishers.items():
        publisher.is_activated = True
        publisher.publish = functools.partial(lambda name, message: order.append(name), topic.rpartition("/")[2])
    result, others = SimpleNamespace(labels=np.zeros((2, 2), np.uint8)), class_output(CAMVID, {"others": 1})
    for classes in (PLAIN, PLAIN, others, others):
        outputs.publish_mask(Header(), result, classes)
    assert [name for name in order if name != "label_info"] == [
        "label_info_json", "mask", "mask", "label_info_json", "mask", "mask",
    ]  # fmt: skip
