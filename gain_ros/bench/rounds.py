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

"""Candidates in turns, so that a busy machine is busy for all of them: milliseconds a frame and frames a second."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gain_ros.times import percentiles


@dataclass(frozen=True)
class Pace:
    """How long to measure: each of ``rounds`` takes ``round_s`` seconds, and at least ``fewest_frames`` frames.

    Rounds of two seconds leave the node's diagnostics (a window of 10 s) to one round, with enough frames for a p99.
    """

    rounds: int = 5
    round_s: float = 2.0
    fewest_frames: int = 5


class Measurable(Protocol):
    """What takes part in the rounds."""

    def warm_up(self) -> None:
        """Run until the first frames no longer cost more than the others."""

    def measure(self) -> dict[str, float]:
        """One round, frame by frame: p50_ms, p95_ms, p99_ms."""

    def rate_hz(self) -> float:
        """One round under full load: frames a second."""


@dataclass(frozen=True)
class Candidate:
    """``what`` is "engine", "segmenter", "node" or "reference"; ``provider`` is what the engine runs on."""

    what: str
    engine: str
    precision: str
    provider: str
    subject: Measurable


class Repeated:
    """A candidate that is a call, which takes the number of the frame: each call is timed."""

    def __init__(self, call: Callable[[int], object], pace: Pace):
        self._call, self._pace = call, pace

    def warm_up(self) -> None:
        self._times_ms(0.0)

    def measure(self) -> dict[str, float]:
        return times_row(self._times_ms(self._pace.round_s))

    def rate_hz(self) -> float:
        return 1000 / statistics.median(self._times_ms(self._pace.round_s))

    def _times_ms(self, seconds: float) -> list[float]:
        times_ms: list[float] = []
        end_s = time.perf_counter() + seconds
        while len(times_ms) < self._pace.fewest_frames or time.perf_counter() < end_s:
            start_s = time.perf_counter()
            self._call(len(times_ms))
            times_ms.append(1e3 * (time.perf_counter() - start_s))
        return times_ms


def times_row(times_ms: Sequence[float]) -> dict[str, float]:
    """Return p50_ms, p95_ms and p99_ms of some times."""
    return {f"{rank}_ms": value for rank, value in percentiles(times_ms).items() if value is not None}


def take_turns(candidates: Sequence[Candidate], pace: Pace, tick: Callable[[int], object]) -> list[dict[str, Any]]:
    """Measure all candidates; ``tick`` is given the number of measurements done, of rounds × candidates.

    Returns:
        A row each: what, engine, precision, provider, the medians over the rounds of p50_ms, p95_ms and p99_ms, fps,
        and the keys that :func:`compare` adds.

    """
    for candidate in candidates:
        candidate.subject.warm_up()
    rounds: list[list[dict[str, float]]] = []
    for turn in range(pace.rounds):
        rounds.append([])
        for index, candidate in enumerate(candidates):
            rounds[-1].append(candidate.subject.measure())
            tick(turn * len(candidates) + index + 1)
    rows = [_row(candidate, times) for candidate, times in zip(candidates, zip(*rounds, strict=True), strict=True)]
    for row, candidate in zip(rows, candidates, strict=True):  # last: a node under full load shows it in its latencies
        row["fps"] = round(candidate.subject.rate_hz(), 2)
    compare(rows)
    return rows


def _row(candidate: Candidate, rounds: Sequence[dict[str, float]]) -> dict[str, Any]:
    medians = {key: round(statistics.median(each[key] for each in rounds), 3) for key in rounds[0]}
    names = {key: getattr(candidate, key) for key in ("what", "engine", "precision", "provider")}
    return names | medians


def compare(rows: Sequence[dict[str, Any]]) -> None:
    """Add each row's ratio to the fastest Segmenter, and what a node costs over the Segmenter inside it."""
    segmenters = {(row["engine"], row["precision"]): row for row in rows if row["what"] == "segmenter"}
    fastest_ms = min(row["p50_ms"] for row in segmenters.values())
    for row in rows:
        row["ratio"] = round(row["p50_ms"] / fastest_ms, 3)
        if row["what"] == "node":
            inside = segmenters[row["engine"], row["precision"]]
            row["over_segmenter_ms"] = {
                rank: round(row[f"{rank}_ms"] - inside[f"{rank}_ms"], 3) for rank in ("p50", "p95", "p99")
            }
