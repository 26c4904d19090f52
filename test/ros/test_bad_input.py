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

"""What a live node does with messages that are no images: counts them as failed, says why, goes on."""

from array import array

import cv2
import numpy as np
import pytest
from fake_segmenter import POISON, FakeSegmenter, HeldSegmenter, expected_mask
from graph import eventually, image, picture, pixels
from sensor_msgs.msg import CompressedImage, Image


def changed(**fields):
    message = image(picture())
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def poison():
    rgb = picture()
    rgb[0, 0] = POISON
    return image(rgb)


RAW = {
    "unknown encoding": (changed(encoding="rgb10"), "rgb10"),
    "data too short": (changed(data=array("B", bytes(6 * 24 - 1))), "expected 144"),
    "data too long": (changed(data=array("B", bytes(6 * 24 + 1))), "expected 144"),
    "no data": (changed(data=array("B")), "expected 144"),
    "zero size": (changed(height=0, width=0), "at least 1x1"),
    "step smaller than a row": (changed(step=23), "at least 24"),
    "absurd size": (changed(height=2**31, width=2**31), "max_pixels"),
    "long side": (changed(height=1, width=16385, step=49155), "16384"),
    "endless encoding": (changed(encoding="x" * 1_000_000), "xxx...xxx"),
    "engine fails": (poison(), "does not like"),
}


def jpeg():
    return cv2.imencode(".jpg", cv2.GaussianBlur(picture(40, 60), (9, 9), 0))[1].tobytes()


def compressed(data):
    return CompressedImage(format="jpeg", data=array("B", data))


def bomb():
    data = bytearray(jpeg())
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = b"\xff\xff\xff\xff"
    return bytes(data)


COMPRESSED = {
    "truncated jpeg": (compressed(jpeg()[:-40]), "truncated"),
    "jpeg bomb": (compressed(bomb()), "max_pixels"),
    "no file": (compressed(b""), "begins with nothing"),
    "text": (compressed(b"<html>not found</html>"), "expected JPEG or PNG"),
}


def refused(graph, node, publisher, message, said):
    """Send a bad message; it must be counted as failed, and the reason said."""
    before = node.frame_counts()
    publisher.publish(message)
    eventually(lambda: node.frame_counts().failed == before.failed + 1, "the frame counted as failed")
    node.publish_diagnostics()
    eventually(lambda: said in graph.status().get("last_error", ""), f"{said!r} as last_error")
    counts = node.frame_counts()
    return counts.received == before.received + 1 and counts.published == before.published


@pytest.mark.parametrize("order", [1, -1], ids=["forward", "backward"])
def test_bad_images_fail_and_the_node_goes_on(graph, order):
    masks = graph.listen(Image, "segmentation/mask")
    node = graph.start(FakeSegmenter, model="fake")
    publisher = graph.publisher()
    for number, (name, (message, said)) in enumerate(list(RAW.items())[::order]):
        assert refused(graph, node, publisher, message, said), name
        rgb = picture(seed=number)
        publisher.publish(image(rgb))
        eventually(lambda number=number: len(masks) == number + 1, f"a mask after: {name}")
        np.testing.assert_array_equal(pixels(masks[-1]), expected_mask(rgb))
        assert len(graph.status()["last_error"]) < 1000
    assert node.frame_counts().in_flight == 0


def test_bad_files_fail_and_the_node_goes_on(graph):
    masks = graph.listen(Image, "segmentation/mask")
    node = graph.start(FakeSegmenter, model="fake", transport="compressed", max_pixels=100_000)
    publisher = graph.publisher("image/compressed", CompressedImage)
    for number, (name, (message, said)) in enumerate(COMPRESSED.items()):
        assert refused(graph, node, publisher, message, said), name
        publisher.publish(compressed(jpeg()))
        eventually(lambda number=number: len(masks) == number + 1, f"a mask after: {name}")
    assert pixels(masks[-1]).shape == (40, 60)


def test_an_engine_that_fails_on_one_camera_s_frame_costs_the_others_none(graph):
    segmenters = []
    node = graph.start(
        lambda *given, **options: segmenters.append(HeldSegmenter(*given, **options)) or segmenters[0],
        model="fake",
        cameras=["a", "b", "c"],
    )
    publishers = {camera: graph.publisher(f"{camera}/image") for camera in ("a", "b", "c")}
    publishers["a"].publish(image(picture()))
    eventually(segmenters[0].entered.is_set, "the engine at work")
    for camera, publisher in publishers.items():
        publisher.publish(poison() if camera == "b" else image(picture()))
    eventually(lambda: all(node.frame_counts(camera).received for camera in "abc"), "a frame of each camera")
    eventually(lambda: node.frame_counts("a").received == 2, "the second frame")
    segmenters[0].released.set()
    eventually(lambda: not any(node.frame_counts(camera).in_flight for camera in "abc"), "all of them ended")
    assert [node.frame_counts(camera).published for camera in "abc"] == [2, 0, 1]
    assert node.frame_counts("b").failed == 1


def test_failures_show_in_the_level_of_the_diagnostics(graph):
    node = graph.start(FakeSegmenter, model="fake")
    publisher = graph.publisher()
    publisher.publish(changed(encoding="rgb10"))
    eventually(lambda: node.frame_counts().failed == 1, "a failed frame")
    status = eventually(lambda: graph.status().get("failed") == "1" and graph.status(), "the failure in diagnostics")
    assert status["level"] == 2
    assert "rgb10" in status["message"]
    eventually(lambda: graph.status()["level"] == 0, "well again")
