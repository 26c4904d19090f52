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

"""The reader takes the published layouts and refuses everything else, naming the files."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawings import drawn

from gain_ros.datasets import camvid
from gain_ros.errors import DatasetError
from gain_ros.labels import CAMVID, CAMVID_COLORS, camvid_split


def write_mask(root, mask):
    assert cv2.imwrite(str(root / "trainannot/3.png"), mask)


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def test_camvid_is_read_as_rgb_with_void_as_255(camvid_root):
    frames = camvid.open_split(camvid_root, "train")
    stored = cv2.imread(str(camvid_root / "train/0.png"))
    assert (len(frames), frames[0].name) == (6, "0")
    assert np.array_equal(frames[0].image, stored[..., ::-1])
    assert set(np.unique(frames[0].labels[:2])) == {255}
    assert np.array_equal(frames[0].labels, drawn(0).labels)


def test_lists_as_segnet_wrote_them(camvid_root):
    listing = camvid_root / "val.txt"
    rows = [line.split() for line in listing.read_text().splitlines()]
    listing.write_text("".join(f"/SegNet/CamVid/{image} /SegNet/CamVid/{mask}\n" for image, mask in rows))
    assert len(camvid.open_split(camvid_root, "val")) == 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "train.txt").unlink(), r"train\.txt: is not there"),
        (lambda root: (root / "train/3.png").unlink(), r"3\.png: No such file"),
        (lambda root: (root / "train.txt").write_text("train/0.png trainannot/0.png\n"), "1 train frames; .* has 6"),
        (lambda root: (root / "train.txt").write_text("train/0.png\n"), "not 'image mask'"),
        (lambda root: (root / "train/3.png").write_bytes(b"no picture"), r"3\.png: is no PNG or JPEG"),
        (lambda root: (root / "train/3.png").write_bytes(b""), r"3\.png: is empty"),
        (lambda root: cut(root / "train/3.png"), r"train/3\.png: is cut short"),
        (lambda root: cut(root / "trainannot/3.png"), r"trainannot/3\.png: is cut short"),
        (lambda root: write_mask(root, np.full((72, 96), 12, np.uint8)), r"3\.png: holds the value 12"),
        (lambda root: write_mask(root, np.zeros((72, 95), np.uint8)), "is 95x72, its image 96x72"),
        (lambda root: write_mask(root, np.zeros((72, 96, 3), np.uint8)), r"3\.png: is a colour mask"),
        (lambda root: write_mask(root, np.zeros((72, 96), np.uint16)), r"3\.png: is uint16"),
    ],
)
def test_damage_is_named(camvid_root, damage, message):
    damage(camvid_root)
    with pytest.raises(DatasetError, match=message):
        camvid.open_split(camvid_root, "train")


def test_one_error_lists_all_damage(camvid_root):
    for i in (1, 2, 4):
        cut(camvid_root / f"train/{i}.png")
    (camvid_root / "trainannot/5.png").unlink()
    with pytest.raises(DatasetError, match=r"(?s)4 problem.*train/1.*train/2.*train/4.*trainannot/5"):
        camvid.open_split(camvid_root, "train")


def test_cambridge_layout_follows_segnets_split(cambridge_root):
    names = {part: [p.name for p in camvid.open_split(cambridge_root, part, "merged")] for part in ("val", "test")}
    assert names == {"val": ["0016E5_07959"], "test": ["0001TP_008550", "Seq05VD_f00000"]}
    train = camvid.open_split(cambridge_root, "train", "merged")
    assert [p.name for p in train] == ["0001TP_008520", "0006R0_f00930", "0016E5_08190"]
    assert np.array_equal(train[0].labels, drawn(0).labels)


def test_the_split_rule_gives_segnets_own_lists(data_folder):
    for part in ("train", "val"):
        rows = (data_folder / "camvid480" / f"{part}.txt").read_text().split()[::2]
        assert {camvid_split(row.split("/")[1].partition(".")[0]) for row in rows} == {part}


def test_conventions_differ_where_they_should():
    colors = np.array([[color for _, color, _ in CAMVID_COLORS]], np.uint8)
    merged, strict = (camvid.CONVENTIONS[c].labels(colors[..., ::-1], "m.png")[0] for c in ("merged", "strict"))
    assert len({color for _, color, _ in CAMVID_COLORS}) == 32
    assert [CAMVID.names[i] if i != 255 else None for i in merged] == [ours for _, _, ours in CAMVID_COLORS]
    assert sorted(strict[strict != 255]) == list(range(11))
    assert np.array_equal(strict[strict != 255], merged[strict != 255])
    own = dict(zip((name for name, _, _ in CAMVID_COLORS), strict.tolist(), strict=True))
    assert (own["LaneMkgsDriv"], own["Truck_Bus"], own["Car"]) == (255, 255, 8)


def test_conventions_are_never_mixed(camvid_root):
    with pytest.raises(DatasetError, match=r"(?s)6 problem.*convention.*given: merged.*3\.png: is no 8-bit RGB"):
        camvid.open_split(camvid_root, "train", "merged")


def test_colour_masks_are_no_index_masks(cambridge_root):
    with pytest.raises(DatasetError, match=r"(?s)3 problem.*given: segnet.*_L\.png: is a colour mask"):
        camvid.open_split(cambridge_root, "train", "segnet")


def test_a_colour_that_is_none_of_the_32_is_an_error(cambridge_root):
    path = cambridge_root / camvid.LABEL_FOLDER / "0016E5_07959_L.png"
    mask = cv2.imread(str(path))
    mask[5, 7] = (3, 2, 1)
    cv2.imwrite(str(path), mask)
    with pytest.raises(DatasetError, match=r"07959_L\.png: holds the colour \(1, 2, 3\)"):
        camvid.open_split(cambridge_root, "val", "strict")


def test_lists_with_any_absolute_path_are_read_below_the_folder(camvid_root):
    listing = camvid_root / "val.txt"
    listing.write_text(listing.read_text().replace("val", "/home/me/CamVid/val"))
    assert len(camvid.open_split(camvid_root, "val")) == 2


def test_255_is_unlabelled_in_index_masks(camvid_root):
    write_mask(camvid_root, np.full((72, 96), 255, np.uint8))
    assert (camvid.open_split(camvid_root, "train")[3].labels == 255).all()
