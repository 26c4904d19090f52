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

"""The shipped model in the node, on its own golden picture: right to the pixel from message to message."""

from array import array

import cv2
import numpy as np
import pytest
from graph import eventually, image, pixels
from sensor_msgs.msg import Image

from gain_ros.errors import ModelFolderError
from gain_ros.frames import as_rgb, from_rgb
from gain_ros.model_folder import find_model, read_model_folder
from gain_ros.node.parameters import PARAMETERS
from gain_ros.runtime.opening import open_segmenter

DEFAULT_MODEL = next(spec.default for spec in PARAMETERS if spec.name == "model")


@pytest.fixture(scope="module")
def golden():
    try:
        return read_model_folder(find_model(DEFAULT_MODEL)).golden()
    except ModelFolderError as error:
        pytest.skip(f"no shipped model here: {error}")


def answer(graph, message, masks):
    """The mask of a picture, sent until one comes back: the node's subscription is best effort and may lose it."""
    publisher = graph.publisher()

    def mask():
        publisher.publish(message)
        graph.pause(0.05)
        return masks

    return pixels(eventually(mask, "a mask")[0])


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_the_golden_picture_gives_the_golden_mask(graph, golden, encoding):
    rgb, expected = golden
    masks = graph.listen(Image, "segmentation/mask")
    graph.start(open_segmenter, engine="onnxruntime", threads=1)
    message = image(rgb if encoding == "rgb8" else cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    message.encoding = encoding
    mask = answer(graph, message, masks)
    assert mask.shape == expected.shape
    assert np.mean(mask == expected) >= 0.999


@pytest.mark.parametrize("encoding", ["nv12", "yuyv"])
def test_a_yuv_camera_gets_the_mask_of_its_picture(graph, golden, encoding):
    frame = from_rgb(golden[0], encoding)
    with open_segmenter(DEFAULT_MODEL, engine="onnxruntime", threads=1) as segmenter:
        expected = segmenter.segment([as_rgb(frame)])[0].labels
    masks = graph.listen(Image, "segmentation/mask")
    graph.start(open_segmenter, engine="onnxruntime", threads=1)
    message = image(golden[0])
    message.encoding, message.data = encoding, array("B", frame.data.tobytes())
    message.step = message.width * (2 if encoding == "yuyv" else 1)
    np.testing.assert_array_equal(answer(graph, message, masks), expected)
