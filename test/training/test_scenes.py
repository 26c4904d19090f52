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

from gain_ros.labels import CAMVID
from training.scenes import StreetScene

SMALL = (120, 160)


@pytest.fixture(scope="module")
def scene() -> StreetScene:
    return StreetScene(3, SMALL)


@pytest.mark.parametrize("size", [(120, 160), (90, 160), (33, 47)])
def test_picture_and_labels_fill_the_size_asked_for(size):
    rgb, labels = StreetScene(1, size).frame(0.0)
    assert (rgb.shape, rgb.dtype, labels.shape, labels.dtype) == ((*size, 3), np.uint8, size, np.uint8)


def test_every_pixel_has_a_class(scene):
    for t_s in (0.0, 3.3, 40.0):
        assert scene.frame(t_s)[1].max() < len(CAMVID)


def test_the_same_seed_and_time_give_the_same_picture(scene):
    again = StreetScene(3, SMALL)
    for first, second in zip(scene.frame(1.7), again.frame(1.7), strict=True):
        np.testing.assert_array_equal(first, second)


def test_frames_do_not_depend_on_the_order_they_are_asked_for(scene):
    before = scene.frame(2.0)[1]
    scene.frame(9.0)
    np.testing.assert_array_equal(scene.frame(2.0)[1], before)


def test_seeds_give_different_streets(scene):
    assert (scene.frame(1.0)[1] != StreetScene(4, SMALL).frame(1.0)[1]).mean() > 0.05


def test_all_classes_appear_within_a_drive():
    seen = set()
    scene = StreetScene(0)
    for t_s in range(0, 60, 4):
        counts = np.bincount(scene.frame(t_s)[1].ravel(), minlength=len(CAMVID))
        seen |= {CAMVID.names[i] for i in np.flatnonzero(counts > 20)}
    assert seen == set(CAMVID.names)


def test_the_world_is_the_right_way_up(scene):
    labels = scene.frame(5.0)[1]
    sky, road = (np.flatnonzero((labels == CAMVID.names.index(name)).any(axis=1)) for name in ("sky", "road"))
    assert sky.mean() < SMALL[0] / 2 < road.mean()
    assert (labels[-1] == CAMVID.names.index("road")).mean() > 0.3


def test_motion_is_smooth(scene):
    """A tenth of a second moves borders, not the picture."""
    assert (scene.frame(5.0)[1] != scene.frame(5.1)[1]).mean() < 0.15
    assert (scene.frame(5.0)[1] != scene.frame(9.0)[1]).mean() > 0.05


def test_labels_follow_the_pixels(scene):
    """Sky is bright and road is dark here: labels painted elsewhere than pixels would mix them up."""
    rgb, labels = scene.frame(5.0)
    light = rgb.mean(axis=2)
    sky, road = (light[labels == CAMVID.names.index(name)] for name in ("sky", "road"))
    assert np.percentile(sky, 10) > np.percentile(road, 75)


def test_contents_scale_with_the_picture():
    small, large = (StreetScene(5, size).frame(2.0)[1] for size in ((120, 160), (480, 640)))
    assert (large[2::4, 2::4] == small).mean() > 0.85


def test_a_tiny_size_is_refused():
    with pytest.raises(ValueError, match="64x16"):
        StreetScene(0, (16, 64))
