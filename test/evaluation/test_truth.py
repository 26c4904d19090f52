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

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from bag_files import STRING, raw, rgb, stamp_ns, write

from gain_ros.datasets.class_maps import CITYSCAPES_TO_CAMVID, match_classes
from gain_ros.errors import SourceError, TruthError
from gain_ros.evaluation.truth import SourceTruth, TruthOptions, open_truth, score
from gain_ros.labels import CAMVID, CITYSCAPES, CITYSCAPES_IDS, LabelSet
from gain_ros.sources.dataset import open_dataset
from gain_ros.sources.opening import open_source

MS = 1_000_000


def mask(value: int) -> np.ndarray:
    return np.full((4, 6), value, np.uint8)


def values(truth, *asked) -> list[int | None]:
    """The first id of each (index, stamp) asked for."""
    found = [truth.labels_at(index, at_ns) for index, at_ns in asked]
    return [None if labels is None else int(labels[0, 0]) for labels in found]


def labelled(tmp_path, *label_stamps: int, frames: int = 4):
    """A bag whose masks 0, 1, 2 ... lie at the stamps given (frames of 10 Hz from 5 s on)."""
    masks = [rgb(0, mask(value)) for value in range(len(label_stamps))]
    for message, at_ns in zip(masks, label_stamps, strict=True):
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(at_ns, 1_000_000_000)
    return open_source(write(tmp_path / "bag", {"/front": [raw(i) for i in range(frames)], "/ids": masks}), "/ids")


def test_labels_of_a_topic_belong_to_the_nearest_frame_within_the_tolerance(tmp_path):
    source = labelled(tmp_path, stamp_ns(0), stamp_ns(1) + 4 * MS, stamp_ns(3) - 6 * MS)
    truth = open_truth(TruthOptions(topic="/ids"), source, CAMVID)
    assert values(truth, *((index, stamp_ns(index)) for index in range(4))) == [0, 1, None, None]
    assert truth.unmatched() == (str(stamp_ns(3) - 6 * MS),)
    assert (truth.how["from"], truth.how["by"], truth.how["tolerance_ms"]) == ("topic /ids", "stamp", 5.0)
    wide = open_truth(TruthOptions(topic="/ids", tolerance_ms=7), source, CAMVID)
    assert values(wide, (3, stamp_ns(3))) == [2]


def test_the_nearest_of_two_labels_is_taken_and_each_once(tmp_path):
    source = labelled(tmp_path, stamp_ns(0) - 3 * MS, stamp_ns(0) + 1 * MS)
    truth = open_truth(TruthOptions(topic="/ids"), source, CAMVID)
    assert values(truth, *[(0, stamp_ns(0))] * 3) == [1, 0, None]


def test_labels_recorded_in_another_order_are_found(tmp_path):
    source = labelled(tmp_path, stamp_ns(2), stamp_ns(0), stamp_ns(1))
    truth = open_truth(TruthOptions(topic="/ids"), source, CAMVID)
    assert values(truth, *((index, stamp_ns(index)) for index in range(3))) == [1, 2, 0]


@pytest.fixture
def drive(tmp_path_factory):
    """Four pictures with truth beside them."""
    folder = tmp_path_factory.mktemp("drive")
    for place, pixels in (("a", np.zeros((4, 6, 3), np.uint8)), ("aannot", mask(1))):
        (folder / place).mkdir()
        for index in range(4):
            assert cv2.imwrite(str(folder / place / f"{index}.png"), pixels)
    return folder / "a"


def folder_of(tmp_path, **masks: np.ndarray):
    folder = tmp_path / "truth"
    folder.mkdir()
    for stem, ids in masks.items():
        assert cv2.imwrite(str(folder / f"{stem.strip('_')}.png"), ids)
    return folder


def test_files_named_by_stamp(tmp_path, drive):
    folder = folder_of(tmp_path, **{str(stamp_ns(1)): mask(7), str(stamp_ns(3) + MS): mask(8)})
    truth = open_truth(TruthOptions(folder=folder), open_source(drive), CAMVID)
    assert values(truth, *((index, stamp_ns(index)) for index in range(3))) == [None, 7, None]
    assert truth.unmatched() == (str(stamp_ns(3) + MS),)


def test_files_in_order(tmp_path, drive):
    folder = folder_of(tmp_path, a=mask(1), b=mask(2), c=mask(3))
    truth = open_truth(TruthOptions(folder=folder), open_source(drive), CAMVID)
    assert values(truth, (1, 0), (0, 0), (3, 0)) == [2, 1, None]
    assert truth.unmatched() == ("c.png",)
    assert truth.how["by"] == "sequence"


def test_files_named_by_stamp_can_be_taken_in_order_but_not_the_other_way_round(tmp_path, drive):
    folder = folder_of(tmp_path, **{str(stamp_ns(9)): mask(4)})
    truth = open_truth(TruthOptions(folder=folder, by="sequence"), open_source(drive), CAMVID)
    assert values(truth, (0, 0)) == [4]
    (folder / f"{stamp_ns(9)}.png").rename(folder / "a.png")
    with pytest.raises(SourceError, match="not all named by stamp"):
        open_truth(TruthOptions(folder=folder, by="stamp"), open_source(drive), CAMVID)


def test_cityscapes_files_are_known_by_their_names(tmp_path, drive):
    city = tmp_path / "gtFine" / "val" / "ulm"
    city.mkdir(parents=True)
    for kind in ("color", "labelIds", "instanceIds"):
        cv2.imwrite(str(city / f"ulm_000000_gtFine_{kind}.png"), mask(26))
    truth = open_truth(TruthOptions(folder=tmp_path / "gtFine"), open_source(drive), CITYSCAPES)
    assert values(truth, (0, 0)) == [CITYSCAPES.names.index("car")]


def test_a_source_s_own_truth(drive):
    source = open_source(drive)
    truth = open_truth(TruthOptions(), source, CAMVID)
    assert isinstance(truth, SourceTruth)
    np.testing.assert_array_equal(truth.labels_at(0, 0, mask(5)), mask(5))
    assert truth.labels_at(1, 0) is None


def test_no_truth_asked_for_and_none_there(tmp_path):
    source = open_source(write(tmp_path / "bag", {"/front": [raw(0)]}))
    assert open_truth(TruthOptions(), source, CAMVID) is None


def test_the_one_label_topic_of_a_bag_is_its_truth(tmp_path):
    grey = rgb(0, np.full((4, 6), 100, np.uint8))  # a second camera
    bag = write(tmp_path / "bag", {"/front": [raw(0)], "/grey": [grey], "/ids": [rgb(0, mask(3))]})
    truth = open_truth(TruthOptions(labels="camvid"), open_source(f"{bag}:/front"), CAMVID)
    assert values(truth, (0, stamp_ns(0))) == [3]
    assert truth.how["from"] == "topic /ids"


def test_of_several_label_topics_one_has_to_be_named(tmp_path):
    bag = write(tmp_path / "bag", {"/front": [raw(0)], "/a": [rgb(0, mask(3))], "/b": [rgb(0, mask(255))]})
    with pytest.raises(SourceError, match=r"2 label topics \(/a, /b\); name one with --truth-topic"):
        open_truth(TruthOptions(), open_source(bag), CAMVID)
    truth = open_truth(TruthOptions(topic="/b"), open_source(bag), CAMVID)
    assert values(truth, (0, stamp_ns(0))) == [255]


def test_masks_that_a_node_published_are_no_truth(tmp_path):
    topics = {"/front": [raw(0)], "/segmentation/mask": [rgb(0, mask(3))]}
    bag = write(tmp_path / "bag", {**topics, "/segmentation/label_info_json": [STRING("{}")]})
    assert open_truth(TruthOptions(), open_source(f"{bag}:/front"), CAMVID) is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (TruthOptions(topic="/ids"), "is no bag"),
        (TruthOptions(folder="nowhere"), "is not there"),
        (TruthOptions(topic="/ids", folder="x"), "give --truth-topic or --truth-dir"),
        (TruthOptions(labels="camvdi"), "'camvdi'.*give --truth-topic or --truth-dir too"),
        (TruthOptions(tolerance_ms=-1), "0 or more"),
        (TruthOptions(tolerance_ms=float("nan")), "0 or more"),
        (TruthOptions(by="luck"), "by 'luck'"),
    ],
)
def test_what_cannot_be_truth_is_refused(options, text, drive):
    options = replace(options, folder=options.folder and Path(options.folder))
    with pytest.raises(SourceError, match=text):
        open_truth(options, open_source(drive), CAMVID)


def test_an_empty_folder_of_truth_is_refused(tmp_path, drive):
    with pytest.raises(SourceError, match=r"holds no \.png"):
        open_truth(TruthOptions(folder=tmp_path), open_source(drive), CAMVID)


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"", "no picture"), (b"junk", "no picture"), (np.zeros((4, 6, 3), np.uint8), "uint8"), (mask(12), "id 12")],
)
def test_truth_that_cannot_be_used_is_refused(tmp_path, content, text, drive):
    file = tmp_path / "a.png"
    file.write_bytes(content if isinstance(content, bytes) else cv2.imencode(".png", content)[1].tobytes())
    truth = open_truth(TruthOptions(folder=tmp_path), open_source(drive), CAMVID)
    with pytest.raises(TruthError, match=text):
        truth.labels_at(0, 0)


def test_labels_of_another_size_are_refused():
    with pytest.raises(TruthError, match="the truth is 6x4, the frame 3x2"):
        score(mask(1), np.zeros((2, 3), np.uint8), 11)


def test_a_frame_is_scored_without_its_unlabelled_pixels():
    truth = np.array([[0, 1, 255]], np.uint8)
    confusion = score(truth, np.array([[0, 0, 1]], np.uint8), 2)
    np.testing.assert_array_equal(confusion, [[1, 0], [1, 0]])


def test_camvid_s_void_is_not_scored():
    truth = match_classes(CAMVID, None).check_and_project_truth(np.array([[0, 10, 11, 255]], np.uint8))
    np.testing.assert_array_equal(truth, [[0, 10, 255, 255]])


def test_official_cityscapes_ids_become_train_ids():
    ids = np.arange(34, dtype=np.uint8)[None]
    truth = match_classes(CITYSCAPES, "cityscapes-ids").check_and_project_truth(ids)[0]
    assert [int(truth[each]) for each in CITYSCAPES_IDS] == list(range(19))
    assert np.count_nonzero(truth == 255) == 34 - 19


def test_the_table_from_19_to_11_classes_leads_every_class_somewhere():
    assert set(CITYSCAPES_TO_CAMVID) == set(CITYSCAPES.names)
    assert set(CITYSCAPES_TO_CAMVID.values()) == set(CAMVID.names)


def test_a_model_of_19_classes_is_scored_in_the_11_of_its_truth():
    meeting = match_classes(CITYSCAPES, "camvid")
    assert meeting.classes is CAMVID
    rider, bus = (CITYSCAPES.names.index(name) for name in ("rider", "bus"))
    labels = meeting.project(np.array([[rider, bus]], np.uint8))[0]
    assert [CAMVID.names[each] for each in labels] == ["bicyclist", "car"]


def test_a_model_of_11_classes_meets_truth_of_19():
    meeting = match_classes(CAMVID, "cityscapes")
    assert meeting.classes is CAMVID
    terrain = np.array([[CITYSCAPES.names.index("terrain"), 255]], np.uint8)
    np.testing.assert_array_equal(meeting.check_and_project_truth(terrain), [[CAMVID.names.index("tree"), 255]])
    assert meeting.project(terrain) is terrain


def own_map(tmp_path, **changes):
    content = {"from": ["ground", "thing"], "to": "camvid", "map": {"ground": "road", "thing": None}, **changes}
    file = tmp_path / "map.yaml"
    file.write_text(yaml.safe_dump(content))
    return str(file)


def test_a_map_of_one_s_own(tmp_path):
    meeting = match_classes(CAMVID, own_map(tmp_path))
    truth = meeting.check_and_project_truth(np.array([[0, 1, 255]], np.uint8))
    np.testing.assert_array_equal(truth, [[CAMVID.names.index("road"), 255, 255]])
    with pytest.raises(ValueError, match="id 2"):
        meeting.check_and_project_truth(np.array([[2]], np.uint8))


def test_a_map_from_the_model_s_classes(tmp_path):
    model = LabelSet("mine", ("ground", "thing"), ((0, 0, 0), (1, 1, 1)))
    meeting = match_classes(model, own_map(tmp_path, map={"ground": "road", "thing": "car"}))
    assert meeting.classes is CAMVID
    labels = meeting.project(np.array([[0, 1]], np.uint8))[0]
    assert [CAMVID.names[each] for each in labels] == ["road", "car"]
    with pytest.raises(SourceError, match="thing lead nowhere"):
        match_classes(model, own_map(tmp_path))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"map": {"ground": "road"}}, r"classes without a line: \['thing'\]"),
        ({"map": {"ground": "street", "thing": None}}, r"name no class: \['ground'\]"),
        ({"to": "ade20k"}, "is no class map"),
        ({"map": None}, "is no class map"),
        ({"from": ["a", "b"], "to": ["c"], "map": {"a": "c", "b": "c"}}, "the model has classes"),
    ],
)
def test_maps_that_lead_nowhere_are_refused(tmp_path, change, text):
    with pytest.raises(SourceError, match=text):
        match_classes(CAMVID, own_map(tmp_path, **change))


MINE = LabelSet("mine", ("ground", "thing"), ((0, 0, 0), (1, 1, 1)))


def class_file(folder, *names):
    file = folder / "truth.yaml"
    file.write_text(yaml.safe_dump({"classes": [{"name": name} for name in names]}))
    return file


def test_truth_in_the_classes_of_a_file_is_matched_by_name(tmp_path):
    given = str(class_file(tmp_path, "thing", "ground"))
    match = match_classes(MINE, given)
    assert match.classes is MINE
    np.testing.assert_array_equal(match.check_and_project_truth(np.array([[0, 1, 255]], np.uint8)), [[1, 0, 255]])
    with pytest.raises(ValueError, match="id 2"):
        match.check_and_project_truth(np.array([[2]], np.uint8))
    fewer = match_classes(MINE, str(class_file(tmp_path, "thing")))
    np.testing.assert_array_equal(fewer.check_and_project_truth(np.array([[0]], np.uint8)), [[1]])
    with pytest.raises(SourceError, match="the truth ground, thing, sky"):
        match_classes(MINE, str(class_file(tmp_path, "ground", "thing", "sky")))
    (tmp_path / "truth.yaml").write_text("classes: 3")
    with pytest.raises(SourceError, match=r"truth\.yaml: classes: 3; expected a list"):
        match_classes(MINE, given)


def test_truth_in_the_classes_of_a_model_or_of_a_set(model_folder):
    for given in (str(model_folder), "gain_nano_camvid", CAMVID):
        match = match_classes(CAMVID, given)
        np.testing.assert_array_equal(match.check_and_project_truth(np.array([[3, 11]], np.uint8)), [[3, 255]])
    assert match_classes(MINE, MINE).classes is MINE


def test_a_map_names_a_class_file_beside_it_and_a_model(tmp_path):
    class_file(tmp_path, "ground", "thing")
    match = match_classes(CAMVID, own_map(tmp_path, **{"from": "truth.yaml", "to": "gain_nano_camvid"}))
    truth = match.check_and_project_truth(np.array([[0, 1]], np.uint8))
    np.testing.assert_array_equal(truth, [[CAMVID.names.index("road"), 255]])


def test_a_data_set_of_one_s_own_is_scored_in_its_classes(folder_root):
    source = open_dataset(str(folder_root), "val")
    labels = source.label_set
    truth = open_truth(TruthOptions(), source, labels)
    frame = next(source.frames())
    np.testing.assert_array_equal(truth.labels_at(0, 0, frame.labels), frame.labels)
    backwards = LabelSet("model", labels.names[::-1], labels.colors[::-1])
    turned = open_truth(TruthOptions(), source, backwards).labels_at(0, 0, frame.labels)
    known = frame.labels < len(labels)
    np.testing.assert_array_equal(turned[known], len(labels) - 1 - frame.labels[known])


def test_classes_that_nobody_knows_are_refused():
    with pytest.raises(SourceError, match="'ade20k' are unknown"):
        match_classes(CAMVID, "ade20k")
    with pytest.raises(SourceError, match="give --truth-labels a YAML file"):
        match_classes(LabelSet("mine", ("a",), ((0, 0, 0),)), "camvid")
