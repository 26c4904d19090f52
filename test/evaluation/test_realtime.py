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

import contextlib
import json
import math
import shutil
import time
from collections import Counter
from types import SimpleNamespace

import bag_files
import cv2
import numpy as np
import pytest
import random_model_folder
from streets import street

from gain_ros.errors import SourceError
from gain_ros.evaluation.attach import evaluate_attached, observed
from gain_ros.evaluation.live.graph import Child, fastdds_profile, own_graph
from gain_ros.evaluation.live.replay import Replay, Sent, Usage
from gain_ros.evaluation.reader import Reader, ReadFrame
from gain_ros.evaluation.realtime import LiveFrame, LiveTally, evaluate_realtime, live_frames
from gain_ros.evaluation.result import SCORED
from gain_ros.evaluation.truth import SourceTruth, TruthOptions, match_classes
from gain_ros.labels import CAMVID
from gain_ros.runtime.opening import open_segmenter
from gain_ros.score import confusion_matrix, mean_iou
from gain_ros.sources.opening import open_source

FRAMES, BROKEN = 12, 5
TRUTH = TruthOptions(topic="/truth/labels")


def mask(stamp_ns: int, received_ns: int, labels: np.ndarray | None = None) -> SimpleNamespace:
    return SimpleNamespace(stamp_ns=stamp_ns, received_ns=received_ns, labels=lambda: labels)


def replay(sent: dict[int, tuple[int, int]], masks: list, trace: list[tuple[int, str]]) -> Replay:
    lines = [{"stamp_ns": stamp, "outcome": outcome} for stamp, outcome in trace]
    lines += [{"stamp_ns": stamp, "stage_ms": {"infer": float(stamp)}} for stamp, end in trace if end == "published"]
    frames = {index: Sent(*times) for index, times in sent.items()}
    return Replay(frames, masks, {}, lines, Usage(1.0, 0.5, 100.0), 0.01)


def test_each_frame_gets_its_outcome_its_mask_and_the_mask_in_use_when_it_was_sent():
    masks = [mask(10, 130), mask(30, 390)]
    ends = [(20, "superseded"), (10, "published"), (30, "published")]
    found = live_frames(replay({0: (10, 100), 1: (20, 120), 2: (30, 330), 3: (40, 390), 4: (50, 500)}, masks, ends))
    assert [found[i].outcome for i in range(5)] == ["published", "superseded", "published", "lost", "lost"]
    assert [found[i].mask for i in range(5)] == [masks[0], None, masks[1], None, None]
    assert [found[i].in_use for i in range(5)] == [None, None, masks[0], masks[1], masks[1]]
    assert found[2].age_ms == pytest.approx(60e-6)
    assert found[0].stage_ms == {"infer": 10.0}
    assert found[1].stage_ms == {}


def counts(**values: int) -> dict[str, str]:
    return {key: str(value) for key, value in values.items()}


def test_reasons_come_from_the_counts_of_the_second_in_which_they_grew():
    frames = [Sent(stamp, 100 * stamp) for stamp in range(1, 7)]
    masks = [mask(1, 150), mask(4, 450)]
    history = [
        (50, counts(superseded=7, failed=1)),
        (350, counts(superseded=9, failed=1)),
        (550, counts(superseded=9, failed=2)),
        (650, counts(superseded=9, failed=2)),
    ]
    found = observed(frames, masks, history)
    assert [each.outcome for each in found] == ["published", "superseded", "superseded", "published", "failed", "lost"]
    assert [each.in_use for each in found] == [None, masks[0], masks[0], masks[0], masks[1], masks[1]]


def test_without_any_account_of_the_node_no_reason_is_made_up():
    assert [each.outcome for each in observed([Sent(1, 100)], [], [])] == ["lost"]


def test_a_label_is_scored_against_its_own_mask_and_against_the_one_in_use():
    truths = [np.full((4, 4), value, np.uint8) for value in (0, 0, 1)]
    right, wrong = truths[0], np.full((4, 4), 2, np.uint8)
    source = SimpleNamespace(name="drive", warnings=[], topic=None)
    own = SourceTruth(source, match_classes(CAMVID, None))
    tally = LiveTally("drive", CAMVID, own)
    seen = [
        LiveFrame(Sent(0, 0), "published", {}, mask(0, 5, right), None),
        LiveFrame(Sent(1, 10), "superseded", {}, None, mask(0, 5, right)),
        LiveFrame(Sent(2, 20), "published", {}, mask(2, 25, wrong), mask(0, 5, right)),
    ]
    for stamp, (truth, each) in enumerate(zip(truths, seen, strict=True)):
        tally.add_live(ReadFrame(stamp, 0.0, np.zeros((4, 4, 3), np.uint8), truth, SCORED), each)
    assert [row.miou for row in tally.rows] == [1.0, None, 0.0]
    assert [row.miou_in_use for row in tally.rows] == [None, 1.0, 0.0]
    assert [row.truth for row in tally.rows] == ["scored", None, "scored"]
    content = dict.fromkeys(("mode", "model", "sha256", "engine", "provider"), "x")
    evaluation = tally.evaluation(Reader(source, own), {}, **content)
    live = evaluation.details["realtime"]
    assert live["no_mask_yet"] == 1
    assert np.array(live["confusion_in_use"])[:2, 0].tolist() == [16, 16]
    assert evaluation.bags[0].confusion[0, 0] == 16
    assert evaluation.bags[0].confusion[1, 2] == 16


def test_a_mask_of_another_size_is_refused_and_counted():
    truth = SourceTruth(SimpleNamespace(name="drive"), match_classes(CAMVID, None))
    tally = LiveTally("drive", CAMVID, truth)
    frame = ReadFrame(0, 0.0, np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), SCORED)
    tally.add_live(frame, LiveFrame(Sent(0, 0), "published", {}, mask(0, 5, np.zeros((2, 2), np.uint8))))
    tally.add_live(frame, None)
    assert [(row.outcome, row.truth) for row in tally.rows] == [("published", "refused"), ("failed", None)]
    assert "2x2" in tally.rows[0].error


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), 1e6])
def test_a_rate_that_is_no_speed_is_refused(rate, model_folder, tmp_path):
    with pytest.raises(SourceError, match="rate"):
        evaluate_realtime(street(tmp_path), str(model_folder), "onnxruntime", TruthOptions(), rate, lambda *_: None)


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    """Twelve compressed frames at 10 Hz with labels; one is no picture."""
    frames, labels = [], []
    for index in range(FRAMES):
        picture = random_model_folder.picture(48, 64, index)
        data = cv2.imencode(".png", picture[..., ::-1])[1].ravel()
        frames.append(bag_files.COMPRESSED(bag_files.header(index), "png", data if index != BROKEN else data[:50]))
        labels.append(bag_files.rgb(index, np.full((48, 64), index % len(CAMVID), np.uint8)))
    topics = {"/camera/image_raw/compressed": frames, "/truth/labels": labels}
    return bag_files.write(tmp_path_factory.mktemp("bags") / "drive", topics)


@pytest.mark.ros
@pytest.mark.parametrize(("use_sim_time", "rules"), [(False, ""), (True, "remap: {road: 0}\nmin_confidence: 0.9\n")])
def test_the_real_node_gives_the_offline_masks_and_accounts_for_all(bag, model_folder, use_sim_time, rules, tmp_path):
    folder = tmp_path / "random_nano"
    shutil.copytree(model_folder, folder)
    with (folder / "model.yaml").open("a") as file:
        file.write(rules)  # for those who use the model: the score is that of its own classes
    evaluation, rows, gallery = evaluate_realtime(
        str(bag), str(folder), "onnxruntime", TRUTH, 1.0, lambda *_: None, use_sim_time
    )
    live, ends = evaluation.details["realtime"], Counter(row.outcome for row in rows)
    assert (len(rows), live["sent"]) == (FRAMES, FRAMES)
    assert rows[BROKEN].outcome in ("failed", "superseded"), "whichever comes first"
    assert ends["published"] == live["masks_received"] == live["offline"]["compared"] >= 1
    assert live["offline"]["identical"] == live["offline"]["compared"]
    assert mean_iou(evaluation.bags[0].confusion) == live["offline"]["miou_of_published"]
    assert ends["published"] + ends["superseded"] + ends["failed"] + ends["lost"] == FRAMES
    published = [row for row in rows if row.outcome == "published"]
    assert all(row.age_ms > 0 and row.stage_ms["infer"] > 0 for row in published)
    assert live["node"]["memory_mb"] > 10
    gallery.write(tmp_path)
    assert (tmp_path / "gallery" / "00_error.jpg").exists()
    with open_segmenter(model_folder, engine="onnxruntime") as segmenter:
        expected = np.zeros((len(CAMVID),) * 2, np.int64)
        for index, frame in enumerate(open_source(str(bag), TRUTH.topic).frames()):
            if rows[index].outcome == "published":
                labels = segmenter.segment([frame.rgb], confidence=False)[0].labels
                expected += confusion_matrix(np.full((48, 64), index % len(CAMVID), np.uint8), labels, len(CAMVID))
    np.testing.assert_array_equal(evaluation.bags[0].confusion, expected)


@pytest.mark.ros
@pytest.mark.parametrize("view", [{"fit": "letterbox"}, {"fit": "crop", "roi": [0.25, 0.0, 0.75, 0.75]}])
def test_fit_and_roi_are_those_of_the_node(bag, model_folder, view):
    evaluation, rows, _ = evaluate_realtime(
        str(bag), str(model_folder), "onnxruntime", TRUTH, 1.0, lambda *_: None, view=view
    )
    live = evaluation.details["realtime"]
    assert live["offline"]["identical"] == live["offline"]["compared"] >= 1
    assert {key: evaluation.options[key] for key in view} == view
    with open_segmenter(model_folder, engine="onnxruntime", **view) as segmenter:
        expected = np.zeros((len(CAMVID),) * 2, np.int64)
        for index, frame in enumerate(open_source(str(bag), TRUTH.topic).frames()):
            if rows[index].outcome == "published":
                labels = segmenter.segment([frame.rgb], confidence=False)[0].labels
                expected += confusion_matrix(np.full((48, 64), index % len(CAMVID), np.uint8), labels, len(CAMVID))
    np.testing.assert_array_equal(evaluation.bags[0].confusion, expected)
    assert json.loads(json.dumps(evaluation.options)) == evaluation.options


class GoAfterAWhile:
    """Lets the player begin when the listener has had the time to meet it and the node."""

    def __init__(self, player: Child):
        self._player, self._go_s = player, None

    def __call__(self, stage: str, *_: object) -> None:
        if stage != "waiting for frames":
            return
        if self._go_s is None:
            self._go_s = time.monotonic() + 2.0
        if time.monotonic() > self._go_s:
            self._go_s = math.inf
            self._player.write("go\n")


@pytest.mark.ros
def test_a_node_that_runs_already_is_scored_from_outside(bag, model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("gain_ros.evaluation.attach._SILENCE_S", 2.5)
    node = ["gain_ros", "node", "--ros-args", "-r", "image:=/camera/image_raw", "-p", "transport:=compressed"]
    node += ["-p", f"model:={model_folder}", "-p", "engine:=onnxruntime"]
    player = ["gain_ros.evaluation.live.player", "--source", str(bag) + ":/camera/image_raw/compressed"]
    player += ["--topic", "/camera/image_raw", "--clock", "--rate", "0.5"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(own_graph(fastdds_profile()))
        running = Child("node", node, tmp_path / "node.log")
        stack.callback(running.stop)
        playing = Child("player", player, tmp_path / "player.log", talks=True)
        stack.callback(playing.stop)
        for _ in range(600):
            if "model random_nano on onnxruntime" in running.last_words():
                break
            running.check()
            time.sleep(0.1)
        evaluation, rows, _ = evaluate_attached(str(bag), TRUTH, GoAfterAWhile(playing))
    live = evaluation.details["realtime"]
    assert (evaluation.mode, evaluation.model) == ("attach", "random_nano")
    assert len(rows) == live["heard"] <= FRAMES
    assert live["not_in_bag"] == 0
    scored = [row for row in rows if row.outcome == "published"]
    assert len(scored) >= 1
    assert all(row.miou is not None and row.age_ms > 0 for row in scored)
