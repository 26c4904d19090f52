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

"""The CUDA surface, by both of its ways, on a double; and the real libcudart where one is installed."""

from __future__ import annotations

import ctypes
import sys
from contextlib import ExitStack

import numpy as np
import pytest
from cuda_double import POISON, CudaDouble, LibraryDouble, cuda_python_double

from gain_ros.errors import EngineUnavailable
from gain_ros.runtime.tensorrt import cudart
from gain_ros.runtime.tensorrt.cudart import Buffer, Cuda, CudaError


@pytest.fixture(params=["ctypes", "cuda-python"])
def way(request: pytest.FixtureRequest):
    """Makes a Cuda on a double."""
    if request.param == "ctypes":
        return lambda double: Cuda(cudart._Library(LibraryDouble(double), "libcudart.so.12"))
    return lambda double: Cuda(cudart._CudaPython(cuda_python_double(double)))


def test_the_gpu_is_described(way) -> None:
    cuda = way(CudaDouble(gpu="Orin", capability=(8, 7), integrated=True))
    assert (cuda.gpu, cuda.compute_capability, cuda.integrated) == ("Orin", "8.7", True)


@pytest.fixture
def owner():
    with ExitStack() as stack:
        yield stack


def test_a_buffer_goes_up_and_comes_down(way, owner) -> None:
    double = CudaDouble()
    cuda = way(double)
    buffer, stream = Buffer(cuda, 1000, owner), cuda.stream(owner)
    buffer.array[:] = np.arange(1000) % 251
    buffer.upload(stream)
    cuda.synchronize(stream)
    buffer.array[:] = 0
    buffer.download(stream)
    assert not buffer.array.any(), "work on a stream is done when it is waited for"
    cuda.synchronize(stream)
    np.testing.assert_array_equal(buffer.array, np.arange(1000) % 251)
    owner.close()
    assert double.alive() == 0


def test_shared_memory_is_never_copied(way, owner) -> None:
    double = CudaDouble(integrated=True)
    cuda = way(double)
    buffer, stream = Buffer(cuda, 1000, owner), cuda.stream(owner)
    assert buffer.device == buffer.array.ctypes.data
    buffer.upload(stream)
    buffer.download(stream)
    owner.close()
    assert "cudaMemcpyAsync" not in double.calls
    assert not double.memory


def test_an_event_holds_one_stream_back_for_another(way, owner) -> None:
    double = CudaDouble()
    cuda = way(double)
    first, second, event = cuda.stream(owner), cuda.stream(owner), cuda.event(owner)
    source, target = Buffer(cuda, 256, owner), Buffer(cuda, 256, owner)
    source.array[:] = 7
    source.upload(first)
    cuda.record(event, first)
    cuda.wait(second, event)
    cuda.call("cudaMemcpyAsync", target._host, source.device, 256, 2, second)
    cuda.synchronize(second)
    assert (target.array == 7).all()


def test_a_recorded_graph_replays(way, owner) -> None:
    double = CudaDouble()
    cuda = way(double)
    buffer, stream = Buffer(cuda, 256, owner), cuda.stream(owner)
    cuda.begin_capture(stream)
    buffer.download(stream)
    graph = cuda.end_capture(stream, owner)
    buffer.array[:] = 0
    cuda.synchronize(stream)
    assert not buffer.array.any(), "recorded, not run"
    cuda.launch(graph, stream)
    cuda.synchronize(stream)
    assert (buffer.array == POISON).all()
    owner.close()
    assert not double.graphs


def test_a_failure_names_the_call_and_cuda_s_words(way, owner) -> None:
    double = CudaDouble()
    cuda = way(double)
    double.failing["cudaMalloc"] = 2
    with pytest.raises(CudaError, match=r"cudaMalloc: error number 2 \(2\)"):
        cuda.malloc(1000, owner)


def test_memory_is_aligned(way, owner) -> None:
    cuda = way(CudaDouble())
    assert [cuda.malloc(size, owner) % cudart.ALIGNMENT for size in (0, 1, 1000)] == [0, 0, 0]


def test_cuda_python_is_taken_first_then_the_newest_library(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def library(soname: str) -> LibraryDouble:
        asked.append(soname)
        if soname != "libcudart.so.11.0":
            raise OSError(f"{soname}: cannot open shared object file")
        return LibraryDouble(CudaDouble())

    monkeypatch.setattr(ctypes, "CDLL", library)
    monkeypatch.setitem(sys.modules, "cuda", None)
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    assert cudart.open_cuda().library == "libcudart.so.11.0"
    assert asked == ["libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0"]
    module = cuda_python_double(CudaDouble(gpu="by cuda-python"))
    monkeypatch.setattr(cudart.importlib, "import_module", {"cuda.bindings.runtime": module}.__getitem__)
    assert cudart.open_cuda().gpu == "by cuda-python"


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cudart, "_find_calls", lambda: None)
    with pytest.raises(EngineUnavailable, match=r"no CUDA runtime found \(libcudart.so.13.*install"):
        cudart.open_cuda()
    double = CudaDouble()
    monkeypatch.setattr(cudart, "_find_calls", lambda: cudart._Library(LibraryDouble(double), "libcudart.so.12"))
    double.failing["cudaGetDeviceCount"] = 35
    with pytest.raises(EngineUnavailable, match=r"libcudart.so.12 cannot use a GPU.*\(35\).*nvidia-smi"):
        cudart.open_cuda()
    del double.failing["cudaGetDeviceCount"]
    monkeypatch.setattr(double, "cudaGetDeviceCount", lambda: 0)
    with pytest.raises(EngineUnavailable, match="finds no GPU"):
        cudart.open_cuda()


def test_the_real_library_has_every_function() -> None:
    for soname in cudart.SONAMES:
        try:
            library = ctypes.CDLL(soname)
        except OSError:
            continue
        missing = [name for name in (*cudart._SIGNATURES, "cudaGetErrorString") if not hasattr(library, name)]
        assert missing == []
        return
    pytest.skip("no libcudart here")
