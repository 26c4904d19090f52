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

"""Serving from another engine until TensorRT is ready, on doubles of both."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from graph_segmenter import GraphSegmenter
from tiny_model_folder import GOLDEN_SIZE, picture, run_graph

from gain_ros.errors import EngineNotBuilt, EngineUnavailable
from gain_ros.frames import from_rgb
from gain_ros.model_folder import read_model_folder
from gain_ros.runtime import fastest, opening
from gain_ros.runtime.opening import open_segmenter
from gain_ros.runtime.segmenter import Mask, Segmenter
from gain_ros.runtime.tensorrt.engine import TensorRtEngine
from gain_ros.runtime.tensorrt.progress import BuildProgress

OTHER = (50, 70)


def eventually(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)


@pytest.fixture
def start(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Opens with TensorRT preferred to ``other``; closes at the end."""
    monkeypatch.setattr(opening, "available_engines", lambda: ("tensorrt", "onnxruntime"))
    opened = []

    def run(other: GraphSegmenter | None, build: BuildProgress | None, must: bool = False) -> Segmenter:
        def choose(*_: object, **__: object) -> tuple[GraphSegmenter, str]:
            if other is None:
                raise EngineUnavailable("no other engine is installed")
            return other, "the only one"

        monkeypatch.setattr(fastest, "choose", choose)
        opened.append(open_segmenter(tiny_folder, "tensorrt" if must else "auto", precision="fp32", build=build))
        return opened[-1]

    yield run
    for segmenter in opened:
        segmenter.close()


def by_tensorrt(mask: Mask) -> bool:
    return mask.confidence.max() > 1


def build(tiny_folder: Path, size: tuple[int, int] = GOLDEN_SIZE) -> None:
    engine = TensorRtEngine(read_model_folder(tiny_folder), precision="fp32")
    engine.prepare((*size, 3), BuildProgress(), GraphSegmenter())
    engine.close()


def test_frames_are_served_while_tensorrt_builds_and_none_is_lost(tensorrt, start) -> None:
    trt, go = tensorrt(), threading.Event()
    trt.behaviour.on_step = lambda step: go.wait(60)
    other, progress = GraphSegmenter(), BuildProgress()
    segmenter = start(other, progress)
    frames = [picture(*GOLDEN_SIZE, seed=seed) for seed in range(4)]
    before = segmenter.segment(frames)
    assert segmenter.info.engine == "other"
    assert not any(map(by_tensorrt, before))
    eventually(lambda: "the TensorRT engine of tiny for 160x90 in fp32: 50 %" in progress.text, "a build in progress")
    go.set()
    after, deadline = [], time.monotonic() + 60
    while not after or not all(map(by_tensorrt, after)):
        assert time.monotonic() < deadline
        after = segmenter.segment(frames)
        assert len(after) == 4
        for rgb, mask in zip(frames, after, strict=True):
            np.testing.assert_array_equal(mask.labels, run_graph(rgb[None])[0][0])
    info = segmenter.info
    assert (info.engine, info.provider, info.device) == ("tensorrt", "Double GPU, fp32", "cuda")
    assert progress.text == ""


def test_each_frame_goes_where_its_size_is_ready(tensorrt, start, tiny_folder: Path) -> None:
    tensorrt()
    build(tiny_folder)
    segmenter = start(GraphSegmenter(), None)
    frames = [picture(*size) for size in (OTHER, GOLDEN_SIZE, OTHER, GOLDEN_SIZE)]
    masks = segmenter.segment(frames)
    assert [by_tensorrt(mask) for mask in masks] == [False, True, False, True]
    assert [mask.labels.shape for mask in masks] == [OTHER, GOLDEN_SIZE, OTHER, GOLDEN_SIZE]
    assert "tensorrt is preferred" in segmenter.info.reason
    assert "(160x90); other until then: the only one" in segmenter.info.reason


def test_two_calls_at_once_wait_for_the_same_engine(tensorrt, start, tiny_folder: Path) -> None:
    tensorrt()
    build(tiny_folder)
    segmenter = start(GraphSegmenter(), None)
    inside, go, masks = threading.Event(), threading.Event(), []
    prepare = segmenter._tensorrt.prepare
    segmenter._tensorrt.prepare = lambda *given: (inside.set(), go.wait(60), prepare(*given))
    threads = [
        threading.Thread(target=lambda: masks.extend(segmenter.segment([picture(*GOLDEN_SIZE)]))) for _ in range(2)
    ]
    threads[0].start()
    assert inside.wait(60)
    threads[1].start()
    threads[1].join(0.3)  # by the other engine it would be done by now
    go.set()
    for thread in threads:
        thread.join()
    assert [by_tensorrt(mask) for mask in masks] == [True, True]


def test_a_size_that_changes_gets_its_own_engine(tensorrt, start) -> None:
    trt = tensorrt()
    segmenter = start(GraphSegmenter(), BuildProgress())
    for size in (GOLDEN_SIZE, OTHER):
        eventually(lambda size=size: by_tensorrt(segmenter.segment([picture(*size)])[0]), f"tensorrt for {size}")
    assert len(trt.behaviour.builds) == 2


def test_a_camera_s_yuv_gets_its_own_engine(tensorrt, start) -> None:
    trt, go = tensorrt(), threading.Event()
    segmenter = start(GraphSegmenter(), BuildProgress())
    rgb = picture(*GOLDEN_SIZE)
    eventually(lambda: by_tensorrt(segmenter.segment([rgb])[0]), "tensorrt for RGB")
    trt.behaviour.on_step = lambda step: go.wait(60)
    frame = from_rgb(rgb, "nv12")
    first, same = segmenter.segment([frame, rgb])
    assert [by_tensorrt(first), by_tensorrt(same)] == [False, True]
    go.set()
    eventually(lambda: by_tensorrt(segmenter.segment([frame])[0]), "tensorrt for NV12")
    np.testing.assert_array_equal(segmenter.segment([frame])[0].labels, first.labels)


def test_warming_up_builds_nothing(tensorrt, start) -> None:
    trt, other = tensorrt(), GraphSegmenter()
    start(other, BuildProgress()).warm_up(3)
    assert other.warm == 3
    assert trt.behaviour.builds == []


def test_a_build_that_fails_leaves_the_frames_where_they_are(tensorrt, start, caplog) -> None:
    trt = tensorrt()
    trt.behaviour.build_fails = "no tactic"
    segmenter = start(GraphSegmenter(), BuildProgress())
    segmenter.segment([picture(*GOLDEN_SIZE)])
    eventually(lambda: "no TensorRT for frames of 160x90: " in caplog.text and "no tactic" in caplog.text, "a warning")
    eventually(lambda: segmenter._states[(*GOLDEN_SIZE, 3)] != "pending", "the end of the build")
    assert not by_tensorrt(segmenter.segment([picture(*GOLDEN_SIZE)])[0])
    assert segmenter.info.engine == "other"
    assert "no tactic" in segmenter.info.failure


def test_a_gpu_that_fails_hands_its_frames_back(tensorrt, start, tiny_folder: Path, caplog) -> None:
    trt = tensorrt()
    build(tiny_folder)
    segmenter = start(GraphSegmenter(), None)
    assert by_tensorrt(segmenter.segment([picture(*GOLDEN_SIZE)])[0])
    trt.behaviour.refuses_launch = "illegal memory access"
    for _ in range(2):
        (mask,) = segmenter.segment([picture(*GOLDEN_SIZE)])
        assert not by_tensorrt(mask)
        assert "illegal memory access" in segmenter.info.failure
    assert caplog.text.count("tensorrt failed, other takes its frames from now on") == 1


def test_without_another_engine_frames_say_what_they_wait_for(tensorrt, start) -> None:
    trt, go = tensorrt(), threading.Event()
    trt.behaviour.on_step = lambda step: go.wait(60)
    segmenter = start(None, BuildProgress(), must=True)
    with pytest.raises(EngineUnavailable, match="no other engine is installed"):
        segmenter.segment([picture(*GOLDEN_SIZE)])
    go.set()

    def served() -> bool:
        try:
            return by_tensorrt(segmenter.segment([picture(*GOLDEN_SIZE)])[0])
        except EngineUnavailable:
            return False

    eventually(served, "tensorrt")


def test_closing_cancels_the_build(tensorrt, start, cuda) -> None:
    trt, inside, go = tensorrt(), threading.Event(), threading.Event()
    trt.behaviour.on_step = lambda step: (inside.set(), go.wait(60))
    other, progress = GraphSegmenter(), BuildProgress()
    segmenter = start(other, progress)
    segmenter.segment([picture(*GOLDEN_SIZE)])
    assert inside.wait(60)
    threading.Timer(0.1, go.set).start()
    segmenter.close()
    assert progress.cancelled
    assert other.closed
    eventually(lambda: progress.text == "", "the end of the build")


def test_asked_for_by_name_and_not_built_is_an_error(tensorrt, start) -> None:
    tensorrt()
    with pytest.raises(EngineNotBuilt, match="no TensorRT engine of tiny was built here; run `gain build tiny`"):
        start(GraphSegmenter(), None, must=True)


def test_auto_without_a_built_engine_takes_the_others_and_says_why(tensorrt, start) -> None:
    tensorrt()
    other = GraphSegmenter()
    assert start(other, None) is other
    why = "no TensorRT engine of tiny was built here; run `gain build tiny`"
    assert other.info.reason == f"the only one; tensorrt left out: {why}"


def test_asked_for_by_name_and_built_serves_alone(tensorrt, start, tiny_folder: Path) -> None:
    tensorrt()
    build(tiny_folder)
    segmenter = start(GraphSegmenter(), None, must=True)
    assert by_tensorrt(segmenter.segment([picture(*GOLDEN_SIZE)])[0])
    with pytest.raises(EngineNotBuilt, match="70x50"):
        segmenter.segment([picture(*OTHER)])


def test_where_tensorrt_does_not_work_auto_says_so(cuda, tensorrt, start) -> None:
    tensorrt()
    cuda.failing["cudaGetDeviceCount"] = 35
    other = GraphSegmenter()
    assert start(other, BuildProgress()) is other
    assert "tensorrt left out: libcudart.so.12 cannot use a GPU" in other.info.reason
    with pytest.raises(EngineUnavailable, match="cannot use a GPU"):
        start(GraphSegmenter(), BuildProgress(), must=True)


def test_a_machine_without_tensorrt_says_nothing_of_it(start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "available_engines", lambda: ("onnxruntime",))
    monkeypatch.setattr(opening, "open_engine", pytest.fail)
    other = GraphSegmenter()
    assert start(other, None) is other
    assert other.info.reason == "the only one"


def test_auto_with_tensorrt_alone_says_so(tensorrt, start, tiny_folder: Path) -> None:
    tensorrt()
    build(tiny_folder)
    segmenter = start(None, None)
    assert by_tensorrt(segmenter.segment([picture(*GOLDEN_SIZE)])[0])
    assert segmenter.info.reason == "no other engine until then"


def test_what_serves_is_one_value_that_is_never_half_changed(tensorrt, start) -> None:
    tensorrt()
    segmenter = start(GraphSegmenter(), BuildProgress())
    seen = {segmenter.info}

    def both_seen() -> bool:
        segmenter.segment([picture(*GOLDEN_SIZE)])
        seen.add(segmenter.info)
        return len(seen) > 1

    eventually(both_seen, "both")
    assert {(info.engine, info.version, info.provider, info.device) for info in seen} == {
        ("other", "1", "CPU", "cpu"),
        ("tensorrt", "10.13.0", "Double GPU, fp32", "cuda"),
    }
    assert len({info.reason for info in seen}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        segmenter.info.engine = "another"


def test_the_whole_way_with_a_real_engine_beside_it(tensorrt, deployed_folder: Path) -> None:
    """open_segmenter itself: ONNX Runtime or a neighbour serves, TensorRT is built and takes over."""
    tensorrt()
    progress = BuildProgress()
    with open_segmenter(deployed_folder, precision="fp32", threads=1, build=progress) as segmenter:
        first = segmenter.info.engine
        rgb = picture(72, 104)
        before = segmenter.segment([rgb])[0]
        eventually(lambda: segmenter.segment([rgb]) and segmenter.info.engine == "tensorrt", "tensorrt")
        after = segmenter.segment([rgb])[0]
    assert first in ("onnxruntime", "openvino", "torch")
    assert (before.labels == after.labels).mean() >= 0.999
    assert np.abs(before.confidence.astype(int) - after.confidence).max() <= 2
