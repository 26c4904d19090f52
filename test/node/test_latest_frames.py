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

"""Latest frame wins, and every frame ends as exactly one thing."""

import itertools
import random
import threading

import pytest

from gain_ros.node.latest_frames import FrameCounts, LatestFrames, Outcome, ReceivedFrame


def frame(camera, message=0):
    return ReceivedFrame(camera, message, received_ns=0)


def test_a_later_frame_takes_the_place_of_the_one_that_waits():
    frames = LatestFrames(["front"])
    for message in range(3):
        frames.put(frame("front", message))
    assert [taken.message for taken in frames.take()] == [2]
    assert frames.counts("front") == FrameCounts(received=3, published=0, superseded=2, stale=0, failed=0)
    assert frames.counts("front").in_flight == 1


def test_every_camera_with_a_frame_is_served_at_once():
    frames = LatestFrames(["front", "left"])
    for message in range(5):
        frames.put(frame("front", message))
    frames.put(frame("left", 9))
    assert {taken.camera: taken.message for taken in frames.take()} == {"front": 4, "left": 9}
    assert frames.counts("left").superseded == 0


@pytest.mark.parametrize("outcome", list(Outcome))
def test_settled_frames_are_counted_by_outcome(outcome):
    frames = LatestFrames(["front"])
    frames.put(frame("front"))
    (taken,) = frames.take()
    frames.settle(taken, outcome)
    counts = frames.counts("front")
    assert getattr(counts, outcome.value) == 1
    assert counts.in_flight == 0


def test_frames_that_wait_when_the_node_stops_are_superseded():
    frames = LatestFrames(["front", "left"])
    frames.put(frame("front"))
    frames.drop_waiting()
    assert frames.counts("front") == FrameCounts(received=1, published=0, superseded=1, stale=0, failed=0)
    assert frames.counts("left").received == 0


def test_closing_ends_the_worker_and_later_frames_are_superseded():
    frames = LatestFrames(["front"])
    frames.put(frame("front"))
    frames.close()
    frames.put(frame("front"))
    assert frames.take() == []
    assert frames.counts("front") == FrameCounts(received=2, published=0, superseded=2, stale=0, failed=0)


def test_idle_means_nothing_waits_and_nothing_is_at_work():
    frames = LatestFrames(["front"])
    assert frames.wait_idle(0)
    frames.put(frame("front"))
    assert not frames.wait_idle(0)
    (taken,) = frames.take()
    frames.settle(taken, Outcome.PUBLISHED)
    assert not frames.wait_idle(0)  # settled, but the worker may still publish what goes with it
    worker = threading.Thread(target=frames.take)
    worker.start()
    assert frames.wait_idle(5)
    frames.close()
    worker.join(5)
    assert not worker.is_alive()


def serve(cost_ms, hz, seconds=30):
    """Simulate a worker that a frame of each camera keeps busy for ``cost_ms``: masks a second, frames a call."""
    now = [0]
    frames = LatestFrames(cost_ms, clock_ns=lambda: now[0])
    arrivals = {camera: 7_000_000 * number for number, camera in enumerate(cost_ms)}
    calls = []

    def pass_time(until_ns):
        while arrivals[camera := min(arrivals, key=arrivals.get)] <= until_ns:
            now[0] = arrivals[camera]
            frames.put(ReceivedFrame(camera, None, now[0]))
            arrivals[camera] += int(1e9 / hz)
        now[0] = until_ns

    while now[0] < seconds * 1e9:
        wait_s = frames._until_due_s()
        if wait_s != 0:  # nothing is due: to the next event
            pass_time(min(*arrivals.values(), now[0] + int(1e9 * (wait_s or seconds)) + 1))
            continue
        calls.append(taken := frames.take())
        pass_time(now[0] + int(1e6 * sum(cost_ms[one.camera] for one in taken)))
        for one in taken:
            frames.settle(one, Outcome.PUBLISHED)
            frames.charge(one.camera, int(1e6 * cost_ms[one.camera]))
    rates = {camera: frames.counts(camera).published / seconds for camera in cost_ms}
    return rates, sum(map(len, calls)) / len(calls)


@pytest.mark.parametrize("cost_ms", [(25, 25, 25), (35, 45, 40), (30, 32)])
def test_cameras_of_like_cost_are_served_in_one_call_and_leave_the_worker_no_pause(cost_ms):
    rates, together = serve(dict(zip("abc", cost_ms, strict=False)), hz=30)
    assert together > 0.98 * len(cost_ms)
    assert min(rates.values()) > 0.98 * 1000 / sum(cost_ms)


@pytest.mark.parametrize(("large_ms", "least_hz"), [(120, 9.0), (60, 9.9)])
def test_large_frames_of_one_camera_take_no_more_than_its_share(large_ms, least_hz):
    rates, _ = serve({"a": 25, "b": large_ms, "c": 25}, hz=10)
    assert min(rates["a"], rates["c"]) > least_hz
    assert rates["b"] * large_ms > 1000 / 3


def test_a_camera_alone_has_all_the_time():
    assert serve({"a": 100}, hz=30)[0]["a"] > 9.9


def serve_limited(camera_hz, rate_hz, cost_ms=5, late_ms=0, seconds=20):
    """Simulate one camera under a limit: when frames were taken, how old they were by then, and the counts."""
    now = [0]
    frames = LatestFrames("a", clock_ns=lambda: now[0])
    frames.limit_rate(rate_hz)
    arrival, taken = 0, []

    def pass_time(until_ns):
        nonlocal arrival
        while arrival <= until_ns:
            now[0] = arrival
            frames.put(ReceivedFrame("a", None, arrival))
            arrival += round(1e9 / camera_hz)
        now[0] = until_ns

    pass_time(0)
    while now[0] < seconds * 1e9:
        wait_s = frames._until_due_s()
        if wait_s != 0:
            pass_time(arrival if wait_s is None else now[0] + round(1e9 * wait_s) + round(1e6 * late_ms))
            continue
        (one,) = frames.take()
        taken.append((now[0] / 1e9, (now[0] - one.received_ns) / 1e6))
        pass_time(now[0] + round(1e6 * cost_ms))
        frames.settle(one, Outcome.PUBLISHED)
        frames.charge("a", round(1e6 * cost_ms))
    return [time_s for time_s, _ in taken], [age_ms for _, age_ms in taken], frames.counts("a")


@pytest.mark.parametrize("late_ms", [0, 3])
@pytest.mark.parametrize(("camera_hz", "rate_hz"), [(30, 10), (30, 7), (100, 33.3), (30, 29)])
def test_a_limit_of_the_rate_is_met_with_the_newest_frame_and_by_rule(camera_hz, rate_hz, late_ms):
    times_s, ages_ms, counts = serve_limited(camera_hz, rate_hz, late_ms=late_ms)
    assert len(times_s) == pytest.approx(20 * rate_hz, abs=2)
    assert min(b - a for a, b in itertools.pairwise(times_s)) >= 1 / rate_hz - 1e-3 * late_ms - 1e-6
    assert max(ages_ms) <= 1000 / camera_hz + late_ms
    assert counts.superseded > 0
    assert late_ms or counts.over_rate == counts.superseded


@pytest.mark.parametrize(("camera_hz", "rate_hz"), [(10, 0), (10, 10), (10, 30)])
def test_a_limit_that_the_camera_keeps_costs_nothing(camera_hz, rate_hz):
    _, ages_ms, counts = serve_limited(camera_hz, rate_hz)
    assert (max(ages_ms), counts.superseded, counts.over_rate) == (0, 0, 0)


def test_after_a_pause_no_frames_come_in_a_burst():
    now = [0]
    frames = LatestFrames("a", clock_ns=lambda: now[0])
    frames.limit_rate(10)
    for now[0], waits_s in ((0, 0), (5_000_000_000, 0), (5_001_000_000, 0.049), (5_050_000_000, 0)):
        frames.put(frame("a"))
        assert frames._until_due_s() == pytest.approx(waits_s)
        if waits_s == 0:
            frames.take()


def test_frames_that_make_way_to_a_busy_worker_are_none_of_the_limit_s():
    now = [0]
    frames = LatestFrames("a", clock_ns=lambda: now[0])
    frames.limit_rate(10)
    for now[0] in (0, 50_000_000, 90_000_000, 120_000_000, 130_000_000):
        frames.put(frame("a"))
        if now[0] == 0:
            frames.take()
    counts = frames.counts("a")
    assert (counts.superseded, counts.over_rate) == (3, 1)


def test_a_limit_that_is_lifted_wakes_the_worker():
    frames = LatestFrames("a")
    frames.limit_rate(1e-300)
    frames.put(frame("a", 1))
    frames.take()
    frames.put(frame("a", 2))
    taken = []
    worker = threading.Thread(target=lambda: taken.extend(frames.take()))
    worker.start()
    worker.join(0.05)
    assert worker.is_alive()
    frames.limit_rate(0)
    worker.join(5)
    assert [one.message for one in taken] == [2]


def test_how_long_the_worker_is_busy():
    now = [0]
    frames = LatestFrames(["front"], clock_ns=lambda: now[0])
    frames.put(frame("front"))
    now[0] += 10**9
    assert frames.busy_s() == 0
    frames.take()
    now[0] += 2 * 10**9
    assert frames.busy_s() == 2
    frames.close()
    assert frames.take() == []
    assert frames.busy_s() == 0


def test_counts_add_up_at_every_moment_of_a_busy_run():
    cameras = ["front", "left", "right"]
    frames = LatestFrames(cameras)
    chosen = random.Random(0)
    off = []

    def work():
        while taken := frames.take():
            for one in taken:
                frames.settle(one, chosen.choice(list(Outcome)))

    worker = threading.Thread(target=work)
    worker.start()
    for number in range(3000):
        camera = cameras[number % 3]
        frames.put(frame(camera, number))
        counts = frames.counts(camera)
        if not 0 <= counts.in_flight <= 2:
            off.append(counts)
        if number % 500 == 0:
            frames.drop_waiting()
    assert frames.wait_idle(5)
    frames.close()
    worker.join(5)
    assert off == []
    assert [frames.counts(camera).received for camera in cameras] == [1000] * 3
    assert [frames.counts(camera).in_flight for camera in cameras] == [0] * 3
