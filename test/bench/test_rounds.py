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

from gain_ros.bench.rounds import Candidate, Pace, Repeated, compare, take_turns, times_row


class Scripted:
    """Takes 1 ms a frame in its first round, 3 ms in the second, 2 ms in the third."""

    def __init__(self, log: list[str], name: str):
        self.log, self.name, self.times_ms = log, name, iter([1.0, 3.0, 2.0])

    def warm_up(self):
        self.log.append(f"{self.name} warms up")

    def measure(self):
        self.log.append(f"{self.name} runs")
        return times_row([next(self.times_ms)])

    def rate_hz(self):
        self.log.append(f"{self.name} under load")
        return 123.456


def test_candidates_take_turns_and_each_row_holds_the_median_of_its_rounds():
    log: list[str] = []
    done: list[int] = []
    candidates = [Candidate("segmenter", name, "int8", "CPU", Scripted(log, name)) for name in ("a", "b")]
    rows = take_turns(candidates, Pace(rounds=3), done.append)
    turns = ["a runs", "b runs"] * 3
    assert log == ["a warms up", "b warms up", *turns, "a under load", "b under load"]
    assert done == [1, 2, 3, 4, 5, 6]
    times = {"p50_ms": 2.0, "p95_ms": 2.0, "p99_ms": 2.0, "fps": 123.46, "ratio": 1.0}
    assert rows[1] == {"what": "segmenter", "engine": "b", "precision": "int8", "provider": "CPU", **times}


def test_a_call_is_repeated_until_time_is_up_and_frames_are_enough():
    calls: list[int] = []
    repeated = Repeated(calls.append, Pace(round_s=0.0, fewest_frames=4))
    repeated.warm_up()
    assert calls == [0, 1, 2, 3]
    assert repeated.measure().keys() == {"p50_ms", "p95_ms", "p99_ms"}
    assert repeated.rate_hz() > 0


def test_percentiles_and_ratios():
    assert times_row([1.0, 2.0, 3.0])["p50_ms"] == 2.0
    rows = [
        {"what": "segmenter", "engine": "a", "precision": "fp32", "p50_ms": 4.0, "p95_ms": 5.0, "p99_ms": 6.0},
        {"what": "segmenter", "engine": "a", "precision": "int8", "p50_ms": 2.0, "p95_ms": 3.0, "p99_ms": 4.0},
        {"what": "node", "engine": "a", "precision": "fp32", "p50_ms": 5.0, "p95_ms": 7.0, "p99_ms": 9.0},
    ]
    compare(rows)
    assert [row["ratio"] for row in rows] == [2.0, 1.0, 2.5]
    assert rows[2]["over_segmenter_ms"] == {"p50": 1.0, "p95": 2.0, "p99": 3.0}
