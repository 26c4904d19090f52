"""What /diagnostics says: levels, percentiles, rates."""

import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from gain_ros.node import diagnostics
from gain_ros.node.diagnostics import CameraMonitor, Health, status
from gain_ros.node.latest_frames import FrameCounts
from gain_ros.node.worker import FrameTimes
from gain_ros.times import NODE_STAGES as STAGES

SECOND = 1_000_000_000
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that stands still unless told."""

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
    _, values = monitor.report(counts(101, 101))
    assert float(values["fps"]) == 20.0
    for rank in (50, 95, 99):
        assert float(values[f"mask_age_ms_p{rank}"]) == pytest.approx(np.percentile(ages_ms, rank), abs=0.01)
        assert float(values[f"stamp_age_ms_p{rank}"]) == pytest.approx(2 * np.percentile(ages_ms, rank), abs=0.01)
        assert float(values[f"infer_ms_p{rank}"]) == pytest.approx(np.percentile(ages_ms, rank) / 10, abs=0.01)


def test_nothing_measured_is_empty_not_zero(clock):
    _, values = CameraMonitor("/image").report(counts())
    assert values["fps"] == "0.0"
    assert {values[f"{name}_ms_p50"] for name in ("mask_age", "stamp_age", *STAGES)} == {""}


def test_counts_are_given_as_they_are(clock):
    _, values = CameraMonitor("/image").report(counts(20, 9, 5, 3, 2))
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
    health, _ = monitor.report(now)
    assert health.level == level
    assert said in health.message
    health, values = monitor.report(now)
    assert health == Health(OK, "active")
    assert values["last_error"] == "broken"


def test_silence_is_a_warning_that_names_the_topic(clock):
    monitor = CameraMonitor("/camera/image_raw")
    clock.now_ns += 4 * SECOND
    health, _ = monitor.report(counts())
    assert health == Health(WARN, "no frame on /camera/image_raw for 4 s")
    monitor.heard(stamp_ns=1)
    assert monitor.report(counts(1, 1))[0].level == OK


def test_losses_on_the_way_are_a_warning(clock):
    monitor = CameraMonitor("/image")
    arrived = [n for n in range(100) if n % 10 or n < 20]
    for n in arrived:
        monitor.heard(n * SECOND // 30)
    health, values = monitor.report(counts(len(arrived), len(arrived)))
    assert values["lost_upstream"] == "8"
    assert health.level == OK  # 8 of 100
    for n in range(100, 160, 2):
        monitor.heard(n * SECOND // 30)
        monitor.heard(n * SECOND // 30 + SECOND // 60)
    for n in (160, 161, 163, 164, 167, 168, 172, 173):
        monitor.heard(n * SECOND // 30)
    health, _ = monitor.report(counts(len(arrived) + 10, len(arrived) + 10))
    assert health.level == WARN
    assert "docs/transport.md" in health.message


def test_a_new_stretch_is_neither_silent_nor_lossy(clock):
    monitor = CameraMonitor("/image")
    for n in range(20):
        monitor.heard(n * SECOND // 30)
    clock.now_ns += 60 * SECOND
    monitor.restart()
    monitor.heard(25 * SECOND // 30)
    health, values = monitor.report(counts(21, 21))
    assert health.level == OK
    assert values["lost_upstream"] == "0"


def test_a_status_message():
    message = status("segmentation", "gain_nano", Health(WARN, "hm"), {"fps": "1.0"})
    assert (message.name, message.hardware_id) == ("segmentation", "gain_nano")
    assert (message.level, message.message) == (WARN, "hm")
    assert [(value.key, value.value) for value in message.values] == [("fps", "1.0")]


def test_a_report_is_safe_while_the_worker_writes():
    monitor = CameraMonitor("/image")
    for _ in range(200):
        monitor.published(times(time.monotonic_ns(), 1.0))
        assert monitor.report(counts(1, 1))[0].level == OK
