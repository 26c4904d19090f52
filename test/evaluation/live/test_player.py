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
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from gain_ros.errors import SourceError
from gain_ros.evaluation.live import player
from gain_ros.sources.source import BadFrame, Source, SourceFrame

PERIOD_NS = 1_000_000


class Frames(Source):
    def __init__(self, count: int, fail_at: int | None = None, bad_at: int | None = None):
        super().__init__("frames", count, 1000.0)
        self.count, self.fail_at, self.bad_at, self.made = count, fail_at, bad_at, 0

    def frames(self):
        for index in range(self.count):
            if index == self.fail_at:
                raise OSError("the disk is gone")
            self.made += 1
            if index == self.bad_at:
                yield BadFrame(index * PERIOD_NS, "not an image")
            else:
                yield SourceFrame(str(index), np.full((4, 6, 3), index, np.uint8), index * PERIOD_NS)


def prefetched(source: Source, limit: int | None = None) -> player.Prefetched:
    return player.Prefetched(player.outgoing(source), limit)


def test_frames_come_prepared_in_order_and_no_more_than_the_limit():
    frames = prefetched(Frames(10), limit=4)
    assert frames.prepared.wait(60)
    assert [frame.index for frame in frames] == [0, 1, 2, 3]


def test_preparing_stops_where_the_memory_ends(monkeypatch):
    monkeypatch.setattr(player, "_PREPARED_BYTES", 4 * 6 * 3 * 2)
    source = Frames(20)
    frames = prefetched(source)
    assert frames.prepared.wait(60)
    assert source.made < 6
    assert len(list(frames)) == 20


def test_a_source_that_breaks_is_an_error_for_the_reader():
    frames = iter(prefetched(Frames(5, fail_at=2)))
    assert [next(frames).index, next(frames).index] == [0, 1]
    with pytest.raises(OSError, match="disk is gone"):
        next(frames)


def test_a_frame_that_cannot_be_read_keeps_its_number_and_is_not_sent():
    assert [frame.index for frame in player.outgoing(Frames(4, bad_at=1))] == [0, 2, 3]


def test_a_source_that_breaks_off_has_sent_what_came_before():
    source = Frames(5)
    source.frames = lambda: iter_until_broken(Frames(2).frames())
    assert [frame.index for frame in player.outgoing(source)] == [0, 1]


def iter_until_broken(frames):
    yield from frames
    raise SourceError("the file ends in the middle")


def play(frames, clock=None, keep=None) -> tuple[list, list]:
    sent = []
    publisher = SimpleNamespace(publish=sent.append)
    count = player.play(frames, publisher, player.waits_s(1.0, 0.001), keep, clock)
    stamps = [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for message in sent]
    assert count == len(sent)
    return sent, stamps


def test_playing_tells_each_frame_with_the_moment_it_was_sent(capsys, tmp_path):
    before_ns = time.time_ns()
    sent, stamps = play(player.outgoing(Frames(3)), keep=tmp_path)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told == [{"frame": i, "stamp_ns": stamp, "sent_ns": stamp} for i, stamp in enumerate(stamps)]
    assert stamps == sorted(set(stamps)), "no two frames share a stamp"
    assert before_ns <= stamps[0] <= stamps[-1] <= time.time_ns()
    assert [bytes(message.data) for message in sent] == [bytes([i]) * 72 for i in range(3)]
    assert np.load(tmp_path / "000002.npy")[0, 0, 0] == 2


def test_with_a_clock_the_stamps_are_the_recorded_ones_and_the_clock_reaches_each(capsys):
    shown = []
    clock = player.RecordedClock(shown.append, 1.0)
    _, stamps = play(player.outgoing(Frames(3)), clock)
    clock.stop()
    assert stamps == [0, PERIOD_NS, 2 * PERIOD_NS]
    assert shown[0] == 0
    assert shown[-1] >= stamps[-1]
    assert shown == sorted(shown)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["stamp_ns"] for line in told] == stamps
    assert told[0]["sent_ns"] > 10**18


def test_recorded_stamps_that_repeat_are_told_apart(capsys):
    frames = [SourceFrame(str(i), np.zeros((4, 6, 3), np.uint8), stamp) for i, stamp in enumerate((0, 0, 9, 0))]
    source = Frames(4)
    source.frames = lambda: iter(frames)
    clock = player.RecordedClock(lambda _: None, 1.0)
    _, stamps = play(player.outgoing(source), clock)
    clock.stop()
    assert stamps == [0, 1, 9, 2]
    assert [json.loads(line)["stamp_ns"] for line in capsys.readouterr().out.splitlines()] == stamps


def test_the_clock_runs_back_with_a_new_lap_and_for_nothing_else():
    shown = []
    clock = player.RecordedClock(shown.append, 1e6)
    clock.reach(1_000)
    while shown[-1] < 1_000_000:
        time.sleep(0.001)
    clock.reach(2_000)
    late = shown[-1]
    clock.reach(1_500)
    clock.stop()
    assert late >= 1_000_000
    assert min(shown[shown.index(late) :]) >= 1_500
    assert 1_500 in shown


@pytest.mark.parametrize(
    ("rate", "stamps_s", "waits"),
    [
        (1.0, [5.0, 5.1, 5.3], [0, 0.1, 0.2]),
        (0.5, [5.0, 5.1], [0, 0.2]),
        (2.0, [5.0, 5.1], [0, 0.05]),
        (1.0, [5.0, 5.1, 0.0, 0.1], [0, 0.1, 0.066, 0.1]),
        (1.0, [0.0, 0.0, 0.0], [0, 0.066, 0.066]),
        (1.0, [0.0, 3600.0], [0, 2.0]),
    ],
    ids=["pace", "slower", "faster", "loop", "no stamps", "gap"],
)
def test_frames_wait_as_they_were_recorded_and_loops_and_gaps_cost_no_time(rate, stamps_s, waits):
    wait_s = player.waits_s(rate, 0.066)
    assert [wait_s(round(1e9 * stamp)) for stamp in stamps_s] == pytest.approx(waits)


def test_images_of_a_bag_go_out_as_they_were_recorded():
    data = cv2.imencode(".png", np.zeros((4, 6, 3), np.uint8))[1].ravel()
    header = SimpleNamespace(frame_id="front")
    compressed = player._as_recorded(SimpleNamespace(header=header, format="png", data=data))
    assert (compressed.format, compressed.header.frame_id) == ("png", "front")
    assert bytes(compressed.data) == data.tobytes()
    shape = {"height": 2, "width": 3, "is_bigendian": 0, "step": 8}
    pixels = np.arange(16, dtype=np.uint8)
    raw = player._as_recorded(SimpleNamespace(header=header, encoding="mono8", data=pixels, **shape))
    assert (raw.encoding, raw.step, bytes(raw.data)) == ("mono8", 8, bytes(range(16)))
