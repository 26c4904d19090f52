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
from dataclasses import replace

import numpy as np
import pytest
from schemas import validator

from gain_ros.errors import ResultError
from gain_ros.evaluation.result import (
    BagScore,
    Evaluation,
    FrameRow,
    atomic_text,
    group_of,
    model_card,
    read_result,
    read_rows,
    write_result,
)
from gain_ros.evaluation.stability import Counts, Stability
from gain_ros.labels import LabelSet
from gain_ros.model_folder import find_model, read_model_folder
from gain_ros.plain_values import plain

TWO = LabelSet("two", ("ground", "thing"), ((1, 2, 3), (4, 5, 6)))


def evaluation(*bags: BagScore, **more) -> Evaluation:
    return Evaluation("offline", "tiny", "abc", "red", "none", TWO, bags, **more)


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [
        FrameRow("a", 5, "published", {"infer": 2.5}, 30.0, "scored", 0.5, 0.4, 0.1, 0.2, 0.3, (0.25, 0.75)),
        FrameRow("a", 6, "failed", error="no picture"),
    ]
    write_result(tmp_path, evaluation(BagScore("a")), iter(rows))
    assert list(read_rows(tmp_path / "frames.jsonl")) == rows


def test_the_result_is_counted_from_the_rows(tmp_path):
    rows = [
        FrameRow("a", 1, "published", {"infer": 10.0, "post": 1.0}, age_ms=20.0, truth="scored"),
        FrameRow("a", 2, "published", {"infer": 30.0, "post": 1.0}, age_ms=40.0, truth="unmatched"),
        FrameRow("a", 3, "superseded"),
        FrameRow("b", 1, "stale"),
        FrameRow("b", 2, "failed", truth="refused"),
    ]
    bags = BagScore("a", unmatched_truth=("17",)), BagScore("b", warnings=("odd",), errors=("cut",))
    result = write_result(tmp_path, evaluation(*bags, truth={"by": "stamp"}), rows)
    assert result["frames"] == {"received": 5, "published": 2, "superseded": 1, "stale": 1, "failed": 1}
    assert [bag["frames"]["received"] for bag in result["bags"]] == [3, 2]
    assert result["latency_ms"]["infer"]["p50"] == 20.0
    assert result["latency_ms"]["total"] == {"p50": 21.0, "p95": 30.0, "p99": 30.8}
    assert result["mask_age_ms"]["p50"] == 30.0
    assert (result["partial"], result["errors"], result["warnings"]) == (True, ["b: cut"], ["b: odd"])
    assert {"scored": 1, "unmatched_frames": 1, "refused": 1, "unmatched_truth": ["a: 17"]}.items() <= result[
        "truth"
    ].items()
    assert json.loads((tmp_path / "result.json").read_text()) == result == read_result(tmp_path)


@pytest.mark.parametrize(
    ("rows", "last_error", "said"),
    [
        (
            [FrameRow("a", 1, "failed", error="cut short"), FrameRow("b", 2, "failed", error="no picture")],
            None,
            ["2 frames failed, the first: cut short"],
        ),
        (
            [FrameRow("a", 3, "published", truth="refused", error="id 40"), FrameRow("a", 4, "published")],
            None,
            ["the truth of 1 frames was refused, the first: id 40"],
        ),
        ([FrameRow("a", 1, "failed")], "engine broke", ["1 frames failed, the latest: engine broke"]),
        ([FrameRow("a", 1, "superseded")], "engine broke", []),
    ],
)
def test_the_first_reason_is_named_where_frames_failed_or_truth_was_refused(tmp_path, rows, last_error, said):
    details = {"realtime": {"last_error": last_error}} if last_error else {}
    assert write_result(tmp_path, evaluation(BagScore("a"), details=details), rows)["warnings"] == said


def test_bags_are_merged_by_their_confusion_matrices_not_by_their_means(tmp_path):
    good, bad = np.array([[90, 0], [0, 10]]), np.array([[0, 10], [0, 0]])
    result = write_result(tmp_path, evaluation(BagScore("a", confusion=good), BagScore("b", confusion=bad)), [])
    assert result["confusion"] == [[90, 10], [0, 10]]
    assert result["miou"] == pytest.approx((90 / 100 + 10 / 20) / 2)
    assert result["pixel_accuracy"] == pytest.approx(100 / 110)
    assert [bag["miou"] for bag in result["bags"]] == [1.0, 0.0]
    assert result["per_class_iou"] == {"ground": 0.9, "thing": 0.5}
    assert (result["group_iou"], result["group_miou"]) == (None, None)


def test_bags_with_the_same_part_in_their_paths_are_merged_too(tmp_path):
    good, bad = np.array([[90, 0], [0, 10]]), np.array([[0, 10], [0, 0]])
    bags = (
        BagScore("night/2026-05-01/a", confusion=bad),
        BagScore("day/2026-05-01/b", confusion=good),
        BagScore("night/2026-05-02/c", confusion=good),
        BagScore("else"),
    )
    rows = [FrameRow("night/2026-05-02/c", 0, "published")] * 3
    result = write_result(tmp_path, evaluation(*bags, options={"group_by": "^(day|night)/"}), rows)
    day, night, other = result["groups"]
    assert (day["group"], day["miou"], day["bags"]) == ("day", 1.0, ["day/2026-05-01/b"])
    assert (night["group"], night["miou"], night["frames"]["received"]) == ("night", pytest.approx(0.7), 3)
    assert (other["group"], other["miou"]) == ("no match", None)
    described = validator("result").schema["properties"]["groups"]["items"]
    assert set(night) == set(described["required"]) == set(described["properties"])


@pytest.mark.parametrize(
    ("pattern", "group"),
    [(r"\d{4}-\d\d-\d\d", "2026-05-01"), ("(day|night)/.*/(front|rear)", "night front"), ("fog", "no match")],
)
def test_a_group_is_named_by_what_the_expression_finds(pattern, group):
    assert group_of("fleet/night/2026-05-01/front.mcap", pattern) == group


def test_groups_of_classes_are_scored_where_the_classes_have_some(tmp_path):
    classes = LabelSet("three", ("a", "b", "c"), ((0, 0, 0),) * 3, (("low",), ("low",), ("high",)))
    confusion = np.array([[5, 5, 0], [0, 0, 0], [0, 10, 30]])
    bags = (BagScore("a", confusion=confusion),)
    result = write_result(tmp_path, Evaluation("offline", "tiny", "abc", "red", "none", classes, bags), [])
    assert result["group_iou"] == {"low": 0.5, "high": 0.75}
    assert result["group_miou"] == 0.625


def test_what_was_not_measured_is_null(tmp_path):
    write_result(tmp_path, evaluation(BagScore("a")), [])
    result = read_result(tmp_path)
    assert (result["miou"], result["confusion"], result["truth"], result["unlabelled"]) == (None,) * 4
    assert result["mask_age_ms"] == {"p50": None, "p95": None, "p99": None}
    write_result(tmp_path, evaluation(BagScore("a", confusion=np.zeros((2, 2), int))), [])
    assert read_result(tmp_path)["miou"] is None


def test_the_keys_that_people_depend_on_are_there(tmp_path):
    details = {"realtime": {"rate": 0.2}}
    result = write_result(tmp_path, evaluation(BagScore("a"), details=details), [])
    assert {
        *("mode", "model", "engine", "frames", "miou", "per_class_iou", "confusion", "pixel_accuracy"),
        *("latency_ms", "mask_age_ms", "unlabelled", "versions", "seed", "realtime"),
    } <= set(result)
    assert result["model"] == {"name": "tiny", "sha256": "abc"}
    assert result["versions"]["numpy"] == np.__version__


def test_an_error_while_writing_leaves_the_old_result(tmp_path):
    write_result(tmp_path, evaluation(BagScore("old")), [FrameRow("old", 1, "published")])

    def rows():
        yield FrameRow("new", 1, "published")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        write_result(tmp_path, evaluation(BagScore("new")), rows())
    assert [row.bag for row in read_rows(tmp_path / "frames.jsonl")] == ["old"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames.jsonl", "result.json"]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match="cannot be written"), atomic_text(tmp_path / "file" / "x"):
        pass


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}'])
def test_what_is_no_result_is_refused(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(ResultError, match=r"result\.json"):
        read_result(tmp_path)


@pytest.mark.parametrize("line", ["x", "3", "{}", '{"bag": "a", "stamp_ns": 1, "outcome": "published", "odd": 1}'])
def test_what_is_no_row_is_refused(tmp_path, line):
    (tmp_path / "frames.jsonl").write_text(line + "\n")
    with pytest.raises(ResultError, match="line 1"):
        list(read_rows(tmp_path / "frames.jsonl"))
    with pytest.raises(ResultError, match="cannot be read"):
        list(read_rows(tmp_path / "nothing.jsonl"))


def test_the_card_of_a_model_that_saw_its_val_frames_gives_what_was_held_out_alone():
    shipped = read_model_folder(find_model("gain_nano_cityscapes"))
    seen = {"val_seen_in_training": True, "val_miou": 0.9}
    card = model_card(replace(shipped, metrics={**seen, "train_only": {"val_miou": 0.7}}))
    assert (card["val_seen_in_training"], card["val_miou held out"]) == ("True", "0.7")
    assert "val_miou" not in card
    assert "0.9" not in model_card(replace(shipped, metrics=seen)).values()
    assert model_card(shipped)["val_miou"] == str(shipped.metrics["val_miou"])


def test_numbers_become_json():
    given = {1: np.float64(0.1234567891), "nan": float("nan"), "ids": np.array([1, 2]), "n": (np.int64(3), True)}
    assert plain(given) == {"1": 0.123456789, "nan": None, "ids": [1, 2], "n": [3, True]}


def test_flicker_is_what_comes_and_goes_again():
    measures = Stability(2)
    still, moved = np.zeros((2, 4), np.uint8), np.zeros((2, 4), np.uint8)
    moved[:, :1] = 1
    seen = [measures.add(labels) for labels in (still, moved, still, still)]
    assert [frame.changed for frame in seen] == [None, 0.25, 0.25, 0.0]
    assert [frame.flicker for frame in seen] == [None, None, 0.25, 0.0]
    assert measures.counts == Counts((4, 24), (2, 16), (0, 0), (30, 2))


def test_a_class_that_stays_after_a_change_does_not_flicker():
    measures = Stability(3)
    masks = [np.full((2, 2), value, np.uint8) for value in (0, 1, 1, 2)]
    assert [measures.add(labels).flicker for labels in masks][2:] == [0.0, 0.0]


def test_low_confidence_is_below_half_of_the_probability():
    confidence = np.array([[0, 127, 128, 255]], np.uint8)
    assert Stability(2).add(np.zeros((1, 4), np.uint8), confidence).low_confidence == 0.5
