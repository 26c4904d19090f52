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

import numpy as np
import pytest

from gain_ros.labels import CAMVID, LabelSet
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


def test_legend_has_a_row_and_a_patch_for_each_class() -> None:
    whole, part = legend(CAMVID), legend(CAMVID, [8, 0, 8, 255])
    assert len(whole) == len(part) // 2 * len(CAMVID)
    row = len(part) // 2
    for top, label in ((0, 0), (row, 8)):
        assert tuple(part[top + row // 2, 12]) == CAMVID.colors[label]
        assert (part[top : top + row, 40:] < 128).any(), "the name is written"


def test_legend_of_nothing_is_a_picture() -> None:
    assert legend(CAMVID, []).ndim == 3
