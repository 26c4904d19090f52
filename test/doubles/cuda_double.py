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

"""A CUDA runtime without a GPU: memory is the host's own, work on a stream is done only when something waits for it.

So results can be checked, and a copy or a launch that nobody waited for shows as poisoned bytes.
"""
# ruff: noqa: N802 - the functions bear CUDA's own names

from __future__ import annotations

import ctypes
import itertools
import types
from collections.abc import Callable
from enum import IntEnum

POISON = 0xCD
_ALIGNMENT = 256


class CudaFailure(Exception):  # noqa: N818
    def __init__(self, code: int):
        super().__init__(code)
        self.code = code


class Stream:
    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []
        self.done = 0
        self.capture: list[Callable[[], None]] | None = None

    def add(self, operation: Callable[[], None]) -> None:
        (self.work if self.capture is None else self.capture).append(operation)

    def run_until(self, count: int) -> None:
        while self.done < count:
            self.done += 1
            self.work[self.done - 1]()


class CudaDouble:
    """One GPU. ``calls`` lists the functions called; ``failing`` maps a function to the error it gives, and the call
    of number ``failing_call`` (from 0) fails too."""

    def __init__(self, integrated: bool = False, gpu: str = "Double GPU", capability: tuple[int, int] = (8, 7)):
        self.integrated, self.gpu, self.capability = integrated, gpu, capability
        self.calls: list[str] = []
        self.failing: dict[str, int] = {}
        self.failing_call: int | None = None
        self.memory: dict[int, tuple[str, int, object]] = {}
        self.streams: dict[int, Stream] = {}
        self.events: dict[int, tuple[Stream, int] | None] = {}
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self._handles = itertools.count(1000)

    def run(self, function: str, *arguments: int) -> int | None:
        self.calls.append(function)
        if len(self.calls) - 1 == self.failing_call:
            raise CudaFailure(999)
        if function in self.failing:
            raise CudaFailure(self.failing[function])
        return getattr(self, function)(*arguments)

    def alive(self) -> int:
        """How many things are allocated and not freed."""
        return len(self.memory) + len(self.streams) + len(self.events) + len(self.graphs)

    def check_device(self, pointer: int) -> None:
        """A kernel may touch device memory, and host memory where it is shared."""
        if self._find(pointer)[0] != "device" and not self.integrated:
            raise CudaFailure(700)

    def enqueue(self, stream: int, operation: Callable[[], None]) -> None:
        self.streams[stream].add(operation)

    # The functions, by CUDA's names

    def cudaGetDeviceCount(self) -> int:
        return 1

    def cudaDeviceGetAttribute(self, attribute: int, device: int) -> int:
        return {75: self.capability[0], 76: self.capability[1], 18: int(self.integrated)}[attribute]

    def cudaMalloc(self, size: int) -> int:
        return self._allocate("device", size)

    def cudaFree(self, pointer: int) -> None:
        self._free("device", pointer)

    def cudaHostAlloc(self, size: int, flags: int) -> int:
        assert flags == 2, "mapped"
        return self._allocate("host", size)

    def cudaFreeHost(self, pointer: int) -> None:
        self._free("host", pointer)

    def cudaHostGetDevicePointer(self, pointer: int, flags: int) -> int:
        assert self.memory[pointer][0] == "host"
        return pointer

    def cudaMemcpyAsync(self, target: int, source: int, size: int, kind: int, stream: int) -> None:
        places = {1: ("device", "host"), 2: ("host", "device")}[kind]
        for pointer, place in zip((target, source), places, strict=True):
            found, room = self._find(pointer)
            if found != place or size > room:
                raise CudaFailure(21)
        self.streams[stream].add(lambda: ctypes.memmove(target, source, size))

    def cudaStreamCreateWithFlags(self, flags: int) -> int:
        assert flags == 1, "non-blocking"
        handle = next(self._handles)
        self.streams[handle] = Stream()
        return handle

    def cudaStreamDestroy(self, stream: int) -> None:
        del self.streams[stream]

    def cudaStreamSynchronize(self, stream: int) -> None:
        self.streams[stream].run_until(len(self.streams[stream].work))

    def cudaStreamWaitEvent(self, stream: int, event: int, flags: int) -> None:
        recorded = self.events[event]
        if recorded is not None:
            self.streams[stream].add(lambda: recorded[0].run_until(recorded[1]))

    def cudaStreamBeginCapture(self, stream: int, mode: int) -> None:
        assert mode == 1, "thread local"
        self.streams[stream].capture = []

    def cudaStreamEndCapture(self, stream: int) -> int:
        captured, self.streams[stream].capture = self.streams[stream].capture, None
        return self._new_graph(captured)

    def cudaEventCreateWithFlags(self, flags: int) -> int:
        handle = next(self._handles)
        self.events[handle] = None
        return handle

    def cudaEventDestroy(self, event: int) -> None:
        del self.events[event]

    def cudaEventRecord(self, event: int, stream: int) -> None:
        self.events[event] = (self.streams[stream], len(self.streams[stream].work))

    def cudaEventSynchronize(self, event: int) -> None:
        if self.events[event] is not None:
            stream, count = self.events[event]
            stream.run_until(count)

    def cudaGraphInstantiateWithFlags(self, graph: int, flags: int) -> int:
        return self._new_graph(self.graphs[graph])

    def cudaGraphDestroy(self, graph: int) -> None:
        del self.graphs[graph]

    def cudaGraphExecDestroy(self, graph: int) -> None:
        del self.graphs[graph]

    def cudaGraphLaunch(self, graph: int, stream: int) -> None:
        for operation in self.graphs[graph]:
            self.streams[stream].add(operation)

    def _new_graph(self, operations: list[Callable[[], None]]) -> int:
        handle = next(self._handles)
        self.graphs[handle] = list(operations)
        return handle

    def _allocate(self, place: str, size: int) -> int:
        room = (ctypes.c_uint8 * (size + _ALIGNMENT))()
        pointer = -(-ctypes.addressof(room) // _ALIGNMENT) * _ALIGNMENT
        ctypes.memset(pointer, POISON, size)
        self.memory[pointer] = (place, size, room)
        return pointer

    def _free(self, place: str, pointer: int) -> None:
        if self.memory.get(pointer, ("",))[0] != place:
            raise CudaFailure(1)
        del self.memory[pointer]

    def _find(self, pointer: int) -> tuple[str, int]:
        """Where a pointer lies, and the bytes from there to the end of its allocation."""
        for start, (place, size, _) in self.memory.items():
            if start <= pointer < start + size:
                return place, start + size - pointer
        raise CudaFailure(700)


class _Function:
    restype = None

    def __init__(self, function: Callable[..., object]):
        self._function = function

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)


class LibraryDouble:
    """The double as ctypes shows libcudart: results through pointers, error codes returned."""

    def __init__(self, cuda: CudaDouble):
        self._cuda = cuda
        self.cudaGetErrorString = _Function(lambda code: f"error number {code.value}".encode())

    def __getattr__(self, name: str) -> _Function:
        if name == "cudaGetDeviceProperties":
            return _Function(self._properties)
        if not hasattr(CudaDouble, name):
            raise AttributeError(name)
        return _Function(lambda *arguments: self._call(name, arguments))

    def _properties(self, room: ctypes.Array, device: ctypes.c_int) -> int:
        room.value = self._cuda.gpu.encode()
        return 0

    def _call(self, name: str, arguments: tuple[object, ...]) -> int:
        results = [each._obj for each in arguments if hasattr(each, "_obj")]
        values = [each.value or 0 for each in arguments if not hasattr(each, "_obj")]
        try:
            found = self._cuda.run(name, *values)
        except CudaFailure as failure:
            return failure.code
        assert (found is None) == (not results), f"{name} gives {found} and was given {len(results)} places for it"
        for result in results:
            result.value = found
        return 0


def cuda_python_double(cuda: CudaDouble) -> types.ModuleType:
    """The double as cuda-python's runtime module: (error, result...) tuples, and enums where NVIDIA asks for them."""
    module = types.ModuleType("cuda.bindings.runtime")
    enums = {
        "cudaDeviceAttr": {"major": 75, "minor": 76, "integrated": 18},
        "cudaMemcpyKind": {"to_device": 1, "to_host": 2},
        "cudaStreamCaptureMode": {"thread_local": 1},
    }
    places = {
        "cudaDeviceGetAttribute": (0, "cudaDeviceAttr"),
        "cudaMemcpyAsync": (3, "cudaMemcpyKind"),
        "cudaStreamBeginCapture": (1, "cudaStreamCaptureMode"),
    }
    for name, members in enums.items():
        setattr(module, name, IntEnum(name, members))

    def function(name: str) -> Callable[..., tuple]:
        def call(*arguments: object) -> tuple:
            if name in places:
                place, enum = places[name]
                assert type(arguments[place]).__name__ == enum
            try:
                found = cuda.run(name, *map(int, arguments))
            except CudaFailure as failure:
                return (failure.code, None)
            return (0,) if found is None else (0, found)

        return call

    for name in [each for each in vars(CudaDouble) if each.startswith("cuda")]:
        setattr(module, name, function(name))
    module.cudaGetDeviceProperties = lambda device: (0, types.SimpleNamespace(name=cuda.gpu.encode() + bytes(8)))
    module.cudaGetErrorString = lambda error: (0, f"error number {int(error)}".encode())
    return module
