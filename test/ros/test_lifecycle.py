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

"""Transitions, parameters, clocks and the enable service of a live node."""

import threading

import pytest
from fake_segmenter import FakeSegmenter, HeldSegmenter
from graph import BEST_EFFORT, LATCHED, change_state, enable, eventually, image, picture, set_parameter, stamp_ns
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import DescribeParameters
from rclpy.exceptions import ParameterException
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from gain_ros.node import segmentation_node

SECOND = 1_000_000_000


def state(graph):
    return graph.call(GetState, "segmentation_node/get_state", GetState.Request()).current_state.label


def subscribers(graph):
    return graph.node.count_subscribers("image")


def start_held(graph, **parameters):
    """Start a node whose engine keeps a frame until it is released; returns it and where its segmenter will be."""
    segmenters = []

    def open_segmenter(*given, **options):
        segmenters.append(HeldSegmenter(*given, **options))
        return segmenters[-1]

    return graph.start(open_segmenter, model="fake", **parameters), segmenters


def test_the_whole_life(graph):
    opened = []

    def open_segmenter(*arguments, **options):
        opened.append(FakeSegmenter(*arguments, **options))
        return opened[-1]

    masks = graph.listen(Image, "segmentation/mask")
    node = graph.start(open_segmenter, model="fake", autostart=False)
    assert state(graph) == "unconfigured"
    assert opened == []
    assert change_state(graph, Transition.TRANSITION_CONFIGURE)
    assert state(graph) == "inactive"
    assert subscribers(graph) == 0
    for life in (1, 2):
        assert change_state(graph, Transition.TRANSITION_ACTIVATE)
        graph.publisher().publish(image(picture()))
        eventually(lambda life=life: len(masks) == life, f"a mask in life {life}")
        assert change_state(graph, Transition.TRANSITION_DEACTIVATE)
        eventually(lambda: subscribers(graph) == 0, "unsubscribed")
    assert node.frame_counts().published == 2
    assert change_state(graph, Transition.TRANSITION_CLEANUP)
    assert opened[0].closed
    assert change_state(graph, Transition.TRANSITION_CONFIGURE)
    assert node.frame_counts().received == 0
    assert len(opened) == 2
    assert change_state(graph, Transition.TRANSITION_INACTIVE_SHUTDOWN)
    assert opened[1].closed
    assert state(graph) == "finalized"


def test_deactivate_lets_the_frame_at_work_finish_and_counts_the_one_that_waits(graph):
    masks = graph.listen(Image, "segmentation/mask")
    node, segmenters = start_held(graph)
    publisher = graph.publisher()
    publisher.publish(image(picture(), stamp_ns=1))
    eventually(segmenters[0].entered.is_set, "the first frame at work")
    publisher.publish(image(picture(), stamp_ns=2))
    eventually(lambda: node.frame_counts().received == 2, "the second frame")
    threading.Timer(0.2, segmenters[0].released.set).start()
    assert change_state(graph, Transition.TRANSITION_DEACTIVATE)
    counts = node.frame_counts()
    assert (counts.published, counts.superseded, counts.in_flight) == (1, 1, 0)
    assert [stamp_ns(mask) for mask in eventually(lambda: masks, "the mask of the frame at work")] == [1]


def test_an_engine_that_hangs_is_an_error_and_nothing_waits_for_it(graph):
    node, segmenters = start_held(graph, engine_timeout=3600.0, warn_mask_age=0.1)
    graph.publisher().publish(image(picture()))
    text = "s: fake is still at the frames it got then"
    eventually(lambda: text in graph.status().get("message", "") and graph.status()["level"] == 1, "a warning")
    assert set_parameter(graph, "engine_timeout", 0.2).successful
    eventually(lambda: text in graph.status()["message"] and graph.status()["level"] == 2, "an error")
    assert change_state(graph, Transition.TRANSITION_DEACTIVATE)
    assert node.frame_counts().in_flight == 1
    status = eventually(lambda: graph.status().get("state") == "inactive" and graph.status(), "diagnostics go on")
    assert status["level"] == 2
    assert not node.close(), "the engine's thread is still busy"
    segmenters[0].released.set()
    eventually(lambda: node.frame_counts().failed == 1, "the frame nobody waits for any more")
    assert node.close()


def test_after_an_engine_has_answered_late_the_node_goes_on(graph):
    node, segmenters = start_held(graph, engine_timeout=0.1)
    masks = graph.listen(Image, "segmentation/mask")
    graph.publisher().publish(image(picture(), stamp_ns=1))
    eventually(segmenters[0].entered.is_set, "the frame at work")
    assert change_state(graph, Transition.TRANSITION_DEACTIVATE)
    assert change_state(graph, Transition.TRANSITION_ACTIVATE)
    segmenters[0].released.set()
    graph.publisher().publish(image(picture(), stamp_ns=2))
    eventually(lambda: [stamp_ns(mask) for mask in masks][-1:] == [2], "the mask of the next frame")
    assert node.frame_counts().in_flight == 0


def test_a_node_that_loads_says_so_and_warns_where_that_takes_long(graph, monkeypatch):
    monkeypatch.setattr(segmentation_node, "_SLOW_LOADING_S", 1.5)
    graph.start(FakeSegmenter, model="fake:open_s=4")
    for level, what in ((0, "that it loads"), (1, "a warning")):
        status = eventually(lambda level=level: graph.status().get("level") == level and graph.status(), what)
        assert status["state"] == "unconfigured"
        assert status["message"].startswith("loading the model for ")
    active = eventually(lambda: graph.status()["state"] == "active" and graph.status(), "the node active")
    assert "loading" not in active["message"]


def test_a_model_that_cannot_be_loaded_leaves_the_node_unconfigured_and_says_why(graph, monkeypatch, capfd):
    monkeypatch.setattr(segmentation_node, "_LOG_PERIOD_S", 0.1)
    graph.start(FakeSegmenter, model="fake:broken=1", autostart=False)
    assert not change_state(graph, Transition.TRANSITION_CONFIGURE)
    status = eventually(lambda: graph.status().get("level") == 2 and graph.status(), "an error in diagnostics")
    assert "expected a model folder" in status["message"]
    said = []
    eventually(lambda: said.append(capfd.readouterr().err) or "".join(said).count("cannot configure") > 1, "it again")
    assert status["state"] == "unconfigured"
    assert state(graph) == "unconfigured"
    assert set_parameter(graph, "model", "fake").successful
    assert change_state(graph, Transition.TRANSITION_CONFIGURE)
    eventually(lambda: graph.status().get("state") == "inactive", "the error gone")
    assert graph.status()["level"] == 0


def test_disabled_the_node_receives_nothing(graph):
    masks = graph.listen(Image, "segmentation/mask")
    node = graph.start(FakeSegmenter, model="fake")
    graph.publisher()
    assert enable(graph, False).success
    eventually(lambda: subscribers(graph) == 0, "unsubscribed")
    eventually(lambda: graph.status().get("enabled") == "false", "disabled in diagnostics")
    assert enable(graph, True).success
    graph.publisher().publish(image(picture()))
    eventually(lambda: masks, "a mask after enabling")
    assert node.frame_counts().received == 1


def test_disabled_while_inactive_holds_when_activated(graph):
    graph.start(FakeSegmenter, model="fake", autostart=False)
    assert "unconfigured" in enable(graph, False).message
    assert change_state(graph, Transition.TRANSITION_CONFIGURE)
    assert change_state(graph, Transition.TRANSITION_ACTIVATE)
    assert subscribers(graph) == 0
    enable(graph, True)
    eventually(lambda: subscribers(graph) == 1, "subscribed")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("model", "other", "in use"),
        ("cameras", ["a"], "in use"),
        ("overlay_alpha", 1.5, ""),
        ("max_pixels", 0, ""),
        ("max_frame_age", "soon", ""),
        ("autostart", False, ""),
    ],
)
def test_wrong_values_are_refused_with_a_reason(graph, name, value, said):
    graph.start(FakeSegmenter, model="fake")
    graph.publisher()
    result = set_parameter(graph, name, value)
    assert not result.successful
    assert result.reason
    assert said in result.reason


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transport", "carrier pigeon"),
        ("overlay_alpha", 2.0),
        ("threads", -1),
        ("device", "tpu"),
        ("engine", "abacus"),
        ("model", " "),
    ],
)
def test_wrong_values_at_start_are_refused(graph, name, value):
    with pytest.raises(ParameterException, match=name):
        graph.start(FakeSegmenter, **{name: value})


def test_parameters_describe_themselves(graph):
    graph.start(FakeSegmenter, model="fake", autostart=False)
    request = DescribeParameters.Request(names=["overlay_alpha", "autostart"])
    alpha, autostart = graph.call(DescribeParameters, "segmentation_node/describe_parameters", request).descriptors
    assert (alpha.floating_point_range[0].from_value, alpha.floating_point_range[0].to_value) == (0.0, 1.0)
    assert "overlay" in alpha.description
    assert autostart.read_only


@pytest.mark.parametrize(
    "topic",
    ["/segmentation/color.publisher", "/camera_info.subscription", "/segmentation_node/debug/cyclic_time_ms.publisher"],
)
def test_a_wrong_qos_override_is_said_and_leaves_nothing_behind(graph, topic):
    graph.start(FakeSegmenter, model="fake", autostart=False, **{f"qos_overrides.{topic}.reliability": "maybe"})
    assert not change_state(graph, Transition.TRANSITION_CONFIGURE)
    status = eventually(lambda: graph.status().get("level") == 2 and graph.status(), "an error in diagnostics")
    assert "maybe" in status["message"]
    assert state(graph) == "unconfigured"
    eventually(lambda: graph.node.count_publishers("segmentation/mask") == 0, "no mask topic")


def test_a_wrong_qos_override_of_diagnostics_is_refused_at_start(graph):
    with pytest.raises(ParameterException, match=r"maybe.*qos_overrides\./diagnostics"):
        graph.start(FakeSegmenter, **{"qos_overrides./diagnostics.publisher.durability": "maybe"})


QOS_DEFAULTS = {
    "/image.subscription": ("best_effort", "volatile", 1),
    "/camera_info.subscription": ("best_effort", "volatile", 1),
    **{
        f"/segmentation/{name}.publisher": ("reliable", "volatile", 1)
        for name in ("mask", "mask/compressed", "camera_info", "confidence", "color", "overlay")
    },
    "/segmentation/label_info_json.publisher": ("reliable", "transient_local", 1),
    "/segmentation_node/debug/processing_time_ms.publisher": ("reliable", "volatile", 1),
    "/segmentation_node/debug/processing_time/infer_ms.publisher": ("reliable", "volatile", 1),
    "/diagnostics.publisher": ("reliable", "volatile", 10),
}
OTHER = {
    "reliable": "best_effort",
    "best_effort": "reliable",
    "volatile": "transient_local",
    "transient_local": "volatile",
}


def qos_of_each(graph, node):
    """What the node has on the graph, by the keys of QOS_DEFAULTS; depths from its parameters, since DDS hides them."""
    found = {}
    for key in QOS_DEFAULTS:
        topic, _, end = key.rpartition(".")
        ask = (
            graph.node.get_publishers_info_by_topic
            if end == "publisher"
            else graph.node.get_subscriptions_info_by_topic
        )
        (profile,) = [each.qos_profile for each in ask(topic) if each.node_name == "segmentation_node"]
        depth = node.get_parameter(f"qos_overrides.{key}.depth").value
        found[key] = (profile.reliability.name.lower(), profile.durability.name.lower(), depth)
    return found


@pytest.mark.parametrize("overridden", [False, True], ids=["defaults", "overridden"])
def test_qos_of_every_topic_can_be_overridden(graph, overridden):
    expected, parameters = QOS_DEFAULTS, {}
    if overridden:
        expected = {key: (OTHER[first], OTHER[second], depth + 6) for key, (first, second, depth) in expected.items()}
        for key, values in expected.items():
            policies = zip(("reliability", "durability", "depth"), values, strict=True)
            parameters |= {f"qos_overrides.{key}.{policy}": value for policy, value in policies}
    infos = graph.node.create_subscription(CameraInfo, "segmentation/camera_info", id, BEST_EFFORT)
    node = graph.start(FakeSegmenter, model="fake", **parameters)
    publisher = graph.node.create_publisher(Image, "image", LATCHED)
    eventually(publisher.get_subscription_count, "an active node")

    def listened_to():
        publisher.publish(image(picture()))
        return graph.node.count_subscribers("/camera_info")

    eventually(listened_to, "a subscription to camera_info")
    assert qos_of_each(graph, node) == expected
    graph.node.destroy_subscription(infos)


def test_stale_frames_are_dropped_once_a_limit_is_set(graph):
    masks = graph.listen(Image, "segmentation/mask")
    node = graph.start(FakeSegmenter, model="fake")
    publisher = graph.publisher()
    publisher.publish(image(picture(), stamp_ns=SECOND))  # decades old, but no limit is set
    eventually(lambda: masks, "a mask without a limit")
    assert set_parameter(graph, "max_frame_age", 5.0).successful
    publisher.publish(image(picture(), stamp_ns=SECOND))
    eventually(lambda: node.frame_counts().stale == 1, "a stale frame")
    publisher.publish(image(picture(), stamp_ns=graph.node.get_clock().now().nanoseconds))
    eventually(lambda: len(masks) == 2, "a mask of a fresh frame")
    publisher.publish(image(picture(), stamp_ns=0))  # a camera that sets no stamp has no age
    eventually(lambda: len(masks) == 3, "a mask of a frame without a stamp")


def test_simulated_time_of_a_bag_that_loops(graph):
    masks = graph.listen(Image, "segmentation/mask")
    node = graph.start(FakeSegmenter, model="fake", use_sim_time=True, max_frame_age=1.0)
    publisher = graph.publisher()  # came up although no clock runs yet
    clock = graph.publisher("/clock", Clock)

    def play(second):
        message = Clock()
        message.clock.sec = second
        clock.publish(message)
        eventually(lambda: node.get_clock().now().nanoseconds == second * SECOND, f"the clock at {second} s")

    for second in (100, 101, 40, 41):  # the bag starts again after 101
        play(second)
        publisher.publish(image(picture(), stamp_ns=second * SECOND))
        eventually(lambda second=second: masks and stamp_ns(masks[-1]) == second * SECOND, f"the mask of {second} s")
    publisher.publish(image(picture(), stamp_ns=39 * SECOND))
    eventually(lambda: node.frame_counts().stale == 1, "a stale frame")
    assert node.frame_counts().published == 4
    node.publish_diagnostics()
    status = eventually(lambda: graph.status().get("published") == "4" and graph.status(), "diagnostics")
    assert status["lost_upstream"] == "0"


def test_diagnostics_have_every_key_people_rely_on(graph):
    node = graph.start(FakeSegmenter, model="fake", warn_mask_age=60.0)
    graph.publisher().publish(image(picture()))
    eventually(lambda: node.frame_counts().published == 1, "a mask")
    node.publish_diagnostics()
    status = eventually(lambda: graph.status().get("published") == "1" and graph.status(), "diagnostics")
    timed = ["mask_age", "stamp_age", "wait", "decode", "pre", "infer", "post", "publish"]
    numbers = [f"{name}_ms_p{rank}" for name in timed for rank in (50, 95, 99)]
    assert all(float(status[key]) >= 0 for key in numbers)
    plain = "engine provider model fps received superseded stale failed lost_upstream last_error"
    assert set(plain.split()) <= set(status)
    assert (status["engine"], status["hardware_id"], status["message"]) == ("fake", "fake", "active")
