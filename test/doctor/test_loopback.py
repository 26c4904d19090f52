# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from gain_ros.doctor.loopback import measure
from gain_ros.evaluation.live.graph import fastdds_profile


@pytest.mark.ros
def test_frames_are_counted_between_two_processes(monkeypatch):
    monkeypatch.setattr("gain_ros.doctor.loopback._DRAIN_S", 1.0)
    seen = measure(fastdds_profile())
    assert seen.sent == 75
    assert 0 < seen.received <= seen.sent
    assert seen.latency_ms > 0
