# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Latest frame wins, and every frame ends as exactly one thing."""

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
