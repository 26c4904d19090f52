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

"""RGB and YUV frames: what their arrays look like, and conversions between them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gain_ros.frames import (
    ENCODINGS,
    YuvFrame,
    as_array,
    as_rgb,
    check_frame,
    describe,
    encoding_of,
    from_rgb,
    rgb_from_array,
    shape_of,
    size_of,
)

SIZE = (6, 10)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_shape_tells_encoding_and_size(encoding):
    shape = shape_of(SIZE, encoding)
    assert (encoding_of(shape), size_of(shape)) == (encoding, SIZE)
    assert describe(shape) == ("10x6" if encoding == "rgb8" else f"10x6 {encoding}")
    frame = from_rgb(np.zeros((*SIZE, 3), np.uint8), encoding)
    check_frame(frame)
    assert frame.shape == as_array(frame).shape == shape


@pytest.mark.parametrize(("encoding", "code"), [("nv12", cv2.COLOR_YUV2RGB_NV12), ("yuyv", cv2.COLOR_YUV2RGB_YUY2)])
def test_yuv_becomes_the_rgb_that_opencv_gives(encoding, code):
    data = np.random.default_rng(0).integers(0, 256, shape_of(SIZE, encoding), np.uint8)
    padded = np.zeros((len(data), 16, *data.shape[2:]), np.uint8)[:, :10]
    padded[:] = data
    for given in (data, padded):
        assert np.array_equal(as_rgb(YuvFrame(given, encoding)), cv2.cvtColor(data, code))


@pytest.mark.parametrize(("encoding", "size"), [("nv12", SIZE), ("yuyv", SIZE), ("yuyv", (5, 10))])
def test_rgb_survives_the_way_to_yuv_and_back(encoding, size):
    row = np.linspace(20, 230, size[1]).astype(np.uint8)
    rgb = np.stack([np.tile(row, (size[0], 1))] * 2 + [np.full(size, 128, np.uint8)], 2)
    back = as_rgb(from_rgb(rgb, encoding))
    assert np.abs(back.astype(int) - rgb).max() <= 25  # neighbours share a colour
    grey = np.full((*size, 3), 77, np.uint8)
    assert np.abs(as_rgb(from_rgb(grey, encoding)).astype(int) - 77).max() <= 1
    red = np.zeros((*size, 3), np.uint8)
    red[..., 0] = 200
    assert np.abs(as_rgb(from_rgb(red, encoding)).astype(int) - red).max() <= 3


def test_rgb_is_passed_on_as_it_is():
    rgb = np.zeros((*SIZE, 3), np.uint8)
    assert from_rgb(rgb, "rgb8") is rgb_from_array(rgb) is as_rgb(rgb) is as_array(rgb) is rgb


@pytest.mark.parametrize(
    ("shape", "encoding", "dtype"),
    [
        ((8, 10), "nv12", np.uint8),
        ((9, 11), "nv12", np.uint8),
        ((6, 10, 3), "yuyv", np.uint8),
        ((6, 9, 2), "yuyv", np.uint8),
        ((0, 10), "nv12", np.uint8),
        ((9, 10), "nv12", np.int16),
        ((9, 10), "nv21", np.uint8),
    ],
)
def test_bytes_that_are_no_yuv_picture_are_refused(shape, encoding, dtype):
    with pytest.raises(ValueError, match=r"frame is .*; expected uint8, \(H·3/2, W\) with even sides"):
        YuvFrame(np.zeros(shape, dtype), encoding)


def test_sizes_that_do_not_suit_an_encoding_are_refused():
    for size, encoding in (((5, 10), "nv12"), ((6, 9), "nv12"), ((6, 9), "yuyv")):
        with pytest.raises(ValueError, match=f"frames of .* cannot be {encoding}"):
            shape_of(size, encoding)
        with pytest.raises(ValueError, match=f"cannot be {encoding}"):
            from_rgb(np.zeros((*size, 3), np.uint8), encoding)
    with pytest.raises(ValueError, match="encoding is 'bgr8'; expected one of rgb8, nv12, yuyv"):
        shape_of(SIZE, "bgr8")
