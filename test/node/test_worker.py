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

"""The worker settles every frame exactly once, whatever breaks."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from gain_ros.class_output import class_output
from gain_ros.errors import ImageError
from gain_ros.labels import CAMVID
from gain_ros.node.latest_frames import FrameCounts, LatestFrames, ReceivedFrame
from gain_ros.node.worker import LiveSettings, Worker
from gain_ros.runtime.segmenter import Mask

SECOND = 1_000_000_000
NOW_NS = 100 * SECOND
PLAIN = class_output(CAMVID)


class Outputs:
    """Records what is published; raises the error given for a method's name."""

    def __init__(self, errors=None, wants_confidence=False):
        self.wants_confidence = wants_confidence
        self.errors = errors or {}
        self.published, self.masks = [], []

    def publish_mask(self, header, segmentation, classes):
        self._publish("mask", header.stamp.sec)
        self.masks.append((segmentation, classes))

    def publish_extras(self, header, rgb, segmentation, classes, alpha):
        self._publish("extras", alpha)

    def _publish(self, what, value):
        if what in self.errors:
            raise self.errors[what]
        self.published.append((what, value))


class Segmenter:
    """Fails with an error on every frame, or on those that begin with 13."""

    def __init__(self, error=None, too_few=False, picky=False):
        self.error, self.too_few, self.picky, self.calls = error, too_few, picky, []

    def segment(self, frames, confidence):
        self.calls.append((len(frames), confidence))
        if self.error and (not self.picky or any(rgb[0, 0, 0] == 13 for rgb in frames)):
            raise self.error
        labels = np.array([[0, 3, 4]], np.uint8)
        result = Mask(
            labels, np.uint8([[200, 100, 200]]) if confidence else None, {"pre": 1.0, "infer": 2.0, "post": 3}
        )
        return [result] * (len(frames) - self.too_few)


def decode(message, max_pixels, max_side):
    if isinstance(message.pixels, Exception):
        raise message.pixels
    return message.pixels


def message(stamp_s=100, pixels=None):
    header = SimpleNamespace(stamp=SimpleNamespace(sec=stamp_s, nanosec=0))
    return SimpleNamespace(header=header, pixels=np.zeros((2, 2, 3), np.uint8) if pixels is None else pixels)


class Bench:
    """A worker, and what it reports to others."""

    def __init__(self, outputs, segmenter, max_frame_age_s=0.0, classes=PLAIN):
        self.frames = LatestFrames(outputs)
        self.times, self.errors = [], []
        self.worker = Worker(
            self.frames,
            decode,
            outputs,
            settings=lambda: LiveSettings(segmenter, max_frame_age_s, 100, 10, 0.25, classes),
            clock_ns=lambda: NOW_NS,
            on_published=lambda camera, times: self.times.append((camera, times)),
            on_error=lambda camera, reason: self.errors.append((camera, reason)),
        )

    def run(self, *waiting):
        """Put (camera, message) pairs, let the worker take them in one go, and wait until it is done."""
        for camera, one in waiting:
            self.frames.put(ReceivedFrame(camera, one, time.monotonic_ns()))
        self.worker.start()
        assert self.frames.wait_idle(5)
        assert self.worker.stop(5)

    def counts(self, camera="front"):
        return self.frames.counts(camera)


def test_a_frame_is_published_with_its_budget():
    outputs = Outputs()
    bench = Bench({"front": outputs}, Segmenter())
    bench.run(("front", message(stamp_s=97)))
    assert outputs.published == [("mask", 97), ("extras", 0.25)]
    assert bench.counts() == FrameCounts(received=1, published=1, superseded=0, stale=0, failed=0)
    ((camera, times),) = bench.times
    assert camera == "front"
    assert list(times.stage_ms) == ["wait", "decode", "pre", "infer", "post", "publish"]
    assert times.stamp_age_ms == 3000
    assert times.mask_age_ms >= times.stage_ms["wait"]


@pytest.mark.parametrize("error", [ImageError("no image"), RuntimeError("surprise"), MemoryError()])
def test_a_frame_that_cannot_be_decoded_fails_and_the_others_go_on(error):
    outputs = {"front": Outputs(), "left": Outputs()}
    segmenter = Segmenter()
    bench = Bench(outputs, segmenter)
    bench.run(("front", message(pixels=error)), ("left", message()))
    assert bench.counts("front").failed == 1
    assert bench.counts("left").published == 1
    assert segmenter.calls == [(1, False)]
    assert [camera for camera, _ in bench.errors] == ["front"]
    assert str(error) in bench.errors[0][1]


def test_an_engine_that_fails_on_one_camera_s_frame_costs_that_frame_alone():
    charged = {}
    segmenter = Segmenter(RuntimeError("engine broke"), picky=True)
    bench = Bench({"front": Outputs(), "left": Outputs(), "right": Outputs()}, segmenter)
    bench.frames.charge = lambda camera, busy_ns: charged.update({camera: busy_ns})
    bench.run(("front", message()), ("left", message(pixels=np.full((2, 2, 3), 13, np.uint8))), ("right", message()))
    assert [bench.counts(camera).published for camera in ("front", "left", "right")] == [1, 0, 1]
    assert bench.counts("left").failed == 1
    assert bench.errors == [("left", "RuntimeError: engine broke")]
    assert [frames for frames, _ in segmenter.calls] == [3, 1, 1, 1]
    assert set(charged) == {"front", "left", "right"}


def test_each_camera_is_charged_for_what_its_own_frame_cost():
    charged = {}
    bench = Bench({"front": Outputs(), "left": Outputs(), "right": Outputs()}, Segmenter())
    bench.frames.charge = lambda camera, busy_ns: charged.update({camera: busy_ns})
    large = message(pixels=np.zeros((2, 20000, 3), np.uint8))
    bench.run(("front", message()), ("left", large), ("right", message(pixels=ImageError("no image"))))
    # An equal share of 2 ms of network, and 4 ms of resizing by pixels; the rest is what this machine takes.
    assert charged["front"] > 1e6
    assert charged["left"] > 4.9e6
    assert charged["right"] > 0


@pytest.mark.parametrize("segmenter", [Segmenter(RuntimeError("engine broke")), Segmenter(too_few=True)])
def test_an_engine_that_fails_costs_its_frames_alone(segmenter):
    bench = Bench({"front": Outputs(), "left": Outputs()}, segmenter)
    bench.run(("front", message()), ("left", message()))
    for camera in ("front", "left"):
        assert bench.counts(camera) == FrameCounts(received=1, published=0, superseded=0, stale=0, failed=1)
    assert len(bench.errors) == 2
    assert segmenter.error is None or str(segmenter.error) in bench.errors[0][1]


def test_a_graph_that_is_gone_costs_the_frames_at_work_alone():
    class Gone(Outputs):
        @property
        def wants_confidence(self):
            raise RuntimeError("context is invalid")

        @wants_confidence.setter
        def wants_confidence(self, value):
            pass

    bench = Bench({"front": Gone(), "left": Outputs()}, Segmenter())
    bench.run(("front", message(pixels=ImageError("no image"))), ("left", message()))
    assert bench.counts("left").published == 1
    bench = Bench({"front": Gone(), "left": Gone()}, Segmenter())
    bench.run(("front", message()), ("left", message()))
    assert [bench.counts(camera).failed for camera in ("front", "left")] == [1, 1]
    assert "context is invalid" in bench.errors[0][1]


def test_a_mask_that_cannot_be_published_fails():
    bench = Bench({"front": Outputs({"mask": RuntimeError("no graph")})}, Segmenter())
    bench.run(("front", message()))
    assert bench.counts().failed == 1
    assert bench.counts().in_flight == 0
    assert bench.times == []


def test_an_extra_that_cannot_be_published_leaves_the_frame_published():
    bench = Bench({"front": Outputs({"extras": RuntimeError("no graph")})}, Segmenter())
    bench.run(("front", message()))
    assert bench.counts() == FrameCounts(received=1, published=1, superseded=0, stale=0, failed=0)
    assert bench.errors == [("front", "publish: RuntimeError: no graph")]


def test_all_masks_go_out_before_any_extra():
    order = []

    class Ordered(Outputs):
        def _publish(self, what, value):
            order.append(what)

    bench = Bench({"front": Ordered(), "left": Ordered()}, Segmenter())
    bench.run(("front", message()), ("left", message()))
    assert order == ["mask", "mask", "extras", "extras"]


@pytest.mark.parametrize(
    ("stamp_s", "limit_s", "stale"),
    [(98, 1.0, True), (99, 1.0, False), (200, 1.0, False), (1, 0.0, False), (0, 1.0, False)],
    ids=["too old", "at the limit", "from the future", "no limit", "no stamp"],
)
def test_stale_frames(stamp_s, limit_s, stale):
    segmenter = Segmenter()
    bench = Bench({"front": Outputs()}, segmenter, max_frame_age_s=limit_s)
    bench.run(("front", message(stamp_s)))
    assert bench.counts().stale == int(stale)
    assert bench.counts().published == int(not stale)
    assert len(segmenter.calls) == int(not stale)


def test_confidence_is_asked_for_when_one_camera_wants_it():
    segmenter = Segmenter()
    bench = Bench({"front": Outputs(), "left": Outputs(wants_confidence=True)}, segmenter)
    bench.run(("front", message()), ("left", message()))
    assert segmenter.calls == [(2, True)]


def test_masks_are_published_in_the_classes_asked_for_and_confidence_is_computed_for_a_threshold_alone():
    for threshold, ids in ((None, [255, 1, 1]), (0.5, [255, 255, 1])):
        segmenter, outputs = Segmenter(), Outputs()
        classes = class_output(CAMVID, {"traversable": 1}, threshold)
        Bench({"front": outputs}, segmenter, classes=classes).run(("front", message()))
        ((mask, given),) = outputs.masks
        assert mask.labels.tolist() == [ids]
        assert given is classes
        assert segmenter.calls == [(1, threshold is not None)]
        assert mask.stage_ms["post"] >= 3


def test_stopping_does_not_wait_for_an_engine_that_hangs():
    release = threading.Event()

    class Hangs:
        def segment(self, frames, confidence):
            release.wait(10)
            raise RuntimeError("let go")

    bench = Bench({"front": Outputs()}, Hangs())
    bench.frames.put(ReceivedFrame("front", message(), 0))
    bench.worker.start()
    assert not bench.frames.wait_idle(0.05)
    assert not bench.worker.stop(0.05)
    release.set()
    assert bench.worker.stop(5)
