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
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bag_files import IMAGE, header, rgb, stamp_ns, write
from red_segmenter import RedSegmenter
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from gain_ros.errors import SourceError
from gain_ros.evaluation.offline import Job, Models, evaluate_bag, open_models
from gain_ros.evaluation.truth import TruthOptions
from gain_ros.labels import CAMVID

WITH_IDS = TruthOptions(topic="/ids")


def picture(value: int, green: int = 200) -> np.ndarray:
    """All of class ``value`` for the fake."""
    pixels = np.zeros((6, 8, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = 20 * value, green
    return pixels


def mask(*values: int) -> np.ndarray:
    """Columns of class ids."""
    return np.repeat(np.repeat(np.array(values, np.uint8), 8 // len(values))[None], 6, axis=0)


def frames(*values: int, green: int = 200) -> list:
    return [stamped(index, picture(value, green)) for index, value in enumerate(values)]


def stamped(index: int, pixels: np.ndarray):
    message = rgb(0, pixels)
    message.header = header(index)
    return message


def evaluate(bag, truth: TruthOptions = WITH_IDS, other: RedSegmenter | None = None, batch: int = 1):
    rows, ticks = [], []
    job = Job(str(bag), "red", "red", truth, batch)
    outcome = evaluate_bag(job, Models(RedSegmenter(), other), rows.append, lambda *done: ticks.append(done))
    assert [done for done, _ in ticks] == list(range(1, outcome.frames + 1))
    assert all(total >= len(rows) == outcome.frames for _, total in ticks)
    return outcome, rows


def test_frames_are_scored_against_their_truth(tmp_path):
    labels = [stamped(0, mask(1)), stamped(1, mask(2, 3)), stamped(2, mask(255, 3))]
    bag = write(tmp_path / "bag", {"/front": frames(1, 2, 3), "/ids": labels})
    outcome, rows = evaluate(bag)
    expected = np.zeros((11, 11), np.int64)
    expected[1, 1], expected[2, 2], expected[3, 2], expected[3, 3] = 48, 24, 24, 24
    np.testing.assert_array_equal(outcome.score.confusion, expected)
    assert [row.miou for row in rows] == [1.0, pytest.approx(0.25), 1.0]
    assert [row.truth for row in rows] == ["scored"] * 3
    assert [row.stamp_ns for row in rows] == [stamp_ns(index) for index in range(3)]
    assert rows[0].stage_ms.keys() == {"decode", "pre", "infer", "post", "score"}
    assert (outcome.score.topic, outcome.truth["from"]) == ("/front", "topic /ids")


def test_frames_without_truth_and_truth_without_frames_are_listed(tmp_path):
    labels = [stamped(1, mask(2)), stamped(9, mask(2))]
    outcome, rows = evaluate(write(tmp_path / "bag", {"/front": frames(1, 2, 3), "/ids": labels}))
    assert [row.truth for row in rows] == ["unmatched", "scored", "unmatched"]
    assert [row.miou for row in rows] == [None, 1.0, None]
    assert outcome.score.unmatched_truth == (str(stamp_ns(9)),)
    assert outcome.score.confusion.sum() == 48


def test_truth_that_cannot_be_used_is_a_refused_frame(tmp_path):
    labels = [stamped(0, mask(99)), stamped(1, np.zeros((3, 8), np.uint8)), stamped(2, mask(3))]
    _, rows = evaluate(write(tmp_path / "bag", {"/front": frames(1, 2, 3), "/ids": labels}))
    assert [row.truth for row in rows] == ["refused", "refused", "scored"]
    assert [row.outcome for row in rows] == ["published"] * 3
    assert "id 99" in rows[0].error
    assert "the truth is 8x3, the frame 8x6" in rows[1].error


def broken_frame(index: int):
    return IMAGE(header(index), 6, 8, "rgb8", 0, 24, np.zeros(5, np.uint8))


@pytest.mark.parametrize("batch", [1, 2, 3, 16])
def test_frames_that_do_not_decode_are_failed_ones_in_their_place(tmp_path, batch):
    images = frames(1, 2, 3, 4, 5)
    images[1], images[4] = broken_frame(1), broken_frame(4)
    labels = [stamped(index, mask(index + 1)) for index in range(5)]
    outcome, rows = evaluate(write(tmp_path / "bag", {"/front": images, "/ids": labels}), batch=batch)
    assert [row.outcome for row in rows] == ["published", "failed", "published", "published", "failed"]
    assert "5 bytes" in rows[1].error
    assert [row.miou for row in rows] == [1.0, None, 1.0, 1.0, None]
    assert outcome.score.unmatched_truth == ()


def test_batches_are_as_large_as_asked_for_and_change_nothing(tmp_path):
    bag = write(tmp_path / "bag", {"/front": frames(1, 2, 3, 4, 5), "/ids": [stamped(0, mask(1))]})
    one, rows_one = evaluate(bag)
    segmenter = RedSegmenter()
    rows = []
    two = evaluate_bag(Job(str(bag), "", "", WITH_IDS, 2), Models(segmenter, None), rows.append, lambda *_: None)
    assert sorted(segmenter.batches) == [1, 2, 2]
    np.testing.assert_array_equal(one.score.confusion, two.score.confusion)
    assert [replace(row, stage_ms={}) for row in rows] == [replace(row, stage_ms={}) for row in rows_one]
    assert rows[0].stage_ms["infer"] == 1.0


def test_two_that_take_turns_give_what_one_gives(tmp_path):
    bag = write(tmp_path / "bag", {"/front": frames(1, 2, 3, 4, 5), "/ids": [stamped(0, mask(1))]})
    one, rows_one = evaluate(bag)
    pair, rows = (RedSegmenter(), RedSegmenter()), []
    two = evaluate_bag(Job(str(bag), "", "", WITH_IDS), Models(pair[0], None, pair[1]), rows.append, lambda *_: None)
    assert [len(segmenter.batches) for segmenter in pair] == [3, 2]
    np.testing.assert_array_equal(one.score.confusion, two.score.confusion)
    assert [replace(row, stage_ms={}) for row in rows] == [replace(row, stage_ms={}) for row in rows_one]


@pytest.mark.parametrize(
    ("device", "threads", "expected"),
    [("cpu", 4, [("auto", 2), ("red", 2)]), ("cpu", 1, [("auto", 1)]), ("cuda", 4, [("auto", 2)])],
)
def test_on_a_cpu_two_engines_share_the_cores(monkeypatch, device, threads, expected):
    opened = []

    def open_red(model, engine, threads, precision="auto"):
        opened.append((engine, threads))
        red = RedSegmenter()
        red.info = replace(red.info, device=device)
        return contextlib.nullcontext(red)

    monkeypatch.setattr("gain_ros.evaluation.offline.open_segmenter", open_red)
    with open_models(Job("bag", "red", "auto", TruthOptions(), threads=threads)) as models:
        assert (models.twin is None) == (len(expected) == 1)
    assert opened == expected


def test_a_bag_that_breaks_off_gives_what_came_before(tmp_path):
    noise = [stamped(i, np.random.default_rng(i).integers(0, 220, (128, 128, 3), np.uint8)) for i in range(40)]
    bag = write(tmp_path / "bag", {"/front": noise}, StoragePlugin.SQLITE3)
    (file,) = bag.glob("*.db3")
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200_000] = bytes(255 - byte for byte in data[middle : middle + 200_000])
    file.write_bytes(data)
    outcome, rows = evaluate(bag, TruthOptions())
    assert 5 < len(rows) < 40
    assert len(outcome.score.errors) == 1
    assert f"breaks off after {len(rows)} of 40" in outcome.score.errors[0]


def test_masks_speak_for_themselves_without_truth(tmp_path):
    images = frames(1, 2, 1, 1, green=100)
    outcome, rows = evaluate(write(tmp_path / "bag", {"/front": images}), TruthOptions())
    assert [row.changed for row in rows] == [None, 1.0, 1.0, 0.0]
    assert [row.flicker for row in rows] == [None, None, 1.0, 0.0]
    assert [row.low_confidence for row in rows] == [1.0] * 4
    assert rows[0].class_share[1] == 1.0
    assert rows[0].truth is None
    shares = outcome.score.counts.shares(CAMVID)
    assert (shares["changed"], shares["flicker"]) == (pytest.approx(2 / 3, abs=1e-6), 0.5)
    assert shares["class_share"]["building"] == 0.75
    assert outcome.score.confusion is None


def test_a_mask_of_another_size_is_compared_with_nothing(tmp_path):
    images = [*frames(1, 1), stamped(2, np.zeros((4, 4, 3), np.uint8)), stamped(3, np.zeros((4, 4, 3), np.uint8))]
    _, rows = evaluate(write(tmp_path / "bag", {"/front": images}), TruthOptions())
    assert [row.changed for row in rows] == [None, 0.0, None, 0.0]


def test_two_models_are_compared(tmp_path):
    bag = write(tmp_path / "bag", {"/front": frames(1, 2, 3)})
    same, _ = evaluate(bag, TruthOptions(), other=RedSegmenter())
    assert np.trace(same.against) == same.against.sum() == 3 * 48
    shifted, _ = evaluate(bag, TruthOptions(), other=RedSegmenter(shift=1))
    assert np.trace(shifted.against) == 0
    assert shifted.against[2, 1] == 48, "rows are the other's labels"


def test_the_worst_and_the_best_frames_are_kept(tmp_path):
    bag = write(tmp_path / "bag", {"/front": frames(1), "/ids": [stamped(0, mask(1, 2))]})
    outcome, _ = evaluate(bag)
    outcome.gallery.write(tmp_path)
    (shown,) = json.loads((tmp_path / "gallery" / "gallery.json").read_text())["frames"]
    assert shown["stamp_ns"] == stamp_ns(0)


def test_an_error_in_the_engine_is_not_hidden(tmp_path):
    class Broken(RedSegmenter):
        def segment(self, frames, confidence=True):
            raise RuntimeError("no memory")

    bag = write(tmp_path / "bag", {"/front": frames(1, 2, 3)})
    with pytest.raises(RuntimeError, match="no memory"):
        evaluate_bag(Job(str(bag), "", "", TruthOptions()), Models(Broken(), None), lambda row: None, lambda *_: None)


def test_a_webcam_cannot_be_evaluated(monkeypatch):
    monkeypatch.setattr("gain_ros.sources.opening.CameraSource.__init__", lambda *_: None)
    with pytest.raises(SourceError, match="live"):
        evaluate("0", TruthOptions())


BOUNDED = """
import resource, sys
sys.path[:0] = ["test/doubles", "."]
from red_segmenter import RedSegmenter
from gain_ros.evaluation.offline import Job, Models, evaluate_bag
from gain_ros.evaluation.truth import TruthOptions
import cv2, gain_ros.sources.bags
cv2.setNumThreads(1)
job = Job(sys.argv[1], "red", "red", TruthOptions())
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData")) << 10
resource.setrlimit(resource.RLIMIT_DATA, (used + (96 << 20),) * 2)
rows = []
evaluate_bag(job, Models(RedSegmenter(), None), rows.append, lambda *_: None)
print(len(rows))
"""


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_memory_does_not_grow_with_the_bag(tmp_path, plugin):
    images = [stamped(0, np.zeros((480, 640, 3), np.uint8))] * 200  # 0.9 MB each: 184 MB of frames in 96 MB of memory
    small = CompressionMode.STORAGE if plugin is StoragePlugin.MCAP else CompressionMode.MESSAGE
    bag = write(tmp_path / "bag", {"/front": images}, plugin, small)
    command = [sys.executable, "-c", BOUNDED, str(bag)]
    one_thread = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    how = {"capture_output": True, "text": True, "timeout": 120, "cwd": Path(__file__).resolve().parents[2]}
    result = subprocess.run(command, check=False, env=one_thread, **how)
    assert result.stdout.strip() == "200", result.stderr[-2000:]
