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

"""Which part of a frame the network sees, where in its input that lies, and the way back."""

from __future__ import annotations

import numpy as np
import pytest

from gain_ros.errors import ModelFolderError, UsageError
from gain_ros.fit import (
    FITS,
    WHOLE,
    Placement,
    Region,
    check_fit,
    check_roi,
    mean_level,
    part_of,
    place,
    seen_part,
    whole,
)
from gain_ros.frames import as_rgb, from_rgb
from gain_ros.resize import labels_from_logits, resize_input

MEAN = (0.485, 0.456, 0.406)
NETWORK = (360, 480)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(360, 480), (720, 960), (3, 4), (1080, 1440)])
def test_frames_of_the_network_s_aspect_go_in_as_ever(fit: str, size: tuple[int, int]) -> None:
    assert seen_part(size, NETWORK, fit) == Region(0, size[0], 0, size[1])
    assert place(size, NETWORK, fit) == Placement(NETWORK, NETWORK)


@pytest.mark.parametrize(
    ("size", "inner", "offset"),
    [
        ((1080, 1920), (272, 480), (40, 0)),  # 270 rows, on whole cells of 8
        ((1920, 1080), (360, 200), (0, 136)),  # 202.5 columns
        ((720, 970), (360, 480), (0, 0)),  # 356 rows: next to all of them
        ((10, 4000), (8, 480), (176, 0)),
    ],
)
def test_letterbox_keeps_the_aspect_to_a_cell(size, inner, offset) -> None:
    assert place(size, NETWORK, "letterbox") == Placement(NETWORK, inner, offset)


def test_a_letterboxed_picture_lies_in_the_mean_colour() -> None:
    placement = place((180, 480), NETWORK, "letterbox")
    rgb = np.random.default_rng(0).integers(0, 256, (180, 480, 3), dtype=np.uint8)
    image = placement.shown(rgb, MEAN)
    above, below, left, right = placement.margins
    assert (above, below, left, right) == (88, 88, 0, 0)
    np.testing.assert_array_equal(image[88:272], resize_input(rgb, (184, 480)))
    assert (image[:88] == (124, 116, 104)).all()
    assert (image[272:] == mean_level(MEAN)).all()


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_what_is_cut_from_the_logits_lies_where_it_did_in_the_frame(stride: int) -> None:
    """Logits that tell each position's own place in the network's input, brought back to the frame."""
    height, width = 720, 1920
    placement = place((height, width), NETWORK, "letterbox")
    rows = (np.arange(NETWORK[0] // stride, dtype=np.float32) + 0.5) * stride
    logits = np.broadcast_to(rows[:, None], (1, len(rows), NETWORK[1] // stride))
    part = placement.cut(logits)[0, :, 0]
    frame_rows = (np.arange(len(part)) + 0.5) * height / len(part)  # half-pixel centres, as the output step has them
    expected = (part - placement.offset[0]) * height / placement.inner[0]
    np.testing.assert_allclose(frame_rows, expected)


def test_the_padding_has_no_say_in_the_labels() -> None:
    placement = place((180, 480), NETWORK, "letterbox")
    logits = np.random.default_rng(1).normal(size=(5, 90, 120)).astype(np.float32)
    other = logits.copy()
    top = placement.offset[0] // 4
    other[:, :top], other[:, top + placement.inner[0] // 4 :] = 99.0, -99.0
    first, second = (labels_from_logits(placement.cut(each), (180, 480), True) for each in (logits, other))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_coarser_logits_are_refused_in_words() -> None:
    placement = place((1080, 1920), NETWORK, "letterbox")
    with pytest.raises(ModelFolderError, match=r"found 12 logits along 360 pixels.*another fit than letterbox"):
        placement.cut(np.zeros((3, 12, 15), np.float32))


@pytest.mark.parametrize(
    ("size", "network"),
    [((1080, 1920), (320, 576)), ((1000, 2000), (288, 576)), ((1920, 1080), (576, 320)), ((8, 8000), (32, 13152))],
)
def test_area_keeps_the_aspect_and_the_number_of_pixels(size, network) -> None:
    placement = place(size, NETWORK, "area")
    assert placement.network == placement.inner == network
    assert placement.cut(logits := np.zeros((2, 5, 6))) is logits


@pytest.mark.parametrize(
    ("size", "region"),
    [
        ((1080, 1920), Region(0, 1080, 240, 1680)),
        ((1920, 1080), Region(556, 1366, 0, 1080)),
        ((480, 641), Region(0, 480, 0, 640)),
        ((1, 900), Region(0, 1, 450, 452)),
    ],
)
def test_crop_sees_the_middle_on_even_pixels(size, region) -> None:
    assert seen_part(size, NETWORK, "crop") == region
    assert place(region.size, NETWORK, "crop") == Placement(NETWORK, NETWORK)


def test_a_roi_is_cut_before_the_crop() -> None:
    assert seen_part((1000, 1600), NETWORK, "area", (0, 0.1, 1, 0.601)) == Region(100, 702, 0, 1600)
    assert seen_part((1000, 1600), NETWORK, "crop", (0, 0, 1, 0.6)) == Region(0, 600, 400, 1200)
    assert seen_part((3, 5), NETWORK, "stretch", (0.99, 0.99, 0.01, 0.01)) == Region(2, 3, 4, 5)


@pytest.mark.parametrize("encoding", ["rgb8", "nv12", "yuyv"])
def test_frames_are_cut_as_their_camera_gives_them(encoding: str) -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    frame, region = from_rgb(rgb, encoding), Region(4, 20, 6, 32)
    part = part_of(frame, region)
    assert isinstance(part, type(frame))
    np.testing.assert_array_equal(as_rgb(part), as_rgb(frame)[4:20, 6:32])
    assert part_of(frame, Region(0, 24, 0, 32)) is frame


def test_outside_a_part_there_is_nothing() -> None:
    part = np.ones((2, 3), np.uint8)
    labels = whole(part, Region(1, 3, 0, 3), (4, 5))
    assert labels.tolist() == [[255] * 5, [1, 1, 1, 255, 255], [1, 1, 1, 255, 255], [255] * 5]
    assert whole(part, Region(1, 3, 0, 3), (4, 5), outside=0).sum() == 6
    assert whole(part, Region(0, 2, 0, 3), (2, 3)) is part


@pytest.mark.parametrize(
    "roi", [(), (0, 0, 1), (0, 0, 0, 1), (0.5, 0, 0.6, 1), (-0.1, 0, 1, 1), (0, 0, 640, 480), (0, 0, float("nan"), 1)]
)
def test_a_roi_outside_the_frame_is_refused(roi) -> None:
    with pytest.raises(UsageError, match="expected x, y, width, height as fractions"):
        check_roi(roi)


def test_right_values_are_taken() -> None:
    assert check_roi([0, 0, 1, 1]) == WHOLE
    assert check_roi((0.1, 0.2, 0.9, 0.8)) == (0.1, 0.2, 0.9, 0.8)
    assert check_fit("area") == "area"
    with pytest.raises(UsageError, match=r"fit is 'zoom'; expected one of stretch, letterbox, crop, area"):
        check_fit("zoom")
