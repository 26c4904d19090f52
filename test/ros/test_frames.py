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

"""Frames in, masks out, on a real graph."""

import json

import cv2
import numpy as np
import pytest
from fake_segmenter import FakeSegmenter, HeldSegmenter, expected_mask
from graph import BEST_EFFORT, LATCHED, RELIABLE, eventually, image, picture, pixels, set_parameter, stamp_ns
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float64, String

from gain_ros.labels import CAMVID
from gain_ros.pictures import decode_ids


def start(graph, **parameters):
    """A node on a fake segmenter; gives the node and the list the segmenter appears in once loaded."""
    segmenters = []

    def open_segmenter(*arguments, **options):
        segmenters.append(FakeSegmenter(*arguments, **options))
        return segmenters[0]

    return graph.start(open_segmenter, **{"model": "fake"} | parameters), segmenters


def test_a_frame_becomes_a_mask_under_its_own_header(graph):
    masks = graph.listen(Image, "segmentation/mask")
    start(graph)
    rgb = picture()
    graph.publisher().publish(image(rgb, stamp_ns=5_000_000_007, frame_id="left_eye"))
    mask = eventually(lambda: masks, "a mask")[0]
    assert mask.header.frame_id == "left_eye"
    assert stamp_ns(mask) == 5_000_000_007
    assert (mask.encoding, mask.step) == ("mono8", 8)
    np.testing.assert_array_equal(pixels(mask), expected_mask(rgb))


@pytest.mark.parametrize("qos", [BEST_EFFORT, RELIABLE], ids=["best effort", "reliable"])
def test_both_kinds_of_publisher_are_received_and_both_kinds_of_subscriber_served(graph, qos):
    masks = graph.listen(Image, "segmentation/mask", qos)
    start(graph)
    publisher = graph.publisher(qos=qos)

    def a_mask():
        publisher.publish(image(picture()))
        return masks

    assert eventually(a_mask, "a mask")[0].encoding == "mono8"


def test_size_may_change_stamps_go_back_and_frame_id_be_empty(graph):
    masks = graph.listen(Image, "segmentation/mask")
    node, _ = start(graph)
    publisher = graph.publisher()
    sent = [((6, 8), 100, "a"), ((9, 5), 200, "a"), ((9, 5), 50, "a"), ((6, 8), 60, "")]
    for number, (size, stamp, frame_id) in enumerate(sent):
        publisher.publish(image(picture(*size, seed=number), stamp, frame_id))
        eventually(lambda number=number: len(masks) == number + 1, f"mask {number}")
    assert [(pixels(mask).shape, stamp_ns(mask), mask.header.frame_id) for mask in masks] == sent
    assert node.frame_counts().published == 4


def test_outputs_are_made_only_while_someone_subscribes(graph):
    masks = graph.listen(Image, "segmentation/mask")
    _, segmenters = start(graph, overlay_alpha=0.25)
    publisher = graph.publisher()
    rgb = picture()
    publisher.publish(image(rgb))
    eventually(lambda: masks, "a mask")
    assert segmenters[0].calls == [(1, False)]

    topics = [f"segmentation/{name}" for name in ("confidence", "color", "overlay", "mask/compressed")]
    for topic in topics:
        graph.listen(CompressedImage if topic.endswith("/compressed") else Image, topic)
        eventually(lambda topic=topic: graph.node.count_publishers(topic), topic)

    def all_outputs():
        publisher.publish(image(rgb, stamp_ns=77))
        return all(graph.received[topic] for topic in topics)

    eventually(all_outputs, "confidence, color, overlay and the compressed mask")
    confidence, color, overlay, compressed = (graph.received[topic][-1] for topic in topics)
    assert segmenters[0].calls[-1] == (1, True)
    assert [stamp_ns(message) for message in (confidence, color, overlay, compressed)] == [77] * 4
    assert (confidence.encoding, color.encoding, overlay.encoding) == ("mono8", "rgb8", "rgb8")
    np.testing.assert_array_equal(pixels(confidence), rgb[..., 1])
    np.testing.assert_array_equal(decode_ids(compressed.data.tobytes()), expected_mask(rgb))
    colors = np.array(CAMVID.colors)[expected_mask(rgb)]
    np.testing.assert_array_equal(pixels(color), colors)
    assert np.abs(pixels(overlay) - (0.75 * rgb + 0.25 * colors)).max() <= 1


def test_what_a_mask_has_cost_is_a_topic(graph):
    latency = graph.listen(Float64, "segmentation_node/debug/left/pipeline_latency_ms")
    infer = graph.listen(Float64, "segmentation_node/debug/left/processing_time/infer_ms")
    graph.start(FakeSegmenter, model="fake:delay_ms=20", cameras=["left"])
    publisher = graph.publisher("left/image")

    def told():
        publisher.publish(image(picture(), stamp_ns=graph.node.get_clock().now().nanoseconds))
        return latency and infer

    eventually(told, "both times")
    assert infer[0].data == 20.0
    assert latency[0].data >= 20.0


def test_label_info_reaches_a_subscriber_that_comes_late(graph):
    start(graph)
    graph.publisher()
    info = graph.listen(String, "segmentation/label_info_json", LATCHED)
    content = json.loads(eventually(lambda: info, "label info")[0].data)
    assert [entry["name"] for entry in content["classes"]] == list(CAMVID.names)
    assert content["classes"][3] == {"id": 3, "name": "road", "color": [128, 64, 128], "groups": ["traversable"]}
    assert content["unlabelled_id"] == 255


def test_label_info_comes_before_the_first_mask(graph):
    order = []
    graph.node.create_subscription(String, "segmentation/label_info_json", lambda _: order.append("info"), LATCHED)
    graph.node.create_subscription(Image, "segmentation/mask", lambda _: order.append("mask"), RELIABLE)
    start(graph)
    graph.publisher().publish(image(picture()))
    eventually(lambda: "mask" in order, "a mask")
    assert order[0] == "info"


def test_compressed_images_are_read_beside_the_remapped_image_topic(graph):
    masks = graph.listen(Image, "segmentation/mask")
    graph.start(
        FakeSegmenter, model="fake", transport="compressed", arguments=["--ros-args", "-r", "image:=/camera/image_raw"]
    )
    rgb = picture()
    message = CompressedImage(format="png")
    message.data.frombytes(cv2.imencode(".png", rgb[..., ::-1])[1].tobytes())
    graph.publisher("/camera/image_raw/compressed", CompressedImage).publish(message)
    np.testing.assert_array_equal(pixels(eventually(lambda: masks, "a mask")[0]), expected_mask(rgb))


def test_several_cameras_share_each_network_call(graph):
    sizes = {"front": (6, 8), "left": (5, 9)}
    masks = {camera: graph.listen(Image, f"segmentation/{camera}/mask") for camera in sizes}
    segmenters = []
    node = graph.start(
        lambda *given, **options: segmenters.append(HeldSegmenter(*given, **options)) or segmenters[0],
        model="fake", cameras=list(sizes),
    )  # fmt: skip
    publishers = {camera: graph.publisher(f"{camera}/image") for camera in sizes}
    publishers["front"].publish(image(picture(*sizes["front"]), 1, frame_id="front"))
    eventually(segmenters[0].entered.is_set, "the first frame at work")
    for number, (camera, publisher) in enumerate(publishers.items(), start=2):
        publisher.publish(image(picture(*sizes[camera], seed=number), number, frame_id=camera))
    expected = {"front": 2, "left": 1}
    eventually(lambda: all(node.frame_counts(name).received == n for name, n in expected.items()), "both to wait")
    segmenters[0].released.set()
    eventually(lambda: all(len(masks[name]) == n for name, n in expected.items()), "every mask")
    assert segmenters[0].calls[1:] == [(1, False), (2, False)]  # after the warm-up
    for camera, received in masks.items():
        assert {mask.header.frame_id for mask in received} == {camera}
        assert {pixels(mask).shape for mask in received} == {sizes[camera]}
    assert eventually(lambda: graph.status("segmentation/left"), "diagnostics")


def test_an_empty_list_of_cameras_is_one_camera_without_a_name(graph):
    masks = graph.listen(Image, "segmentation/mask")
    graph.start(FakeSegmenter, model="fake", arguments=["--ros-args", "-p", "cameras:=[]"])
    graph.publisher().publish(image(picture()))
    assert eventually(lambda: masks, "a mask")


def test_overloaded_the_latest_frame_wins_and_the_counts_add_up(graph):
    masks = graph.listen(Image, "segmentation/mask")
    node, _ = start(graph, model="fake:delay_ms=40")
    publisher = graph.publisher()
    for number in range(60):
        publisher.publish(image(picture(), stamp_ns=1 + number))
        graph.pause(0.004)
    eventually(lambda: masks and stamp_ns(masks[-1]) == 60, "the mask of the latest frame")
    eventually(lambda: not node.frame_counts().in_flight, "idle")
    counts = node.frame_counts()
    eventually(lambda: len(masks) == counts.published, "every mask that was published")
    stamps = [stamp_ns(mask) for mask in masks]
    assert counts.superseded > 0
    assert counts.received == counts.published + counts.superseded
    assert stamps == sorted(set(stamps))


def test_over_max_rate_the_newest_frame_waits_for_its_turn_and_a_new_limit_holds_at_once(graph):
    masks = graph.listen(Image, "segmentation/mask")
    node = graph.start(FakeSegmenter, model="fake", max_rate=0.001)
    for stamp in (1, 2, 3, 4):
        graph.publisher().publish(image(picture(), stamp_ns=stamp))
        eventually(lambda stamp=stamp: node.frame_counts().received == stamp, f"frame {stamp}")
        eventually(lambda: masks, "the mask of the first frame")
    counts = node.frame_counts()
    assert (counts.published, counts.superseded, counts.over_rate, counts.in_flight) == (1, 2, 2, 1)
    assert set_parameter(graph, "max_rate", 1000.0).successful
    eventually(lambda: [stamp_ns(mask) for mask in masks] == [1, 4], "the newest frame once it may go")
    assert set_parameter(graph, "max_rate", -1.0).reason
