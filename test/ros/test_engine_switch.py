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

"""A real node whose TensorRT engine (a double) is built while another engine serves: no frame lost, the change seen."""

import threading

import numpy as np
import pytest
import tensorrt_double
from cuda_double import CudaDouble, LibraryDouble
from graph import eventually, image, pixels, stamp_ns
from graph_segmenter import GraphSegmenter
from sensor_msgs.msg import Image
from tiny_model_folder import GOLDEN_SIZE, picture, run_graph, write_tiny_model_folder

import gain_ros.runtime.tensorrt
from gain_ros.runtime import fastest, opening
from gain_ros.runtime.opening import open_segmenter
from gain_ros.runtime.tensorrt import cudart


@pytest.fixture
def trt(monkeypatch, tmp_path):
    double = CudaDouble()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cudart, "_find_calls", lambda: cudart._Library(LibraryDouble(double), "libcudart.so.12"))
    monkeypatch.setattr(gain_ros.runtime.tensorrt, "plugin", None, raising=False)
    monkeypatch.setattr(fastest, "choose", lambda *_, **__: (GraphSegmenter(), "the only one"))
    monkeypatch.setattr(opening, "available_engines", lambda: ("tensorrt", "onnxruntime"))
    return tensorrt_double.install(monkeypatch, "10.13.0", double)


def test_a_node_serves_while_tensorrt_builds_and_switches_without_losing_a_frame(graph, trt, tmp_path):
    go = threading.Event()
    trt.behaviour.on_step = lambda step: go.wait(60)
    masks = graph.listen(Image, "segmentation/mask")
    folder = str(write_tiny_model_folder(tmp_path / "tiny"))
    node = graph.start(open_segmenter, model=folder, engine="tensorrt", precision="fp32")
    publisher = graph.publisher()
    sent = {}

    def a_frame_comes_back():
        stamp = len(sent) + 1
        sent[stamp] = picture(*GOLDEN_SIZE, seed=stamp)
        publisher.publish(image(sent[stamp], stamp_ns=stamp))
        eventually(lambda: len(masks) == len(sent), f"the mask of frame {stamp}")

    for _ in range(3):
        a_frame_comes_back()
    eventually(lambda: "50 %" in graph.status().get("engine_build", ""), "the build in diagnostics")
    status = graph.status()
    assert (status["engine"], status["engine_asked"], status["level"]) == ("other", "tensorrt", 1)
    assert "other runs until tensorrt is ready; building" in status["message"]
    go.set()
    while node._model.segmenter.info.engine != "tensorrt":
        a_frame_comes_back()
        assert len(sent) < 2000
    for _ in range(3):
        a_frame_comes_back()
    node.publish_diagnostics()
    status = eventually(lambda: graph.status().get("engine") == "tensorrt" and graph.status(), "the change seen")
    assert status["engine_build"] == ""
    assert status["provider"] == "Double GPU, fp32"
    counts = node.frame_counts()
    assert (counts.received, counts.published) == (len(sent), len(sent))
    for mask in masks:
        np.testing.assert_array_equal(pixels(mask), run_graph(sent[stamp_ns(mask)][None])[0][0])


@pytest.mark.parametrize(("engine", "level"), [("tensorrt", 2), ("auto", 1)])
def test_an_engine_that_cannot_be_built_is_said_for_as_long_as_another_one_serves(graph, trt, tmp_path, engine, level):
    trt.behaviour.build_fails = "no tactic"
    folder = str(write_tiny_model_folder(tmp_path / "tiny"))
    node = graph.start(open_segmenter, model=folder, engine=engine, precision="fp32")
    publisher = graph.publisher()

    def told():
        publisher.publish(image(picture(*GOLDEN_SIZE)))
        node.publish_diagnostics()
        graph.pause(0.05)
        return "no tactic" in graph.status().get("message", "") and graph.status()

    status = eventually(told, "why there is no TensorRT")
    assert (status["engine"], status["engine_asked"], status["level"]) == ("other", engine, level)
    assert f"other runs, engine is {engine}: " in status["message"]


def test_a_node_that_goes_cancels_its_build(graph, trt, tmp_path):
    inside, go = threading.Event(), threading.Event()
    trt.behaviour.on_step = lambda step: (inside.set(), go.wait(60))
    folder = str(write_tiny_model_folder(tmp_path / "tiny"))
    node = graph.start(open_segmenter, model=folder, precision="fp32", engine="tensorrt")
    graph.publisher().publish(image(picture(*GOLDEN_SIZE)))
    assert inside.wait(60)
    build = node._model.build
    assert not node.close(), "the build is still at its step"
    assert build.cancelled
    go.set()
    eventually(lambda: build.text == "", "the end of the build")
    assert node.close()
    assert not list((tmp_path / "cache").rglob("engine.plan"))
