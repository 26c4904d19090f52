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

"""The GPU side of the torch engine, on the CPU: a double of CUDA graphs runs what was recorded."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import types

import numpy as np
import pytest
import torch

from gain_ros.frames import as_array, as_rgb, from_rgb
from gain_ros.model import load_model
from gain_ros.model.deploy import LabelsForm
from gain_ros.model_folder import read_model_folder
from gain_ros.runtime.engines import LogitsEngine, MaskEngine, torch_engine
from gain_ros.runtime.engines.torch_engine import Recorded, Recording, TorchGpuEngine, fused_or_plain, open_torch
from gain_ros.runtime.opening import open_segmenter


class Graphs:
    """A double of ``torch.cuda``: each graph runs its form again on the buffers it was recorded with."""

    def __init__(self):
        self.recorded, self.replayed = 0, 0
        self._last = None

    def install(self, monkeypatch):
        stream = types.SimpleNamespace(wait_stream=lambda _: None, synchronize=lambda: None)
        for name, value in {
            "Stream": lambda: stream,
            "current_stream": lambda: stream,
            "stream": lambda _: contextlib.nullcontext(),
            "CUDAGraph": lambda: types.SimpleNamespace(replay=lambda: None),
            "graph": self._record,
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)
        monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)

    def watch(self, form):
        """``form`` with its latest arguments and results kept."""

        def run(frames):
            outputs = form(frames)
            self._last = (form, frames, outputs)
            return outputs

        return types.SimpleNamespace(to=lambda _: types.SimpleNamespace(eval=lambda: run))

    @contextlib.contextmanager
    def _record(self, graph, capture_error_mode):
        assert capture_error_mode == "thread_local", "other threads may allocate while TensorRT builds"
        yield
        self.recorded += 1
        form, frames, outputs = self._last

        def replay():
            self.replayed += 1
            for old, new in zip(outputs, form(frames), strict=True):
                old.copy_(new)

        graph.replay = replay


@pytest.fixture
def graphs(monkeypatch):
    double = Graphs()
    double.install(monkeypatch)
    return double


def test_each_shape_is_recorded_once_and_the_oldest_forgotten(graphs, picture, monkeypatch):
    monkeypatch.setattr(torch_engine, "_SHAPES", 2)
    recorded = Recorded(graphs.watch(lambda frames: (frames[..., 0] // 2, frames[..., 1] // 2)), "cpu")
    for height, count in ((4, 1), (4, 1), (5, 2), (4, 2), (6, 3), (4, 3), (5, 4)):
        frames = picture(height, 8, seed=height)[None]
        labels, confidence = recorded(frames)
        assert graphs.recorded == count
        np.testing.assert_array_equal(labels, frames[..., 0] // 2)
        np.testing.assert_array_equal(confidence, frames[..., 1] // 2)
    assert graphs.replayed == 7


def test_results_belong_to_the_caller(graphs, picture):
    recorded = Recorded(graphs.watch(lambda frames: (frames[..., 0] + 0, frames[..., 1] + 0)), "cpu")
    first = recorded(picture(4, 8, seed=0)[None])[0]
    kept = first.copy()
    recorded(picture(4, 8, seed=1)[None])
    np.testing.assert_array_equal(first, kept)


def test_padded_rows_that_may_not_be_written_are_taken_without_a_warning(graphs, picture, recwarn):
    frames = picture(4, 10)[None, :, :8]
    frames.setflags(write=False)
    recorded = Recorded(graphs.watch(lambda frames: (frames[..., 0] + 0, frames[..., 1] + 0)), "cpu")
    torch.set_warn_always(True)
    try:
        labels = recorded(frames)[0]
    finally:
        torch.set_warn_always(False)
    np.testing.assert_array_equal(labels, frames[..., 0])
    assert [str(each.message) for each in recwarn] == []


def test_no_two_buffers_of_a_recording_are_one(graphs):
    form = graphs.watch(lambda frames: (frames[..., 0] + 0, frames[..., 1] + 0)).to("cpu").eval()
    recording = Recording(form, (1, 4, 8, 3), "cpu")
    buffers = (recording._given, recording._frames, *recording._outputs, *recording._results)
    assert len({buffer.data_ptr() for buffer in buffers}) == 6


@pytest.fixture
def opened(model_folder):
    return read_model_folder(model_folder)


def fused_that_gives(change):
    """A stand-in for FusedForm: the plain form, its labels changed."""

    def form(network, mean, std, size):
        plain = LabelsForm(network, mean, std, size).eval()

        def run(frames):
            labels, confidence = plain(frames)
            return change(labels), confidence

        return run

    return form


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda labels: labels, "fp16, fused kernels"),
        (lambda labels: 0 * labels, "fp16 misses the golden labels"),
        (lambda labels: labels.no_such_call(), "the fused kernels fail here"),
    ],
)
def test_the_fused_form_is_taken_where_it_gives_the_golden_labels(graphs, opened, monkeypatch, change, kind):
    kernels = pytest.importorskip("gain_ros.model.kernels")
    fused = fused_that_gives(change)
    monkeypatch.setattr(kernels, "FusedForm", lambda *arguments: graphs.watch(fused(*arguments)))
    form, name = fused_or_plain(load_model(opened), opened, "cpu")
    assert kind in name
    rgb, golden = opened.golden()
    labels, confidence = form(rgb[None])
    assert (labels[0] == golden).mean() >= 0.999
    assert labels.dtype == confidence.dtype == np.uint8


def test_without_triton_the_plain_form_runs(opened, monkeypatch):
    monkeypatch.setitem(sys.modules, "gain_ros.model.kernels", None)
    form, name = fused_or_plain(load_model(opened), opened, "cpu")
    assert name.startswith("fp32 (no fused kernels")
    frame = from_rgb(opened.golden()[0], "nv12")
    for found, expected in zip(form(as_array(frame)[None]), form(as_rgb(frame)[None]), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("fit", ["letterbox", "area"])
@pytest.mark.parametrize("is_fused", [False, True])
def test_whole_masks_are_fitted_as_logits_are(graphs, opened, picture, monkeypatch, fit, is_fused):
    folder = dataclasses.replace(opened, fit=fit)
    if is_fused:  # what the fused form is, with the plain one's arithmetic
        kernels = pytest.importorskip("gain_ros.model.kernels")

        class Form(LabelsForm):
            def forward(self, frames):
                graphs._last = (super().forward, frames, outputs := super().forward(frames))
                return outputs

        monkeypatch.setattr(kernels, "FusedForm", Form)
    else:
        monkeypatch.setitem(sys.modules, "gain_ros.model.kernels", None)
    form, name = fused_or_plain(load_model(opened), folder, "cpu")
    assert name.startswith("fp16" if is_fused else "fp32")
    with open_segmenter(opened.path, "torch", "cpu", fit=fit) as segmenter:
        for frame in (picture(90, 200, seed=4), picture(120, 70, seed=5)):
            expected = segmenter.segment([frame])[0]
            labels, confidence = form(frame[None])
            assert (labels[0] == expected.labels).mean() >= 0.999
            assert np.percentile(np.abs(confidence[0].astype(int) - expected.confidence), 99) <= 3


def test_on_a_gpu_it_gives_whole_masks_and_on_a_cpu_logits(opened, monkeypatch):
    on_cpu = open_torch(opened, "cpu", None)
    assert isinstance(on_cpu, LogitsEngine)
    assert not isinstance(on_cpu, MaskEngine)
    monkeypatch.setitem(sys.modules, "gain_ros.model.kernels", None)
    for name, value in {"is_available": True, "get_device_name": "Double GPU", "empty_cache": None}.items():
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
    monkeypatch.setattr(TorchGpuEngine, "device", "cpu")
    on_gpu = open_torch(opened, "auto", None)
    assert isinstance(on_gpu, MaskEngine)
    assert not isinstance(on_gpu, LogitsEngine)
    assert on_gpu.provider.startswith("Double GPU, fp32 (no fused kernels")
    rgb, golden = opened.golden()
    assert (on_gpu.labels(rgb[None])[0][0] == golden).mean() >= 0.999
    on_gpu.close()
