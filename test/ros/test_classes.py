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

"""Classes as consumers see them on a live graph: Nav2's semantic layer, and ids that change while masks go out."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from fake_segmenter import FakeSegmenter, expected_mask
from graph import BEST_EFFORT, LATCHED, change_state, eventually, image, picture, pixels, set_parameter, stamp_ns
from lifecycle_msgs.msg import Transition
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String
from test_lifecycle import state

from gain_ros.labels import CAMVID

COSTMAP = Path(__file__).resolve().parents[2] / "config" / "nav2" / "semantic_costmap.yaml"
SENSOR_DATA = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED_5 = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Layer:
    """Does with topics what semantic_segmentation_layer does, by the costmap file, short of the costmap.

    It joins late, matches mask and confidence by equal stamps, and refuses images that come before label info, that
    are no mono8, or that are not of the cloud's size.
    """

    def __init__(self, graph):
        document = yaml.safe_load(COSTMAP.read_text(encoding="utf-8"))
        self.node_parameters = document["segmentation_node"]["ros__parameters"]
        layer = document["local_costmap"]["local_costmap"]["ros__parameters"]["semantic_segmentation_layer"]
        self.camera = layer[layer["observation_sources"]]
        self.known = [name for kind in self.camera["class_types"] for name in self.camera[kind]["classes"]]
        self.graph, self.names, self.refused = graph, {}, []
        self.masks, self.confidences, self.matched = {}, {}, []

    def activate(self, cloud_size):
        self.cloud_size = cloud_size
        subscribe = self.graph.node.create_subscription
        subscribe(Image, self.camera["segmentation_topic"], lambda each: self._take(self.masks, each), SENSOR_DATA)
        subscribe(Image, self.camera["confidence_topic"], lambda each: self._take(self.confidences, each), SENSOR_DATA)

    def listen_to_json(self):
        topic = f"{self.camera['labels_topic']}_json"
        self.graph.node.create_subscription(String, topic, self._on_json, LATCHED_5)

    def listen_to_label_info(self, message_type):
        self.graph.node.create_subscription(message_type, self.camera["labels_topic"], self._on_label_info, LATCHED_5)

    def _on_json(self, message):
        self._learn({each["id"]: each["name"] for each in json.loads(message.data)["classes"]})

    def _on_label_info(self, message):
        self._learn({each.class_id: each.class_name for each in message.class_map})

    def _learn(self, names):
        self.refused += [f"class {name!r} is not in the costmap's parameters" for name in names.values()
                         if name not in self.known]  # fmt: skip
        self.names = names

    def _take(self, messages, message):
        if not self.names:
            self.refused.append("an image before label info")
        if message.encoding != "mono8" or (message.height, message.width) != self.cloud_size:
            self.refused.append(f"{message.encoding} of {message.width}x{message.height}")
        messages[stamp_ns(message)] = message
        if (stamp := stamp_ns(message)) in self.masks and stamp in self.confidences:
            self.matched.append(stamp)


@pytest.mark.parametrize("kind", ["label_info_json", "label_info"])
def test_the_semantic_layer_of_nav2_gets_what_it_needs(graph, kind):
    layer = Layer(graph)
    message_type = None if kind == "label_info_json" else pytest.importorskip("vision_msgs.msg").LabelInfo
    graph.start(FakeSegmenter, model="fake", **layer.node_parameters | {"max_frame_age": 0.0})
    publisher, sent = graph.publisher(), {}

    def send():
        stamp = 1_000_000_000 + 10 * len(sent)
        sent[stamp] = picture(seed=len(sent))
        publisher.publish(image(sent[stamp], stamp_ns=stamp, frame_id="camera_color_optical_frame"))

    send()  # the node has been at work before the layer is there
    layer.listen_to_json() if message_type is None else layer.listen_to_label_info(message_type)
    eventually(lambda: layer.names, "label info for one that joins late")
    layer.activate(cloud_size=(6, 8))

    def a_matched_set():
        send()
        graph.pause(0.02)
        return len(layer.matched) >= 3

    eventually(a_matched_set, "masks with their confidence")
    assert layer.refused == []
    assert layer.names == {0: "traversable", 1: "obstacle", 2: "dynamic"}
    assert sorted(layer.names.values()) == sorted(layer.known)
    seen = set()
    for stamp in layer.matched:
        mask, confidence = layer.masks[stamp], layer.confidences[stamp]
        assert {each.header.frame_id for each in (mask, confidence)} == {"camera_color_optical_frame"}
        np.testing.assert_array_equal(pixels(mask), grouped(sent[stamp], least_of_traversable=179))
        np.testing.assert_array_equal(pixels(confidence), sent[stamp][..., 1])
        seen |= {*pixels(mask).ravel().tolist()}
    assert seen == {*layer.names, 255}


def grouped(rgb, least_of_traversable):
    """The mask of a frame in the costmap file's classes."""
    ids = {"traversable": 0, "obstacle": 1, "dynamic": 2}
    table = np.array([ids[groups[0]] if groups else 255 for groups in CAMVID.groups], np.uint8)
    mask = table[expected_mask(rgb)]
    return np.where((mask == 0) & (rgb[..., 1] < least_of_traversable), 255, mask)


def test_classes_change_while_masks_go_out_and_are_told_before_the_first_mask_that_has_them(graph):
    order = []
    graph.node.create_subscription(
        String, "segmentation/label_info_json", lambda each: order.append(json.loads(each.data)), LATCHED
    )
    graph.node.create_subscription(Image, "segmentation/mask", order.append, BEST_EFFORT)
    colors = graph.listen(Image, "segmentation/color")
    graph.start(FakeSegmenter, model="fake")
    publisher, rgb = graph.publisher(), picture()

    def after(what, expected):
        def arrived():
            publisher.publish(image(rgb))
            graph.pause(0.02)
            return any(isinstance(each, Image) and np.array_equal(pixels(each), expected) for each in order)

        eventually(arrived, what)

    own = expected_mask(rgb)
    after("the model's ids", own)
    assert set_parameter(graph, "remap", ["road:1", "pavement:1", "others:40"]).successful
    merged = np.where(np.isin(own, (3, 4)), 1, 40).astype(np.uint8)
    after("ids that are remapped", merged)
    first = next(place for place, each in enumerate(order) if isinstance(each, Image) and 40 in pixels(each))
    told = [each for each in order[:first] if isinstance(each, dict)][-1]
    assert [(each["id"], each["name"]) for each in told["classes"]] == [(1, "road+pavement"), (40, "others")]
    colored = np.where((merged == 1)[..., None], CAMVID.colors[3], CAMVID.colors[0])
    eventually(lambda: any(np.array_equal(pixels(each), colored) for each in colors), "colours that follow")
    assert set_parameter(graph, "min_confidence", ["road:0.5"]).successful
    after("doubtful road withheld", np.where((own == 3) & (rgb[..., 1] < 128), 255, merged))
    assert set_parameter(graph, "min_confidence", ["0"]).successful
    assert set_parameter(graph, "remap", ["none"]).successful
    order.clear()
    after("the model's ids again", own)
    assert next(each for each in order if isinstance(each, dict))["as_network"]


def test_classes_that_the_model_lacks_are_refused_with_those_it_has(graph):
    graph.start(FakeSegmenter, model="fake")
    graph.publisher()
    for name, value in (("remap", ["raod:1"]), ("min_confidence", ["raod:0.5"])):
        result = set_parameter(graph, name, value)
        assert not result.successful
        assert "'raod'; expected one of sky, building" in result.reason
    assert "such as" in set_parameter(graph, "remap", ["road"]).reason
    both = [Parameter("remap", value=["car:1"]), Parameter("min_confidence", value=["2"])]
    request = SetParameters.Request(parameters=[each.to_parameter_msg() for each in both])
    first, second = graph.call(SetParameters, "segmentation_node/set_parameters", request).results
    assert (first.successful, second.successful) == (True, False)


def test_a_remap_that_does_not_fit_the_model_refuses_configure(graph):
    graph.start(FakeSegmenter, model="fake", autostart=False, remap=["raod:1"])
    assert not change_state(graph, Transition.TRANSITION_CONFIGURE)
    assert state(graph) == "unconfigured"
    assert "'raod'; expected one of" in eventually(lambda: graph.status().get("last_error"), "the reason")


def test_classes_set_while_inactive_are_told_at_activation(graph):
    graph.start(FakeSegmenter, model="fake", autostart=False)
    assert change_state(graph, Transition.TRANSITION_CONFIGURE)
    assert set_parameter(graph, "remap", ["road:1"]).successful
    assert change_state(graph, Transition.TRANSITION_ACTIVATE)
    info = graph.listen(String, "segmentation/label_info_json", LATCHED)
    assert [each["name"] for each in json.loads(eventually(lambda: info, "label info")[0].data)["classes"]] == ["road"]
