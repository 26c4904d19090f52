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

"""A data set of one's own is found by pointing at it, and all that is wrong with it is said at once."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest
from dataset_folders import three_classes
from drawings import drawn

from gain_ros.class_file import distinct_color
from gain_ros.datasets import folder
from gain_ros.datasets.frames import ColorMasks
from gain_ros.errors import ClassFileError, DatasetError


def opened(root, splits=("train", "val")):
    return folder.open_splits(root, splits, folder.read_classes(root))


def write_mask(root, mask, name="train/3"):
    assert cv2.imwrite(str(root / f"masks/{name}.png"), mask)


def colored(root, labels):
    """Pixels in the colours of ids, for OpenCV: BGR, black where unlabelled."""
    palette = np.zeros((256, 3), np.uint8)
    palette[:3] = folder.read_classes(root).colors
    return palette[labels][..., ::-1]


def test_pictures_and_masks_come_in_pairs_with_255_unlabelled(folder_root):
    frames = opened(folder_root)
    assert [frames["train"].name(i) for i in range(6)] == list("012345")
    assert len(frames["val"]) == 2
    assert np.array_equal(frames["train"][1].image, drawn(1).image)
    assert np.array_equal(frames["train"][1].labels, three_classes(drawn(1).labels))
    assert set(np.unique(frames["train"][0].labels[:2])) == {255}


def test_the_classes_are_those_of_the_file(folder_root):
    classes = folder.read_classes(folder_root)
    assert (classes.name, classes.names) == ("streets", ("road", "vehicle", "other"))
    assert classes.groups == (("traversable",), ("obstacle", "dynamic"), ())
    (folder_root / "classes.yaml").unlink()
    with pytest.raises(ClassFileError, match=r"classes\.yaml"):
        folder.read_classes(folder_root)


def test_masks_in_colours_mean_the_same_and_black_is_unlabelled(folder_root):
    labels = three_classes(drawn(3).labels)
    write_mask(folder_root, colored(folder_root, labels))
    assert np.array_equal(opened(folder_root)["train"][3].labels, labels)


def test_pictures_may_lie_in_folders_of_their_own(folder_root):
    for kind in ("images", "masks"):
        (folder_root / kind / "train/monday").mkdir()
    shutil.move(folder_root / "images/train/0.jpg", folder_root / "images/train/monday/1.JPG")
    shutil.move(folder_root / "masks/train/0.png", folder_root / "masks/train/monday/1.png")
    frames = opened(folder_root)["train"]
    assert [files.image.name for files in frames.files] == ["1.png", "2.jpg", "3.png", "4.jpg", "5.png", "1.JPG"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: write_mask(root, np.full((72, 96), 7, np.uint8)), r"3\.png: holds the value 7; .*ids 0-2 or 255"),
        (lambda root: write_mask(root, np.full((72, 96, 3), 9, np.uint8)), r"3\.png: holds the colour \(9, 9, 9\)"),
        (lambda root: write_mask(root, np.zeros((72, 95), np.uint8)), "3.png: is 95x72, its image 96x72"),
        (lambda root: write_mask(root, np.zeros((72, 96), np.uint16)), r"3\.png: is uint16"),
        (lambda root: (root / "masks/train/3.png").unlink(), r"images/train/3\.png: has no mask .*masks/train/3\.png"),
        (lambda root: (root / "images/train/3.png").unlink(), r"masks/train/3\.png: has no picture in .*images/train"),
        (lambda root: (root / "images/train/3.png").write_bytes(b"no"), r"images/train/3\.png: no picture"),
        (lambda root: shutil.rmtree(root / "images/val"), "images/val: holds no picture"),
    ],
)
def test_damage_is_named(folder_root, damage, message):
    damage(folder_root)
    with pytest.raises(DatasetError, match=message):
        opened(folder_root)


def test_one_error_lists_the_faults_of_both_splits_in_order(folder_root):
    write_mask(folder_root, np.full((72, 96), 7, np.uint8))
    (folder_root / "masks/train/5.png").unlink()
    write_mask(folder_root, np.full((72, 96), 8, np.uint8), "val/1")
    with pytest.raises(DatasetError, match=r"(?s)3 problem.*train/5\.png: has no.*train/3.*value 7.*val/1.*value 8"):
        opened(folder_root)


def test_classes_of_one_colour_cannot_be_told_apart(folder_root):
    write_mask(folder_root, np.zeros((72, 96, 3), np.uint8))
    file = folder_root / "classes.yaml"
    file.write_text(file.read_text().replace("[70, 70, 70]", "[0, 0, 142]"))
    with pytest.raises(DatasetError, match=r"3\.png: is a colour mask, but classes share a colour"):
        opened(folder_root)


def test_a_palette_may_have_any_colours(tmp_path):
    colors = [distinct_color(place) for place in range(254)] + [(255, 255, 254)]
    unique = {color: i for i, color in enumerate(dict.fromkeys(colors))}
    pixels = np.array(list(unique), np.uint8)[None, :, ::-1]
    found = ColorMasks(unique).labels(pixels, tmp_path)
    assert (found.dtype, found.tolist()) == (np.uint8, [list(range(len(unique)))])
