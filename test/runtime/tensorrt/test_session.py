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

"""A session frees what it allocated, whichever CUDA call fails."""

from __future__ import annotations

import pytest
import tensorrt_double
from cuda_double import CudaDouble, LibraryDouble
from tiny_model_folder import GOLDEN_SIZE, labels_graph, picture

from gain_ros.onnx.rewriting import with_shape
from gain_ros.runtime.tensorrt import cudart
from gain_ros.runtime.tensorrt.build import build_plan, choose_route
from gain_ros.runtime.tensorrt.cudart import Cuda, CudaError
from gain_ros.runtime.tensorrt.progress import BuildProgress
from gain_ros.runtime.tensorrt.session import EngineSession

ALLOCATING = ("Malloc", "HostAlloc", "HostGetDevicePointer", "CreateWithFlags", "EndCapture", "Instantiate")
FREEING = ("Free", "Destroy")


@pytest.fixture(params=[False, True], ids=["discrete", "shared memory"])
def life(request, monkeypatch):
    """A session from start to end: ``life(failing_call, cuda_graph)`` gives the double and the errors raised."""
    plan = None

    def run(failing_call: int | None, cuda_graph: bool) -> tuple[CudaDouble, list[CudaError]]:
        nonlocal plan
        double, errors = CudaDouble(integrated=request.param), []
        trt = tensorrt_double.install(monkeypatch, "10.13.0", double)
        if plan is None:
            graph = with_shape(labels_graph(), (1, *GOLDEN_SIZE, 3)).SerializeToString()
            plan = build_plan(trt, graph, choose_route(trt, "fp32"), BuildProgress())
        cuda = Cuda(cudart._Library(LibraryDouble(double), "libcudart.so.12"))
        double.failing_call, double.calls = failing_call, []
        try:
            session = EngineSession(trt, cuda, plan, cuda_graph)
            session.labels(picture(*GOLDEN_SIZE)[None].repeat(3, axis=0))
            session.close()
        except CudaError as error:
            errors.append(error)
        return double, errors

    return run


def calls_named(double: CudaDouble, parts: tuple[str, ...]) -> list[int]:
    return [number for number, name in enumerate(double.calls) if any(part in name for part in parts)]


@pytest.mark.parametrize("cuda_graph", [False, True])
def test_whatever_allocation_fails_nothing_stays_alive(life, cuda_graph: bool) -> None:
    whole, _ = life(None, cuda_graph)
    assert whole.alive() == 0
    positions = calls_named(whole, ALLOCATING)
    assert len(positions) >= 16
    for position in positions:
        double, errors = life(position, cuda_graph)
        assert double.alive() == 0, f"call {position}, {whole.calls[position]}"
        assert errors or "Graph" in whole.calls[position] or "Capture" in whole.calls[position], "said, or done without"


@pytest.mark.parametrize("cuda_graph", [False, True])
def test_whatever_cannot_be_freed_all_else_is(life, cuda_graph: bool) -> None:
    whole, _ = life(None, cuda_graph)
    positions = calls_named(whole, FREEING)
    assert len(positions) >= 16
    for position in positions:
        double, errors = life(position, cuda_graph)
        assert double.alive() == 1, f"call {position}, {whole.calls[position]}"
        assert errors or whole.calls[position] == "cudaGraphDestroy", "said, or done without the graph"
