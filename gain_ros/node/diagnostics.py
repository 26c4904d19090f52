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

"""What the node reports on /diagnostics: counts, a latency budget per stage, and whether that is well."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from gain_ros.node.latest_frames import FrameCounts
from gain_ros.node.worker import FrameTimes
from gain_ros.times import NODE_STAGES, percentiles

_WINDOW_NS = 10 * 1_000_000_000
_SILENCE_NS = 3 * 1_000_000_000
_LOGGED_SILENCE_NS = 5 * 1_000_000_000
# The judged window, in reports of one a second.
_REPORTS = 10
# Below this share a frame lost now and then is not worth a warning.
_LOSS_SHARE = 0.1


@dataclass(frozen=True)
class Health:
    """A diagnostic level and the sentence that goes with it."""

    level: bytes
    message: str


@dataclass(frozen=True)
class Limits:
    """Above what a camera's masks are late: their age (p99), and the share of frames that were superseded."""

    mask_age_s: float
    superseded: float


class CameraMonitor:
    """Collect what happens to one camera's frames, times over the last ten seconds.

    Both threads write to it; the executor's reads it once a second.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._lock = threading.Lock()
        self._times: deque[FrameTimes] = deque()
        self._lost: int | None = 0
        self._last_error = ""
        self._received_ns = time.monotonic_ns()
        self._silence_noticed = False
        self._reported = deque([FrameCounts(0, 0, 0, 0, 0)], maxlen=_REPORTS)
        self._reported_lost = 0
        self._lagging = False
        self.fell_behind = False
        """Whether masks are late as of the last report, and were not before."""

    def received(self) -> None:
        """Note that a frame has arrived, or that the node begins to listen: silence counts from now."""
        with self._lock:
            self._received_ns, self._silence_noticed = time.monotonic_ns(), False

    def fell_silent(self) -> bool:
        """Whether no frame has come for five seconds; true once in each silence."""
        with self._lock:
            silent = time.monotonic_ns() - self._received_ns > _LOGGED_SILENCE_NS
            noticed, self._silence_noticed = self._silence_noticed, silent
            return silent and not noticed

    def lost(self, count: int | None) -> None:
        """Add frames that the middleware says it has lost; None where it cannot say."""
        with self._lock:
            self._lost = None if count is None else (self._lost or 0) + count

    def published(self, times: FrameTimes) -> None:
        """Note what a published mask has cost."""
        with self._lock:
            self._times.append(times)

    def error(self, reason: str) -> None:
        """Keep the reason of the latest failure."""
        with self._lock:
            self._last_error = reason

    def report(self, counts: FrameCounts, limits: Limits) -> tuple[Health, dict[str, str]]:
        """Judge what happened since the last report, and give the values of its status by key."""
        with self._lock:
            now_ns = time.monotonic_ns()
            while self._times and now_ns - self._times[0].end_ns > _WINDOW_NS:
                self._times.popleft()
            times = list(self._times)
            lost, last_error, silent_ns = self._lost, self._last_error, now_ns - self._received_ns
        lost_now = (lost or 0) - self._reported_lost
        ages_ms = [entry.mask_age_ms for entry in times]
        failures = _failures(self._reported[-1], counts, lost_now, last_error, silent_ns, self.topic)
        lag = _lag(self._reported[0], counts, percentiles(ages_ms)["p99"], limits)
        health = failures or lag or Health(DiagnosticStatus.OK, "active")
        self._lagging, self.fell_behind = bool(lag), bool(lag) and not self._lagging
        self._reported.append(counts)
        self._reported_lost = lost or 0
        values = {
            "fps": f"{_rate_hz(times):.1f}",
            "received": str(counts.received),
            "published": str(counts.published),
            "superseded": str(counts.superseded),
            "over_max_rate": str(counts.over_rate),
            "stale": str(counts.stale),
            "failed": str(counts.failed),
            "in_flight": str(counts.in_flight),
            "lost_upstream": "unknown" if lost is None else str(lost),
            **_percentiles("mask_age_ms", ages_ms),
            **_percentiles("stamp_age_ms", [entry.stamp_age_ms for entry in times if entry.stamp_age_ms is not None]),
        }
        for stage in NODE_STAGES:
            values |= _percentiles(f"{stage}_ms", [entry.stage_ms[stage] for entry in times])
        return health, values | {"last_error": last_error}


def status(name: str, hardware_id: str, health: Health, values: Mapping[str, str]) -> DiagnosticStatus:
    """One DiagnosticStatus message."""
    return DiagnosticStatus(
        level=health.level,
        name=name,
        message=health.message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def _failures(
    before: FrameCounts, now: FrameCounts, lost: int, last_error: str, silent_ns: int, topic: str
) -> Health | None:
    """Judge frames that gave no mask since the last report."""
    received, published = now.received - before.received, now.published - before.published
    failed, stale = now.failed - before.failed, now.stale - before.stale
    if failed:
        level = DiagnosticStatus.WARN if published else DiagnosticStatus.ERROR
        return Health(level, f"{failed} frames failed: {last_error}")
    if stale and not published:
        return Health(
            DiagnosticStatus.WARN,
            f"every frame of {topic} is older than max_frame_age: do its clock and this node's agree "
            "(a bag needs use_sim_time)?",
        )
    if lost > _LOSS_SHARE * (received + lost):
        return Health(DiagnosticStatus.WARN, f"{lost} frames of {topic} lost on the way here: see docs/transport.md")
    if silent_ns > _SILENCE_NS:
        return Health(DiagnosticStatus.WARN, f"no frame on {topic} for {silent_ns / 1e9:.0f} s")
    return None


def _lag(before: FrameCounts, now: FrameCounts, age_ms: float | None, limits: Limits) -> Health | None:
    """Judge how far masks are behind the camera, over the last ten seconds; frames over max_rate are not its own."""
    by_rule = now.over_rate - before.over_rate
    received = now.received - before.received - by_rule
    superseded = now.superseded - before.superseded - by_rule
    if (age_ms or 0.0) <= 1e3 * limits.mask_age_s and superseded <= limits.superseded * received:
        return None
    age = "no mask came out" if age_ms is None else f"masks are {age_ms:.0f} ms old (p99)"
    return Health(
        DiagnosticStatus.WARN,
        f"lagging: {age}, {superseded} of {received} frames superseded; warn_mask_age is {limits.mask_age_s:g} s, "
        f"warn_superseded {limits.superseded:g}: take a smaller model, a faster engine or fewer cameras",
    )


def _rate_hz(times: list[FrameTimes]) -> float:
    if len(times) < 2:
        return 0.0
    return (len(times) - 1) * 1e9 / (times[-1].end_ns - times[0].end_ns)


def _percentiles(key: str, values_ms: list[float]) -> dict[str, str]:
    """``<key>_p50``, ``_p95``, ``_p99`` in milliseconds; empty where nothing was measured."""
    found = percentiles(values_ms)
    return {f"{key}_{rank}": "" if value is None else f"{value:.2f}" for rank, value in found.items()}
