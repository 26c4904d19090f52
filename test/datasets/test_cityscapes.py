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

"""The reader takes the published layout, and its table is the official one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawings import drawn

from gain_ros.datasets import cityscapes
from gain_ros.errors import DatasetError
from gain_ros.labels import CITYSCAPES, CITYSCAPES_IDS


def test_a_long_list_of_damage_is_counted(cityscapes_root, monkeypatch):
    monkeypatch.setattr(cityscapes, "COUNTS", {"train": 40})
    for i in range(6, 40):
        (cityscapes_root / f"leftImg8bit/train/aachen/aachen_{i:06}_000019_leftImg8bit.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"(?s)^68 problem.*and 38 more$"):
        cityscapes.open_split(cityscapes_root, "train")


def test_cityscapes_table_is_the_official_one():
    official = {
        "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19,
        "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26,
        "truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33,
    }  # fmt: skip
    assert dict(zip(CITYSCAPES.names, CITYSCAPES_IDS, strict=True)) == official
    labels = cityscapes.MASKS.labels(np.arange(34, dtype=np.uint8)[None], "m.png")[0]
    assert {CITYSCAPES.names[c]: i for i, c in enumerate(labels) if c != 255} == official


def test_cityscapes_splits(cityscapes_root):
    train, test = (cityscapes.open_split(cityscapes_root, split) for split in ("train", "test"))
    assert [len(cityscapes.open_split(cityscapes_root, split)) for split in ("train", "val", "trainval")] == [6, 2, 8]
    assert train[1].name == "aachen_000002_000019_leftImg8bit"  # by city, then by name
    assert np.array_equal(train[1].labels, drawn(2).labels)
    assert np.array_equal(train[1].image, drawn(2).image)
    assert (test[0].labels == 255).all()


def test_submission_holds_official_ids(tmp_path):
    labels = np.arange(19, dtype=np.uint8)[None].repeat(2, axis=0)
    path = cityscapes.write_submission(tmp_path / "new", "berlin_000000_000019_leftImg8bit", labels)
    assert path.name == "berlin_000000_000019_leftImg8bit.png"
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[1].tolist() == list(CITYSCAPES_IDS)
    with pytest.raises(DatasetError, match="up to 255"):
        cityscapes.write_submission(tmp_path, "x", np.full((2, 2), 255, np.uint8))


def test_prepared_train_ids_are_preferred(cityscapes_root):
    mask = cityscapes_root / "gtFine/val/aachen/aachen_000000_000019_gtFine_labelTrainIds.png"
    cv2.imwrite(str(mask), np.array([[18, 255]], np.uint8).repeat(72, 0).repeat(48, 1))
    first, second = cityscapes.open_split(cityscapes_root, "val")
    assert np.unique(first.labels).tolist() == [18, 255]
    assert np.array_equal(second.labels, drawn(1).labels)


def test_a_few_frames_are_listed_as_they_are_and_are_no_split_to_train_on(cityscapes_root):
    for image in (cityscapes_root / "leftImg8bit/train/aachen").glob("*"):
        image.unlink()
    assert [each.image.stem[:13] for each in cityscapes.list_part(cityscapes_root, "train")] == [
        "bochum_000001", "bochum_000003", "bochum_000005"
    ]  # fmt: skip
    with pytest.raises(DatasetError, match=r"3 images .*expected 6"):
        cityscapes.open_split(cityscapes_root, "train")
