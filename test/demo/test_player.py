from __future__ import annotations

import json
import time
from types import SimpleNamespace

import numpy as np
import pytest

from gain_ros.demo import player
from gain_ros.replay.sources import Source, SourceFrame


class Frames(Source):
    def __init__(self, count: int, fail_at: int | None = None):
        super().__init__("frames", count, 1000.0)
        self.count, self.fail_at, self.made = count, fail_at, 0

    def __iter__(self):
        for index in range(self.count):
            if index == self.fail_at:
                raise OSError("the disk is gone")
            self.made += 1
            yield SourceFrame(str(index), np.full((4, 6, 3), index, np.uint8), index)


def test_frames_come_prepared_in_order_and_no_more_than_the_limit():
    ahead = player.Prefetched(Frames(10), limit=4)
    assert ahead.prepared.wait(5)
    assert [frame.stem for frame in ahead] == ["0", "1", "2", "3"]


def test_preparing_stops_where_the_memory_ends(monkeypatch):
    monkeypatch.setattr(player, "_AHEAD_BYTES", 4 * 6 * 3 * 2)
    source = Frames(20)
    ahead = player.Prefetched(source, limit=20)
    assert ahead.prepared.wait(5)
    assert source.made < 6
    assert len(list(ahead)) == 20


def test_a_source_that_breaks_is_an_error_for_the_reader():
    ahead = player.Prefetched(Frames(5, fail_at=2), limit=5)
    frames = iter(ahead)
    assert [next(frames).stem, next(frames).stem] == ["0", "1"]
    with pytest.raises(OSError, match="disk is gone"):
        next(frames)


def test_playing_tells_each_frame_with_the_stamp_it_was_sent_with(capsys, tmp_path):
    sent, before_ns = [], time.time_ns()
    publisher = SimpleNamespace(publish=sent.append)
    assert player.play(iter(Frames(3)), publisher, 1000.0, tmp_path) == 3
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    stamps = [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for message in sent]
    assert told == [{"frame": i, "stamp_ns": stamp} for i, stamp in enumerate(stamps)]
    assert stamps == sorted(set(stamps)), "no two frames share a stamp"
    assert before_ns <= stamps[0] <= stamps[-1] <= time.time_ns()
    assert [bytes(message.data) for message in sent] == [bytes([i]) * 72 for i in range(3)]
    assert np.load(tmp_path / "000002.npy")[0, 0, 0] == 2
