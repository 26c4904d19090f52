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

"""A built engine at work: frames in and masks out through buffers of its own, copies beside computation."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from gain_ros.errors import EngineUnavailable
from gain_ros.frames import size_of
from gain_ros.runtime.tensorrt.build import inspect, make_logger
from gain_ros.runtime.tensorrt.cudart import ALIGNMENT, Buffer, Cuda, CudaError

_logger = logging.getLogger("gain_ros.tensorrt")
FRAMES, LABELS, CONFIDENCE = "frames", "labels", "confidence"


class EngineRefusedError(EngineUnavailable):
    """TensorRT does not take this plan: another version, another GPU, a damaged file. It has to be built anew."""


@dataclass
class _Slot:
    """One frame under way: its buffers, and the events between the streams. Two of them take turns."""

    buffers: dict[str, Buffer]
    uploaded: int
    computed: int
    downloaded: int
    graph: int | None = None


class EngineSession:
    """Run a plan for frames of one shape. One thread at a time is let in; each session has a context of its own.

    ``shape`` is that of a frame's array, RGB or YUV; ``inspection`` names layers and tensors. ``cuda_graph`` records
    the launch of each buffer once and replays it; where that fails it is done without, with one warning. Raises
    EngineRefusedError.
    """

    def __init__(self, trt: Any, cuda: Cuda, plan: bytes, cuda_graph: bool = False):
        self._cuda = cuda
        self._lock = threading.Lock()
        self._use_graph = cuda_graph
        self._resources = ExitStack()
        self._log = make_logger(trt)
        self._log.last_error = ""
        self._runtime = trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineRefusedError(f"TensorRT refuses the plan: {self._log.last_error or 'it gave no reason'}")
        self.shape = _check_tensors(trt, self._engine)
        self.inspection = inspect(trt, self._engine)
        self._context = _make_context(trt, self._engine)
        try:
            self._allocate()
        except BaseException:
            self.close()
            raise

    def _allocate(self) -> None:
        scratch_bytes = _scratch_bytes(self._engine)
        _give_scratch(self._context, self._cuda.malloc(scratch_bytes, self._resources), scratch_bytes)
        if not self._context.set_input_shape(FRAMES, (1, *self.shape)):
            raise EngineRefusedError(f"TensorRT refuses frames of {self.shape}: {self._log.last_error}")
        self._streams = [self._cuda.stream(self._resources) for _ in range(3)]
        self._upload, self._compute, self._download = self._streams
        self._slots = [self._new_slot() for _ in range(2)]

    def labels(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Frames uint8 (N, *shape) → labels and confidence, both uint8 (N, H, W), which belong to the caller.

        While one frame computes the next one is copied in and the one before is copied out. Raises ValueError for
        another shape, CudaError where the GPU fails.
        """
        if frames.dtype != np.uint8 or frames.shape[1:] != self.shape:
            raise ValueError(f"frames are {frames.dtype} {frames.shape}; expected uint8 {('N', *self.shape)}")
        labels, confidence = (np.empty((len(frames), *size_of(self.shape)), np.uint8) for _ in range(2))
        with self._lock:
            try:
                for i, frame in enumerate(frames):
                    slot = self._slots[i % 2]
                    if i >= 2:
                        self._collect(slot, labels[i - 2], confidence[i - 2])
                    self._start(slot, frame)
                for i in range(max(0, len(frames) - 2), len(frames)):
                    self._collect(self._slots[i % 2], labels[i], confidence[i])
            except CudaError:
                self._drain()
                raise
        return labels, confidence

    def compute(self) -> None:
        """Run the network once on the frame that lies in the device's memory, without copies; for benchmarks."""
        with self._lock:
            self._launch(self._slots[0])
            self._cuda.synchronize(self._compute)

    def _drain(self) -> None:
        """After a failure: nothing may still read or write the buffers when they are used again or freed."""
        for stream in self._streams:
            with contextlib.suppress(CudaError):
                self._cuda.synchronize(stream)

    def close(self) -> None:
        """Free everything; the session is not used again. What cannot be freed does not keep the rest alive."""
        with self._lock:
            self._context = self._engine = self._runtime = None
            self._resources.close()

    def _new_slot(self) -> _Slot:
        pixels = math.prod(size_of(self.shape))
        sizes = {FRAMES: math.prod(self.shape), LABELS: pixels, CONFIDENCE: pixels}
        events = (self._cuda.event(self._resources) for _ in range(3))
        return _Slot({name: Buffer(self._cuda, size, self._resources) for name, size in sizes.items()}, *events)

    def _start(self, slot: _Slot, frame: np.ndarray) -> None:
        """Three streams, so that uploads, computation and downloads of neighbouring frames overlap; events order them.

        The slot was collected before, so nothing on its way still reads or writes its buffers.
        """
        cuda = self._cuda
        np.copyto(slot.buffers[FRAMES].array.reshape(frame.shape), frame)
        slot.buffers[FRAMES].upload(self._upload)
        cuda.record(slot.uploaded, self._upload)
        cuda.wait(self._compute, slot.uploaded)
        self._launch(slot)
        cuda.record(slot.computed, self._compute)
        cuda.wait(self._download, slot.computed)
        for name in (LABELS, CONFIDENCE):
            slot.buffers[name].download(self._download)
        cuda.record(slot.downloaded, self._download)

    def _collect(self, slot: _Slot, labels: np.ndarray, confidence: np.ndarray) -> None:
        self._cuda.call("cudaEventSynchronize", slot.downloaded)
        np.copyto(labels.reshape(-1), slot.buffers[LABELS].array)
        np.copyto(confidence.reshape(-1), slot.buffers[CONFIDENCE].array)

    def _launch(self, slot: _Slot) -> None:
        if slot.graph is not None:
            self._cuda.launch(slot.graph, self._compute)
            return
        self._enqueue(slot)
        if self._use_graph:
            self._capture(slot)

    def _enqueue(self, slot: _Slot) -> None:
        for name, buffer in slot.buffers.items():
            if not self._context.set_tensor_address(name, buffer.device):
                raise CudaError(f"TensorRT refuses the address of {name!r}: {self._log.last_error}")
        if not self._context.execute_async_v3(stream_handle=self._compute):
            raise CudaError(f"TensorRT could not start: {self._log.last_error or 'it gave no reason'}")

    def _capture(self, slot: _Slot) -> None:
        """Record the launch for this slot's addresses. The plain launch before it was the warm-up it needs."""
        try:
            self._cuda.synchronize(self._compute)
            with ExitStack() as recording:
                self._cuda.begin_capture(self._compute)
                try:
                    self._enqueue(slot)
                finally:  # the stream must leave its recording state in any case
                    graph = self._cuda.end_capture(self._compute, recording)
                self._resources.enter_context(recording.pop_all())
            slot.graph = graph
        except CudaError as error:
            self._use_graph = False
            _logger.warning("no CUDA graph for this engine, it is launched plainly: %s", error)


def _check_tensors(trt: Any, engine: Any) -> tuple[int, ...]:
    """Return the frame shape of an engine that is ours: one uint8 picture in, two uint8 maps of its size out."""
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    modes = {name: engine.get_tensor_mode(name) for name in names}
    inputs = {name for name, mode in modes.items() if mode == trt.TensorIOMode.INPUT}
    types = {engine.get_tensor_dtype(name) for name in names}
    shapes = {name: tuple(engine.get_tensor_shape(name)) for name in names}
    shape = shapes.get(FRAMES, ())
    right = set(names) == {FRAMES, LABELS, CONFIDENCE} and inputs == {FRAMES} and types == {trt.uint8}
    right = right and len(shape) in (3, 4) and shape[0] == 1 and min(shape) >= 1
    if not right or shapes[LABELS] != (1, *size_of(shape[1:])):
        raise EngineRefusedError(
            f"the plan has {shapes} of {types}; expected uint8 frames in, labels and confidence of their size out"
        )
    return shape[1:]


def _make_context(trt: Any, engine: Any) -> Any:
    """Make a context that works in memory we own; TensorRT 11 has only the newer way for it, 8.6 only the older."""
    if hasattr(trt, "ExecutionContextAllocationStrategy"):
        context = engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
    else:
        context = engine.create_execution_context_without_device_memory()
    if context is None:
        raise CudaError("TensorRT could not make an execution context")
    return context


def _scratch_bytes(engine: Any) -> int:
    return engine.device_memory_size_v2 if hasattr(engine, "device_memory_size_v2") else engine.device_memory_size


def _give_scratch(context: Any, pointer: int, size: int) -> None:
    if pointer % ALIGNMENT:
        raise CudaError(f"CUDA gave memory at {pointer:#x}; TensorRT needs it aligned to {ALIGNMENT} bytes")
    if hasattr(context, "set_device_memory"):
        context.set_device_memory(pointer, size)
    else:
        context.device_memory = pointer
