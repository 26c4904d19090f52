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

import json
import pickle

import cv2
import numpy as np
import pytest

from gain_ros.evaluation.report.gallery import Gallery, error_map
from gain_ros.labels import CAMVID, UNLABELLED

SIZE = (12, 16)


def offer(gallery: Gallery, qualities: list[float | None], truth: bool = True) -> Gallery:
    for index, quality in enumerate(qualities):
        labels = np.full(SIZE, index % len(CAMVID), np.uint8)
        gallery.add(np.full((*SIZE, 3), index, np.uint8), labels if truth else None, labels, quality, index)
    return gallery


def stamps(folder) -> list[int]:
    return [frame["stamp_ns"] for frame in json.loads((folder / "gallery" / "gallery.json").read_text())["frames"]]


def test_the_worst_and_the_best_are_kept_from_worst_to_best(tmp_path):
    qualities = [0.5] * 60
    qualities[10], qualities[30], qualities[20], qualities[50] = 0.1, 0.2, 0.9, 0.8
    offer(Gallery(CAMVID, k=2), qualities).write(tmp_path)
    assert stamps(tmp_path) == [10, 30, 50, 20]


def test_neighbours_of_a_kept_frame_are_not_shown_beside_it(tmp_path):
    falling = [0.5 - index / 100 for index in range(20)]
    offer(Gallery(CAMVID, k=2), falling).write(tmp_path)
    assert stamps(tmp_path) == [19, 14, 5, 0]


def test_a_frame_that_is_both_is_shown_once_and_one_without_quality_never(tmp_path):
    offer(Gallery(CAMVID, k=3), [None, 0.4, float("nan")]).write(tmp_path)
    assert stamps(tmp_path) == [1]


def test_no_more_than_twice_k_frames_are_held():
    gallery = offer(Gallery(CAMVID, k=2), list(np.random.default_rng(0).random(200)))
    assert len({id(frame) for frame in (*gallery._worst, *gallery._best)}) <= 4


def test_two_galleries_become_one_also_after_a_journey(tmp_path):
    first, second = offer(Gallery(CAMVID, k=1), [0.5, 0.6]), offer(Gallery(CAMVID, k=1), [0.4, 0.9])
    first.merge(pickle.loads(pickle.dumps(second)))  # noqa: S301 - our own bytes
    first.write(tmp_path)
    index = json.loads((tmp_path / "gallery" / "gallery.json").read_text())
    assert [frame["quality"] for frame in index["frames"]] == [0.4, 0.9]


def test_pictures_are_there_and_without_truth_there_is_no_error_map(tmp_path):
    offer(Gallery(CAMVID), [0.5]).write(tmp_path / "with")
    offer(Gallery(CAMVID), [0.5], truth=False).write(tmp_path / "without")
    (frame,) = json.loads((tmp_path / "with" / "gallery" / "gallery.json").read_text())["frames"]
    assert set(frame["files"]) == {"image", "truth", "mask", "error"}
    for name in frame["files"].values():
        assert cv2.imread(str(tmp_path / "with" / "gallery" / name)).shape == (*SIZE, 3)
    (frame,) = json.loads((tmp_path / "without" / "gallery" / "gallery.json").read_text())["frames"]
    assert set(frame["files"]) == {"image", "mask"}


@pytest.mark.parametrize("width", [700, 1920])
def test_a_large_mask_keeps_its_class_colours_when_it_is_made_small(width, tmp_path):
    labels = np.random.default_rng(0).integers(0, len(CAMVID), (40, width), np.uint8)
    gallery = Gallery(CAMVID)
    gallery.add(np.zeros((40, width, 3), np.uint8), None, labels, 0.5, 0)
    gallery.write(tmp_path)
    picture = cv2.imread(str(tmp_path / "gallery" / "00_mask.png"))[..., ::-1]
    assert picture.shape[1] == 640
    assert {tuple(color) for color in picture.reshape(-1, 3).tolist()} <= set(CAMVID.colors)


def test_the_error_map_tells_wrong_from_unlabelled_from_right():
    truth = np.array([[0, 1, UNLABELLED]], np.uint8)
    picture = error_map(np.full((1, 3, 3), 100, np.uint8), truth, np.array([[0, 2, 5]], np.uint8))
    assert picture[0].tolist() == [[114, 114, 114], [230, 30, 60], [70, 80, 110]]
