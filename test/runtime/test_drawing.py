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

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gain_ros.labels import CAMVID, CITYSCAPES, LabelSet
from gain_ros.runtime.drawing import colorize, legend, overlay

LABELS = LabelSet("toy", ("road", "sky"), ((10, 20, 30), (200, 150, 100)))


def test_colours_are_those_of_the_set_and_unlabelled_is_black() -> None:
    mask = np.array([[0, 1], [255, 7]], np.uint8)
    assert colorize(mask, LABELS).tolist() == [[[10, 20, 30], [200, 150, 100]], [[0, 0, 0], [0, 0, 0]]]
    assert colorize(mask, LABELS).dtype == np.uint8


def test_overlay_mixes_and_leaves_unlabelled_pixels() -> None:
    rgb = np.full((1, 3, 3), 100, np.uint8)
    mask = np.array([[0, 1, 255]], np.uint8)
    assert overlay(rgb, mask, LABELS, alpha=0.2).tolist() == [[[82, 84, 86], [120, 110, 100], [100, 100, 100]]]
    np.testing.assert_array_equal(overlay(rgb, mask, LABELS, alpha=0.0), rgb)
    assert (rgb == 100).all()


def test_overlay_takes_a_view_of_bgr() -> None:
    bgr = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    mask = np.random.default_rng(1).integers(0, 3, (4, 5), dtype=np.uint8)
    view = bgr[..., ::-1]
    np.testing.assert_array_equal(overlay(view, mask, LABELS), overlay(view.copy(), mask, LABELS))


@pytest.mark.parametrize(("size", "alpha"), [((4, 5), 0.5), ((4, 4), 1.5), ((4, 4), -0.1)])
def test_overlay_refuses_what_does_not_fit(size: tuple[int, int], alpha: float) -> None:
    with pytest.raises(ValueError, match="expected one size"):
        overlay(np.zeros((4, 4, 3), np.uint8), np.zeros(size, np.uint8), LABELS, alpha)


def empty_street(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A black frame and a mask of nothing, so that what is drawn is the legend alone."""
    return np.zeros((height, width, 3), np.uint8), np.full((height, width), 255, np.uint8)


@pytest.mark.parametrize(("height", "width"), [(360, 480), (480, 360), (720, 1280), (1080, 1920)])
@pytest.mark.parametrize("label_set", [CAMVID, CITYSCAPES], ids=["camvid", "cityscapes"])
def test_the_legend_lists_every_class_and_keeps_out_of_the_middle(height: int, width: int, label_set: LabelSet) -> None:
    drawn = overlay(*empty_street(height, width), label_set)
    covered = np.flatnonzero(drawn.any(axis=(1, 2)))
    assert covered[-1] < height // 4
    for color in label_set.colors:
        assert (drawn == color).all(axis=2).sum() >= 36, "a patch that can be seen"
    assert (drawn[: covered[-1]] > 200).all(axis=2).any(), "names are written"


def test_of_more_classes_than_fit_the_largest_of_the_mask_are_listed() -> None:
    colors = tuple((200, i, 255 - i) for i in range(150))
    many = LabelSet("many", tuple(f"class number {i}" for i in range(150)), colors)
    frame, mask = empty_street(120, 160)
    mask[60:], mask[59, :40], mask[58, :1] = 90, 17, 3
    drawn = overlay(frame, mask, many, alpha=0.0)
    listed = [i for i, color in enumerate(colors) if (drawn == color).all(axis=2).any()]
    assert listed == [17, 90], "two places here"


def test_ids_without_a_name_are_not_listed_and_a_small_frame_has_no_legend() -> None:
    gaps = LabelSet("gaps", ("", "road", ""), ((255, 0, 0), (0, 255, 0), (0, 0, 255)))
    drawn = overlay(*empty_street(360, 480), gaps)
    assert [(drawn == color).all(axis=2).any() for color in gaps.colors] == [False, True, False]
    assert not overlay(*empty_street(48, 64), CAMVID).any()
    assert legend(CAMVID, 360, 480, ()).size == 0


def test_the_car_of_camvid_has_a_colour_of_its_own_to_every_eye() -> None:
    """The three dichromacies after Machado et al. 2009, in linear RGB; 30 in Lab is plain at a glance."""
    seen = {
        "normal": np.eye(3),
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    }
    linear = (np.array(CAMVID.colors) / 255) ** 2.2
    for eye, matrix in seen.items():
        rgb = np.clip(linear @ np.transpose(matrix), 0, 1) ** (1 / 2.2)
        lab = cv2.cvtColor(np.float32(rgb)[None], cv2.COLOR_RGB2Lab)[0]
        distance = np.linalg.norm(lab - lab[CAMVID.names.index("car")], axis=1)
        assert sorted(distance)[1] > 30, eye
