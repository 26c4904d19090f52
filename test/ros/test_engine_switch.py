"""A real node whose TensorRT engine (a double) is built while another engine serves: no frame lost, the change seen."""

import functools
import threading

import numpy as np
import pytest
import tensorrt_double
from cuda_double import CudaDouble, LibraryDouble
from graph import eventually, image, pixels, stamp_ns
from sensor_msgs.msg import Image
from tiny_model_folder import GOLDEN_SIZE, picture, run_graph, write_tiny_model_folder

import gain_ros.runtime.tensorrt
from gain_ros.model_folder import read_model_folder
from gain_ros.runtime.engines import open_engine
from gain_ros.runtime.segmenter import Segmentation
from gain_ros.runtime.tensorrt import cudart, preferring


class Base:
    """The engine that serves meanwhile."""

    engine, engine_version, provider, device, reason = "base", "1", "CPU", "cpu", "the only one"

    def segment(self, frames, confidence=True):
        stage_ms = dict.fromkeys(("pre", "infer", "post"), 0.1)
        return [Segmentation(run_graph(rgb[None])[0][0], None, stage_ms) for rgb in frames]

    def warm_up(self, batch):
        pass

    def close(self):
        pass


def open_segmenter(folder, model, engine, device, threads, tensorrt):
    opened = read_model_folder(folder)
    fast = functools.partial(open_engine, "tensorrt", opened, device, threads, tensorrt)
    return preferring.open_with_tensorrt(opened, Base, fast, must=engine == "tensorrt", build=tensorrt.build)


@pytest.fixture
def trt(monkeypatch, tmp_path):
    double = CudaDouble()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cudart, "_find_calls", lambda: cudart._Library(LibraryDouble(double), "libcudart.so.12"))
    monkeypatch.setattr(gain_ros.runtime.tensorrt, "plugin", None, raising=False)
    return tensorrt_double.install(monkeypatch, "10.13.0", double)


def test_a_node_serves_while_tensorrt_builds_and_switches_without_losing_a_frame(graph, trt, tmp_path):
    go = threading.Event()
    trt.behaviour.on_step = lambda step: go.wait(60)
    masks = graph.listen(Image, "segmentation/mask")
    opener = functools.partial(open_segmenter, write_tiny_model_folder(tmp_path / "tiny"))
    node = graph.start(opener, model="tiny", engine="tensorrt", precision="fp32")
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
    assert graph.status()["engine"] == "base"
    go.set()
    while node._segmenter.engine != "tensorrt":
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


def test_a_node_that_goes_cancels_its_build(graph, trt, tmp_path):
    inside, go = threading.Event(), threading.Event()
    trt.behaviour.on_step = lambda step: (inside.set(), go.wait(60))
    opener = functools.partial(open_segmenter, write_tiny_model_folder(tmp_path / "tiny"))
    node = graph.start(opener, model="tiny", precision="fp32", engine="tensorrt")
    graph.publisher().publish(image(picture(*GOLDEN_SIZE)))
    assert inside.wait(60)
    assert not node.close(), "the build is still at its step"
    assert node._build.cancelled
    go.set()
    eventually(lambda: node._build.text == "", "the end of the build")
    assert node.close()
    assert not list((tmp_path / "cache").rglob("engine.plan"))
