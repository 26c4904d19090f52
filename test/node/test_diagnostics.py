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

"""What /diagnostics says: levels, percentiles, rates."""

import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from gain_ros.node import diagnostics
from gain_ros.node.diagnostics import CameraMonitor, Health, Limits, status
from gain_ros.node.latest_frames import FrameCounts
from gain_ros.node.worker import FrameTimes
from gain_ros.times import NODE_STAGES as STAGES

SECOND = 1_000_000_000
LIMITS = Limits(mask_age_s=0.5, superseded=0.8)
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that a test moves."""

    class Clock:
        now_ns = 1000 * SECOND

        def monotonic_ns(self):
            return self.now_ns

    fake = Clock()
    monkeypatch.setattr(diagnostics, "time", fake)
    return fake


def times(end_ns, age_ms, stamp_age_ms=None):
    return FrameTimes(end_ns, age_ms, stamp_age_ms, dict.fromkeys(STAGES, age_ms / 10))


def counts(received=0, published=0, superseded=0, stale=0, failed=0):
    return FrameCounts(received, published, superseded, stale, failed)


def test_percentiles_and_rate_over_the_last_ten_seconds(clock):
    monitor = CameraMonitor("/image")
    monitor.published(times(clock.now_ns - 11 * SECOND, 10_000))
    ages_ms = np.arange(1, 101)
    for index, age_ms in enumerate(ages_ms):
        monitor.published(times(clock.now_ns - (100 - index) * SECOND // 20, float(age_ms), 2.0 * age_ms))
    _, values = monitor.report(counts(101, 101), LIMITS)
    assert float(values["fps"]) == 20.0
    for rank in (50, 95, 99):
        assert float(values[f"mask_age_ms_p{rank}"]) == pytest.approx(np.percentile(ages_ms, rank), abs=0.01)
        assert float(values[f"stamp_age_ms_p{rank}"]) == pytest.approx(2 * np.percentile(ages_ms, rank), abs=0.01)
        assert float(values[f"infer_ms_p{rank}"]) == pytest.approx(np.percentile(ages_ms, rank) / 10, abs=0.01)


def test_nothing_measured_is_empty_not_zero(clock):
    _, values = CameraMonitor("/image").report(counts(), LIMITS)
    assert values["fps"] == "0.0"
    assert {values[f"{name}_ms_p50"] for name in ("mask_age", "stamp_age", *STAGES)} == {""}


def test_counts_are_given_as_they_are(clock):
    _, values = CameraMonitor("/image").report(counts(20, 9, 5, 3, 2), LIMITS)
    names = ("received", "published", "superseded", "stale", "failed", "in_flight")
    assert [int(values[name]) for name in names] == [20, 9, 5, 3, 2, 1]


@pytest.mark.parametrize(
    ("now", "level", "said"),
    [
        (counts(30, 30), OK, "active"),
        (counts(30, 10, 20), OK, "active"),
        (counts(30, 29, failed=1), WARN, "1 frames failed: broken"),
        (counts(30, failed=30), ERROR, "30 frames failed: broken"),
        (counts(30, stale=30), WARN, "max_frame_age"),
        (counts(30, 20, stale=10), OK, "active"),
    ],
)
def test_the_level_follows_what_happened_since_the_last_report(clock, now, level, said):
    monitor = CameraMonitor("/image")
    monitor.error("broken")
    health, _ = monitor.report(now, LIMITS)
    assert health.level == level
    assert said in health.message
    health, values = monitor.report(now, LIMITS)
    assert health == Health(OK, "active")
    assert values["last_error"] == "broken"


@pytest.mark.parametrize(
    ("age_ms", "superseded", "level"),
    [(922, 55, WARN), (922, 0, WARN), (190, 55, WARN), (190, 48, OK), (190, 40, OK), (499, 0, OK)],
)
def test_masks_that_are_late_are_a_warning_with_numbers(clock, age_ms, superseded, level):
    monitor = CameraMonitor("/image")
    monitor.published(times(clock.now_ns, age_ms))
    health, _ = monitor.report(counts(60, 60 - superseded, superseded), LIMITS)
    assert health.level == level
    if level == WARN:
        assert f"masks are {age_ms} ms old (p99), {superseded} of 60 frames superseded" in health.message
        assert monitor.report(counts(60, 60 - superseded, superseded), Limits(1.0, 1.0))[0] == Health(OK, "active")


def test_frames_over_max_rate_are_no_lag(clock):
    monitor = CameraMonitor("/image")
    health, values = monitor.report(FrameCounts(100, 10, 90, 0, 0, over_rate=90), LIMITS)
    assert (health, values["superseded"], values["over_max_rate"]) == (Health(OK, "active"), "90", "90")
    lag = monitor.report(FrameCounts(200, 11, 189, 0, 0, over_rate=180), LIMITS)[0]
    assert (lag.level, "9 of 20 frames superseded" in lag.message) == (OK, False)
    assert "99 of 111 frames" in monitor.report(FrameCounts(300, 12, 288, 0, 0, over_rate=189), LIMITS)[0].message


def test_lag_is_judged_over_ten_reports_and_ends(clock):
    monitor = CameraMonitor("/image")
    assert not monitor.fell_behind
    assert monitor.report(counts(10, superseded=10), LIMITS)[0].level == WARN
    assert monitor.fell_behind
    levels = [monitor.report(counts(10, superseded=10), LIMITS)[0].level for _ in range(12)]
    assert levels == [WARN] * 9 + [OK] * 3
    assert not monitor.fell_behind


def test_failures_tell_more_than_lag(clock):
    monitor = CameraMonitor("/image")
    monitor.error("broken")
    assert "failed: broken" in monitor.report(counts(60, superseded=55, failed=5), LIMITS)[0].message


def test_silence_is_a_warning_that_names_the_topic(clock):
    monitor = CameraMonitor("/camera/image_raw")
    clock.now_ns += 4 * SECOND
    health, _ = monitor.report(counts(), LIMITS)
    assert health == Health(WARN, "no frame on /camera/image_raw for 4 s")
    monitor.received()
    assert monitor.report(counts(1, 1), LIMITS)[0].level == OK


def test_each_silence_is_noticed_once(clock):
    monitor = CameraMonitor("/image")
    for _ in range(2):
        clock.now_ns += 4 * SECOND
        assert not monitor.fell_silent()
        clock.now_ns += 2 * SECOND
        assert [monitor.fell_silent(), monitor.fell_silent()] == [True, False]
        monitor.received()


@pytest.mark.parametrize(("lost", "level"), [(8, OK), (12, WARN)])
def test_losses_above_a_tenth_are_a_warning(clock, lost, level):
    monitor = CameraMonitor("/image")
    for _ in range(lost):
        monitor.lost(1)
    health, values = monitor.report(counts(92, 92), LIMITS)
    assert values["lost_upstream"] == str(lost)
    assert health.level == level
    assert ("docs/transport.md" in health.message) == (level == WARN)
    assert monitor.report(counts(184, 184), LIMITS)[0].level == OK, "nothing lost since the last report"


def test_losses_tell_more_than_silence(clock):
    monitor = CameraMonitor("/image")
    clock.now_ns += 4 * SECOND
    monitor.lost(90)
    assert "90 frames of /image lost" in monitor.report(counts(), LIMITS)[0].message


def test_where_the_middleware_does_not_tell_losses_are_unknown(clock):
    monitor = CameraMonitor("/image")
    monitor.lost(None)
    health, values = monitor.report(counts(30, 30), LIMITS)
    assert values["lost_upstream"] == "unknown"
    assert health.level == OK


def test_a_node_that_begins_to_listen_is_not_silent(clock):
    monitor = CameraMonitor("/image")
    clock.now_ns += 60 * SECOND
    monitor.received()
    assert monitor.report(counts(), LIMITS)[0].level == OK


def test_a_status_message():
    message = status("segmentation", "gain_nano", Health(WARN, "hm"), {"fps": "1.0"})
    assert (message.name, message.hardware_id) == ("segmentation", "gain_nano")
    assert (message.level, message.message) == (WARN, "hm")
    assert [(value.key, value.value) for value in message.values] == [("fps", "1.0")]


def test_a_report_is_safe_while_the_worker_writes():
    monitor = CameraMonitor("/image")
    for _ in range(200):
        monitor.published(times(time.monotonic_ns(), 1.0))
        assert monitor.report(counts(1, 1), LIMITS)[0].level == OK
