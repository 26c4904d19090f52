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

"""The few CUDA runtime calls that TensorRT needs around it: through cuda-python where installed, else libcudart itself.

Both give the same functions, so that a Jetson needs neither torch nor pycuda.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
from contextlib import ExitStack
from typing import Any, Protocol

import numpy as np

from gain_ros.errors import EngineUnavailable

SONAMES = ("libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0")
ALIGNMENT = 256

_MODULES = ("cuda.bindings.runtime", "cuda.cudart")
_TO_DEVICE, _TO_HOST = 1, 2
_MAPPED = 2  # cudaHostAllocMapped
_NON_BLOCKING = 1  # cudaStreamNonBlocking
_NO_TIMING = 2  # cudaEventDisableTiming
_CAPTURE_THREAD_LOCAL = 1
_MAJOR, _MINOR, _INTEGRATED = 75, 76, 18  # cudaDeviceAttr
_PROPERTIES_BYTES = 1 << 14  # more than any release's cudaDeviceProp, which starts with a name of 256 bytes

_POINTER, _SIZE, _INT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
# Function → its plain arguments, and the type that it writes through a pointer given first (last by EndCapture).
_SIGNATURES: dict[str, tuple[tuple[Any, ...], Any]] = {
    "cudaGetDeviceCount": ((), _INT),
    "cudaDeviceGetAttribute": ((_INT, _INT), _INT),
    "cudaMalloc": ((_SIZE,), _POINTER),
    "cudaFree": ((_POINTER,), None),
    "cudaHostAlloc": ((_SIZE, ctypes.c_uint), _POINTER),
    "cudaFreeHost": ((_POINTER,), None),
    "cudaHostGetDevicePointer": ((_POINTER, ctypes.c_uint), _POINTER),
    "cudaMemcpyAsync": ((_POINTER, _POINTER, _SIZE, _INT, _POINTER), None),
    "cudaStreamCreateWithFlags": ((ctypes.c_uint,), _POINTER),
    "cudaStreamDestroy": ((_POINTER,), None),
    "cudaStreamSynchronize": ((_POINTER,), None),
    "cudaStreamWaitEvent": ((_POINTER, _POINTER, ctypes.c_uint), None),
    "cudaStreamBeginCapture": ((_POINTER, _INT), None),
    "cudaStreamEndCapture": ((_POINTER,), _POINTER),
    "cudaEventCreateWithFlags": ((ctypes.c_uint,), _POINTER),
    "cudaEventDestroy": ((_POINTER,), None),
    "cudaEventRecord": ((_POINTER, _POINTER), None),
    "cudaEventSynchronize": ((_POINTER,), None),
    "cudaGraphInstantiateWithFlags": ((_POINTER, ctypes.c_ulonglong), _POINTER),
    "cudaGraphDestroy": ((_POINTER,), None),
    "cudaGraphExecDestroy": ((_POINTER,), None),
    "cudaGraphLaunch": ((_POINTER, _POINTER), None),
}
# Argument → cuda-python's enum for it.
_ENUMS = {
    "cudaDeviceGetAttribute": (0, "cudaDeviceAttr"),
    "cudaMemcpyAsync": (3, "cudaMemcpyKind"),
    "cudaStreamBeginCapture": (1, "cudaStreamCaptureMode"),
}


class CudaError(EngineUnavailable):
    """A CUDA call failed; the text holds its name and CUDA's own words."""


class _Calls(Protocol):
    """One way to reach the CUDA runtime."""

    name: str

    def call(self, function: str, *arguments: int) -> int:
        """Run a function of the table above; give what it writes, 0 where that is nothing. Raises CudaError."""

    def device_name(self) -> str: ...


class _CudaPython:
    """NVIDIA's own bindings: every call returns (error, result...)."""

    def __init__(self, module: Any):
        self._module = module
        self.name = module.__name__

    def call(self, function: str, *arguments: int) -> int:
        if function in _ENUMS:
            place, enum = _ENUMS[function]
            value = getattr(self._module, enum)(arguments[place])
            arguments = (*arguments[:place], value, *arguments[place + 1 :])
        result = self._checked(function, getattr(self._module, function)(*arguments))
        return int(result[0]) if result else 0

    def device_name(self) -> str:
        (properties,) = self._checked("cudaGetDeviceProperties", self._module.cudaGetDeviceProperties(0))
        return bytes(properties.name).partition(b"\0")[0].decode()

    def _checked(self, function: str, answer: tuple[Any, ...]) -> tuple[Any, ...]:
        error, *result = answer
        if int(error):
            text = self._module.cudaGetErrorString(error)[1]
            raise CudaError(f"{function}: {text.decode() if isinstance(text, bytes) else text} ({int(error)})")
        return tuple(result)


class _Library:
    """libcudart by ctypes."""

    def __init__(self, library: Any, name: str):
        self._library = library
        self.name = name
        library.cudaGetErrorString.restype = ctypes.c_char_p

    def call(self, function: str, *arguments: int) -> int:
        types, written = _SIGNATURES[function]
        values = [kind(value) for kind, value in zip(types, arguments, strict=True)]
        if written is None:
            self._check(function, getattr(self._library, function)(*values))
            return 0
        result = written()
        place = len(values) if function == "cudaStreamEndCapture" else 0
        values.insert(place, ctypes.byref(result))
        self._check(function, getattr(self._library, function)(*values))
        return result.value or 0

    def device_name(self) -> str:
        properties = ctypes.create_string_buffer(_PROPERTIES_BYTES)
        self._check("cudaGetDeviceProperties", self._library.cudaGetDeviceProperties(properties, _INT(0)))
        return properties.value.decode()

    def _check(self, function: str, error: int) -> None:
        if error:
            text = self._library.cudaGetErrorString(_INT(error))
            raise CudaError(f"{function}: {text.decode()} ({error})")


class Cuda:
    """The CUDA runtime on device 0. Pointers, streams, events and graphs are plain integers.

    ``integrated`` is true where CPU and GPU share their memory (Jetson). What is allocated is freed when its ``owner``
    closes. Make it with :func:`open_cuda`.
    """

    def __init__(self, calls: _Calls):
        self.call = calls.call
        self.library = calls.name
        self.gpu = calls.device_name()
        major, minor, integrated = (
            calls.call("cudaDeviceGetAttribute", attribute, 0) for attribute in (_MAJOR, _MINOR, _INTEGRATED)
        )
        self.compute_capability = f"{major}.{minor}"
        self.integrated = bool(integrated)

    def malloc(self, size: int, owner: ExitStack) -> int:
        return self._owned("cudaFree", self.call("cudaMalloc", max(size, ALIGNMENT)), owner)

    def pinned(self, size: int, owner: ExitStack) -> int:
        """Memory of the host that the device reaches too."""
        return self._owned("cudaFreeHost", self.call("cudaHostAlloc", max(size, ALIGNMENT), _MAPPED), owner)

    def stream(self, owner: ExitStack) -> int:
        return self._owned("cudaStreamDestroy", self.call("cudaStreamCreateWithFlags", _NON_BLOCKING), owner)

    def event(self, owner: ExitStack) -> int:
        return self._owned("cudaEventDestroy", self.call("cudaEventCreateWithFlags", _NO_TIMING), owner)

    def synchronize(self, stream: int) -> None:
        self.call("cudaStreamSynchronize", stream)

    def record(self, event: int, stream: int) -> None:
        self.call("cudaEventRecord", event, stream)

    def wait(self, stream: int, event: int) -> None:
        """Lets ``stream`` go on only after ``event``."""
        self.call("cudaStreamWaitEvent", stream, event, 0)

    def begin_capture(self, stream: int) -> None:
        self.call("cudaStreamBeginCapture", stream, _CAPTURE_THREAD_LOCAL)

    def end_capture(self, stream: int, owner: ExitStack) -> int:
        """Return what was recorded since ``begin_capture``, ready for ``launch``."""
        with ExitStack() as recording:
            graph = self._owned("cudaGraphDestroy", self.call("cudaStreamEndCapture", stream), recording)
            return self._owned("cudaGraphExecDestroy", self.call("cudaGraphInstantiateWithFlags", graph, 0), owner)

    def launch(self, graph: int, stream: int) -> None:
        self.call("cudaGraphLaunch", graph, stream)

    def _owned(self, free: str, handle: int, owner: ExitStack) -> int:
        owner.callback(self.call, free, handle)
        return handle


class Buffer:
    """``size`` bytes that both sides reach: ``array``, pinned uint8 on the host, and ``device``, an address.

    With shared memory they are the same bytes and no copy is ever made.
    """

    def __init__(self, cuda: Cuda, size: int, owner: ExitStack):
        self._cuda, self.size = cuda, size
        self._host = cuda.pinned(size, owner)
        self.array = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(self._host))
        shared = cuda.integrated
        self.device = cuda.call("cudaHostGetDevicePointer", self._host, 0) if shared else cuda.malloc(size, owner)

    def upload(self, stream: int) -> None:
        if not self._cuda.integrated:
            self._cuda.call("cudaMemcpyAsync", self.device, self._host, self.size, _TO_DEVICE, stream)

    def download(self, stream: int) -> None:
        if not self._cuda.integrated:
            self._cuda.call("cudaMemcpyAsync", self._host, self.device, self.size, _TO_HOST, stream)


def open_cuda() -> Cuda:
    """Open this machine's CUDA runtime. Raises EngineUnavailable where there is none, or no GPU that it can use."""
    calls = _find_calls()
    if calls is None:
        raise EngineUnavailable(
            f"no CUDA runtime found ({', '.join(SONAMES)} or cuda-python); install the CUDA runtime of your JetPack or "
            "driver, or `pip install cuda-python`"
        )
    try:
        if calls.call("cudaGetDeviceCount") < 1:
            raise EngineUnavailable(f"{calls.name} finds no GPU; check `nvidia-smi` (Jetson: the container's runtime)")
        return Cuda(calls)
    except CudaError as error:
        raise EngineUnavailable(
            f"{calls.name} cannot use a GPU: {error}; check `nvidia-smi` and the driver (Jetson: `--runtime nvidia`)"
        ) from error


def _find_calls() -> _Calls | None:
    for name in _MODULES:
        with contextlib.suppress(ImportError, RuntimeError):  # some releases look for the driver when imported
            return _CudaPython(importlib.import_module(name))
    for soname in SONAMES:
        with contextlib.suppress(OSError):
            return _Library(ctypes.CDLL(soname), soname)
    return None
