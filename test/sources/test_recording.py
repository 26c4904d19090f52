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

import cv2
import numpy as np
import pytest
from streets import street

from gain_ros.errors import ResultError, SourceError
from gain_ros.evaluation.truth import TruthOptions, open_truth
from gain_ros.labels import CAMVID, CAMVID_COLORS, CITYSCAPES
from gain_ros.sources.bags import open_bag
from gain_ros.sources.dataset import open_dataset
from gain_ros.sources.opening import open_source
from gain_ros.sources.recording import CAMERA_INFO_TOPIC, IMAGE_TOPIC, LABEL_TOPIC, write_bag


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)


@pytest.fixture
def camvid(tmp_path):
    """Two JPEG frames in SegNet's layout; ids 0-11."""
    root = tmp_path / "camvid"
    lines = []
    for folder in ("val", "valannot"):
        (root / folder).mkdir(parents=True)
    for index in range(2):
        cv2.imwrite(str(root / f"val/{index}.jpg"), picture(index))
        cv2.imwrite(str(root / f"valannot/{index}.png"), np.full((20, 30), 10 + index, np.uint8))
        lines.append(f"val/{index}.jpg valannot/{index}.png\n")
    (root / "val.txt").write_text("".join(lines))
    return root


@pytest.fixture
def cityscapes(tmp_path):
    root = tmp_path / "cityscapes"
    for kind in ("leftImg8bit", "gtFine", "camera"):
        (root / kind / "val" / "ulm").mkdir(parents=True)
    cv2.imwrite(str(root / "leftImg8bit/val/ulm/ulm_0_0_leftImg8bit.png"), picture(0))
    cv2.imwrite(str(root / "gtFine/val/ulm/ulm_0_0_gtFine_labelIds.png"), np.full((20, 30), 7, np.uint8))
    told = {"extrinsic": {}, "intrinsic": {"fx": 2262.5, "fy": 2265.3, "u0": 1096.9, "v0": 513.1}}
    (root / "camera/val/ulm/ulm_0_0_camera.json").write_text(json.dumps(told))
    return root


def record(source, out, rate_hz=None) -> dict[str, int]:
    return write_bag(source, out, rate_hz, lambda: None)


def test_camvid_becomes_a_bag_that_gives_the_same_frames_and_truth(camvid, tmp_path):
    source = open_dataset(str(camvid), "val")
    assert record(source, tmp_path / "bag") == {IMAGE_TOPIC: 2, LABEL_TOPIC: 2}
    bag = open_source(tmp_path / "bag", LABEL_TOPIC)
    truth = open_truth(TruthOptions(topic=LABEL_TOPIC), bag, CAMVID)
    frames = list(bag)
    for index, (frame, original) in enumerate(zip(frames, source, strict=True)):
        np.testing.assert_array_equal(frame.rgb, original.rgb)
        np.testing.assert_array_equal(truth.labels_at(index, frame.stamp_ns), original.labels)
    assert int(original.labels[0, 0]) == 255, "void is not scored"
    assert frames[1].stamp_ns - frames[0].stamp_ns == round(1e9 / 15)


def test_the_bytes_of_a_jpeg_stay_as_they_are(camvid, tmp_path):
    record(open_dataset(str(camvid), "val"), tmp_path / "bag")
    with open_bag("bag", tmp_path / "bag") as bag:
        first = next(bag.messages(IMAGE_TOPIC)).content()
    assert bytes(first.data) == (camvid / "val/0.jpg").read_bytes()
    assert (first.format, first.header.frame_id) == ("jpeg", "camera")


def test_the_list_as_segnet_publishes_it(camvid):
    listing = camvid / "val.txt"
    listing.write_text(listing.read_text().replace("val", "/SegNet/CamVid/val"))
    assert len(list(open_dataset(str(camvid), "val"))) == 2


def test_cambridges_layout_in_segnets_split_and_merged_classes(tmp_path):
    colors = np.array([color for _, color, _ in CAMVID_COLORS], np.uint8)[None]
    for stem in ("0016E5_07959", "0016E5_07961", "0001TP_008550"):
        for folder, ending, content in (("701_StillsRaw_full", "", picture(0)), ("LabeledApproved_full", "_L", colors)):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"{stem}{ending}.png"), content[..., ::-1])
    source = open_dataset(str(tmp_path), "val")
    assert ([path.stem for path in source.paths], source.rate_hz) == (["0016E5_07959", "0016E5_07961"], 15.0)
    names = [CAMVID.names[i] if i != 255 else None for i in next(iter(source)).labels[0]]
    assert names == [merged for *_, merged in CAMVID_COLORS]
    with pytest.raises(SourceError, match="has no split 'train'"):
        open_dataset(str(tmp_path), "train")
    cv2.imwrite(str(tmp_path / "LabeledApproved_full/0016E5_07959_L.png"), np.full((1, 32, 3), 7, np.uint8))
    assert len(list(source)) == 1
    assert "colour (7, 7, 7)" in source.problems[0]


def test_cityscapes_has_a_camera(cityscapes, tmp_path):
    source = open_dataset(str(cityscapes), "val")
    assert source.label_set is CITYSCAPES
    (frame,) = source
    assert int(frame.labels[0, 0]) == CITYSCAPES.names.index("road")
    assert record(source, tmp_path / "bag") == {IMAGE_TOPIC: 1, LABEL_TOPIC: 1, CAMERA_INFO_TOPIC: 1}
    with open_bag("bag", tmp_path / "bag") as bag:
        (connection,) = (each for each in bag.reader.connections if each.topic == CAMERA_INFO_TOPIC)
        ((_, _, raw),) = bag.reader.messages([connection])
        info = bag.deserialize(raw, connection.msgtype)
    assert (info.height, info.width, info.distortion_model) == (20, 30, "plumb_bob")
    np.testing.assert_array_equal(info.k, [2262.5, 0, 1096.9, 0, 2265.3, 513.1, 0, 0, 1])


def test_train_ids_of_cityscapes_are_preferred_to_official_ids(cityscapes):
    cv2.imwrite(str(cityscapes / "gtFine/val/ulm/ulm_0_0_gtFine_labelTrainIds.png"), np.full((20, 30), 13, np.uint8))
    (frame,) = open_dataset(str(cityscapes), "val")
    assert CITYSCAPES.names[int(frame.labels[0, 0])] == "car"


def test_pictures_are_lossless_and_take_another_rate(tmp_path):
    pictures = street(tmp_path)
    record(open_source(pictures), tmp_path / "bag", rate_hz=4.0)
    frames, drawn = list(open_source(tmp_path / "bag", LABEL_TOPIC)), next(iter(open_source(pictures)))
    np.testing.assert_array_equal(frames[0].rgb, drawn.rgb)
    assert frames[1].stamp_ns - frames[0].stamp_ns == 250_000_000


def test_a_video_has_no_truth(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 12.5, (64, 48))
    for value in (0, 120, 240):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    assert record(open_source(tmp_path / "a.avi"), tmp_path / "bag") == {IMAGE_TOPIC: 3}
    bag = open_source(tmp_path / "bag")
    assert [round(int(frame.rgb.mean()) / 120) for frame in bag] == [0, 1, 2]
    assert bag.rate_hz == pytest.approx(12.5, rel=1e-3)


def test_an_image_that_does_not_decode_is_left_out_and_told(camvid, tmp_path):
    (camvid / "val/0.jpg").write_bytes(b"junk")
    source = open_dataset(str(camvid), "val")
    assert record(source, tmp_path / "bag") == {IMAGE_TOPIC: 1, LABEL_TOPIC: 1}
    assert len(source.problems) == 1
    (frame,) = open_source(tmp_path / "bag", LABEL_TOPIC)
    assert frame.stamp_ns == 1_000_000_000 + round(1e9 / 15), "the others keep their time"


def test_nothing_is_left_where_nothing_could_be_recorded(camvid, tmp_path):
    for index in range(2):
        (camvid / f"valannot/{index}.png").write_bytes(b"junk")
    with pytest.raises(SourceError, match="gave no frame"):
        record(open_dataset(str(camvid), "val"), tmp_path / "out" / "bag")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_bag_is_never_overwritten(camvid, tmp_path):
    (tmp_path / "bag").mkdir()
    with pytest.raises(ResultError, match="exists already"):
        record(open_dataset(str(camvid), "val"), tmp_path / "bag")


def test_splits_that_are_not_there_are_refused(camvid, cityscapes, tmp_path):
    for root in (camvid, cityscapes):
        with pytest.raises(SourceError, match="has no split 'test'"):
            open_dataset(str(root), "test")
    (camvid / "val.txt").write_text("one two three\n")
    with pytest.raises(SourceError, match="is not 'image mask'"):
        open_dataset(str(camvid), "val")
    (cityscapes / "gtFine/val/ulm/ulm_0_0_gtFine_labelIds.png").unlink()
    with pytest.raises(SourceError, match="has no labels; expected"):
        open_dataset(str(cityscapes), "val")
    assert open_dataset(str(tmp_path), "val") is None


def test_a_camera_that_is_none_is_refused(cityscapes, tmp_path):
    (cityscapes / "camera/val/ulm/ulm_0_0_camera.json").write_text("{}")
    with pytest.raises(SourceError, match="is no camera of Cityscapes"):
        record(open_dataset(str(cityscapes), "val"), tmp_path / "bag")
