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

"""TensorRT as versions 8.6 to 11.4 show it to Python, without TensorRT: what a version lacks raises AttributeError.

PRESENCE is the table that the surfaces are made from (bindings of the releases' tags, and the migration notes of 11).
Engines run their ONNX graph in ONNX Runtime, on the memory and the streams of a CudaDouble, so masks are right to the
pixel and a missing wait between streams is seen.
"""

from __future__ import annotations

import ctypes
import json
import math
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np
import onnx
import onnxruntime
from cuda_double import CudaDouble

VERSIONS = ("8.6.1", "10.3.0", "10.13.0", "10.16.1.11", "11.4.0")

_EVER = (math.inf,)
# Name → (first version that has it, first version that lacks it again).
PRESENCE: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "NetworkDefinitionCreationFlag.EXPLICIT_BATCH": ((0,), (11,)),
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED": ((9,), _EVER),
    "BuilderFlag.FP16": ((0,), (11,)),
    "BuilderFlag.INT8": ((0,), (11,)),
    "BuilderFlag.OBEY_PRECISION_CONSTRAINTS": ((0,), (11,)),
    "BuilderFlag.PREFER_PRECISION_CONSTRAINTS": ((0,), (11,)),
    "BuilderFlag.TF32": ((0,), _EVER),
    "BuilderFlag.DISTRIBUTIVE_INDEPENDENCE": ((10, 12), _EVER),
    "IInt8Calibrator": ((0,), (11,)),
    "IProgressMonitor": ((9, 1), _EVER),
    "IBuilderConfig.progress_monitor": ((9, 1), _EVER),
    "IBuilderConfig.max_workspace_size": ((0,), (10,)),
    "Builder.build_engine": ((0,), (10,)),
    "Builder.platform_has_fast_fp16": ((0,), (11,)),
    "ILayer.precision": ((0,), (11,)),
    "ICudaEngine.num_bindings": ((0,), (10,)),
    "ICudaEngine.get_binding_name": ((0,), (10,)),
    "ICudaEngine.device_memory_size": ((0,), (11,)),
    "ICudaEngine.device_memory_size_v2": ((10, 1), _EVER),
    "ICudaEngine.create_execution_context_without_device_memory": ((0,), (11,)),
    "ExecutionContextAllocationStrategy": ((10,), _EVER),
    "IExecutionContext.execute_async_v2": ((0,), (10,)),
    "IExecutionContext.set_device_memory": ((10, 1), _EVER),
    "plugin": ((10, 7), _EVER),
    "plugin.aot_impl": ((10, 9), _EVER),
    "IRuntimeConfig": ((10, 11), _EVER),
}
SCRATCH_BYTES = 4096


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def has(version: str, name: str) -> bool:
    first, gone = PRESENCE.get(name, ((0,), _EVER))
    return first <= numbers(version) < gone


@dataclass
class Behaviour:
    """What a test makes the double do; and what it saw, newest last."""

    on_step: Callable[[int], None] = lambda step: None
    on_launch: Callable[[], None] = lambda: None
    build_fails: str = ""
    refuses_plans: str = ""
    refuses_launch: str = ""
    refuses_capture: bool = False
    changes_labels: Callable[[onnx.ModelProto], bool] = lambda model: False
    builds: list[dict[str, Any]] = field(default_factory=list)
    """Each build: version, network flags, builder flags, names of layers kept in fp32, detailed or not."""
    parsed: list[onnx.ModelProto] = field(default_factory=list)
    enqueued: int = 0
    busy: bool = False


def make(version: str, cuda: CudaDouble, behaviour: Behaviour | None = None) -> types.ModuleType:
    """A module ``tensorrt`` with the surface of one version."""
    behaviour = behaviour or Behaviour()
    trt = types.ModuleType("tensorrt")
    trt.__spec__ = ModuleSpec("tensorrt", None)
    trt.__version__, trt.behaviour, trt.cuda = version, behaviour, cuda

    def enum(name: str, *members: str) -> None:
        values = {member: value for value, member in enumerate(members) if has(version, f"{name}.{member}")}
        setattr(trt, name, IntEnum(name, values))

    enum("NetworkDefinitionCreationFlag", "EXPLICIT_BATCH", "STRONGLY_TYPED")
    enum(
        "BuilderFlag", "FP16", "INT8", "TF32", "OBEY_PRECISION_CONSTRAINTS", "PREFER_PRECISION_CONSTRAINTS",
        "DISTRIBUTIVE_INDEPENDENCE",
    )  # fmt: skip
    enum("ProfilingVerbosity", "LAYER_NAMES_ONLY", "DETAILED", "NONE")
    enum("LayerInformationFormat", "ONELINE", "JSON")
    enum("TensorIOMode", "NONE", "INPUT", "OUTPUT")
    enum("LayerType", "CONVOLUTION", "REDUCE", "UNARY", "SOFTMAX", "RESIZE", "TOPK", "CAST", "OTHER")
    enum("DataType", "FLOAT", "HALF", "INT32", "UINT8")
    trt.float32, trt.float16, trt.uint8 = trt.DataType.FLOAT, trt.DataType.HALF, trt.DataType.UINT8
    if has(version, "ExecutionContextAllocationStrategy"):
        enum("ExecutionContextAllocationStrategy", "STATIC", "ON_PROFILE_CHANGE", "USER_MANAGED")
    for name in ("IProgressMonitor", "IInt8Calibrator", "IRuntimeConfig"):
        if has(version, name):
            setattr(trt, name, type(name, (), {}))
    trt.ILogger = type("ILogger", (), {"Severity": IntEnum("Severity", "INTERNAL_ERROR ERROR WARNING INFO VERBOSE")})
    if has(version, "plugin"):
        trt.__path__ = []
        trt.plugin = types.ModuleType("tensorrt.plugin")
        if has(version, "plugin.aot_impl"):
            trt.plugin.aot_impl = lambda name: lambda function: function
    trt.OnnxParser = _surface(trt, _OnnxParser)
    trt.Builder = _surface(trt, _Builder)
    trt.Runtime = _surface(trt, _Runtime)
    return trt


def install(monkeypatch: Any, version: str, cuda: CudaDouble, behaviour: Behaviour | None = None) -> types.ModuleType:
    """Makes ``import tensorrt`` give the double while a test lasts."""
    trt = make(version, cuda, behaviour)
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    if hasattr(trt, "plugin"):
        monkeypatch.setitem(sys.modules, "tensorrt.plugin", trt.plugin)
    return trt


def _surface(trt: types.ModuleType, cls: type, *given: object) -> Callable[..., Any]:
    """Makes objects of ``cls`` that know ``trt`` and lack what this version lacks, to read and to set."""
    name = cls.__name__.lstrip("_")

    def refuse(attribute: str) -> None:
        if not has(trt.__version__, f"{name}.{attribute}"):
            raise AttributeError(f"tensorrt {trt.__version__}: {name!r} has no attribute {attribute!r}")

    class Surface(cls):
        def __getattribute__(self, attribute: str) -> Any:
            refuse(attribute)
            return super().__getattribute__(attribute)

        def __setattr__(self, attribute: str, value: object) -> None:
            refuse(attribute)
            if not attribute.startswith("_") and not hasattr(cls, attribute):
                raise AttributeError(f"{name!r} has no attribute {attribute!r}")
            super().__setattr__(attribute, value)

    return lambda *arguments, **named: Surface(trt, *given, *arguments, **named)


class _Builder:
    platform_has_fast_fp16 = True

    def __init__(self, trt: Any, logger: Any):
        self._trt, self._logger = trt, logger

    def create_network(self, flags: int = 0) -> Any:
        return _surface(self._trt, _INetworkDefinition)(flags)

    def create_builder_config(self) -> Any:
        return _surface(self._trt, _IBuilderConfig)()

    def build_engine(self, network: Any, config: Any) -> None:
        raise AssertionError("deprecated")

    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        trt, behaviour = self._trt, self._trt.behaviour
        names = sorted(flag.name for flag in config._flags)
        strong = network._strong or numbers(trt.__version__) >= (11,)
        if strong and set(names) & {"FP16", "INT8"}:
            self._logger.log(trt.ILogger.Severity.ERROR, "precision flags in a strongly typed network")
            return None
        if behaviour.build_fails:
            self._logger.log(trt.ILogger.Severity.ERROR, behaviour.build_fails)
            return None
        kept = [layer._name for layer in network._layers if layer._kept is not None]
        header = {"version": trt.__version__, "strong": strong, "flags": names, "fp32_layers": kept,
                  "network_flags": network._flags, "detailed": config.profiling_verbosity.name}  # fmt: skip
        behaviour.builds.append(header)
        if not _steps(getattr(config, "progress_monitor", None), behaviour):
            return None
        return json.dumps(header).encode() + b"\n" + network._model.SerializeToString()


def _steps(monitor: Any, behaviour: Behaviour) -> bool:
    """Two phases, the second within the first one's second step, as real builds nest them."""
    if monitor is None:
        for step in range(4):
            behaviour.on_step(step)
        return True
    monitor.phase_start("Building", None, 2)
    good = monitor.step_complete("Building", 0)
    monitor.phase_start("Timing", "Building", 4)
    for step in range(4):
        behaviour.on_step(step)
        good = good and monitor.step_complete("Timing", step)
    monitor.phase_finish("Timing")
    good = good and monitor.step_complete("Building", 1)
    monitor.phase_finish("Building")
    return good


class _INetworkDefinition:
    def __init__(self, trt: Any, flags: int):
        self._trt, self._flags = trt, flags
        strong = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
        self._strong = strong is not None and bool(flags >> strong & 1)
        self._model: Any = None
        self._layers: list[Any] = []

    @property
    def num_layers(self) -> int:
        return len(self._layers)

    def get_layer(self, index: int) -> Any:
        return self._layers[index]


class _ILayer:
    _TYPES = {"Conv": "CONVOLUTION", "Exp": "UNARY", "Resize": "RESIZE", "ArgMax": "TOPK", "Cast": "CAST"}

    def __init__(self, trt: Any, node: onnx.NodeProto, dtype: Any):
        self._trt, self._name, self._kept, self._dtype = trt, node.name, None, dtype
        kind = "REDUCE" if node.op_type.startswith("Reduce") else self._TYPES.get(node.op_type, "OTHER")
        self._type = trt.LayerType[kind]

    @property
    def type(self) -> Any:
        return self._type

    @property
    def precision(self) -> Any:
        return self._kept

    @precision.setter
    def precision(self, dtype: Any) -> None:
        self._kept = dtype

    @property
    def name(self) -> str:
        return self._name

    def get_output(self, index: int) -> Any:
        return types.SimpleNamespace(dtype=self._dtype)


class _OnnxParser:
    def __init__(self, trt: Any, network: Any, logger: Any):
        self._trt, self._network, self._errors = trt, network, []

    def parse(self, content: bytes) -> bool:
        trt, network = self._trt, self._network
        explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
        if numbers(trt.__version__) < (10,) and not network._flags >> explicit & 1:
            self._errors.append("implicit batch networks cannot be parsed")
            return False
        try:
            network._model = onnx.load_from_string(content)
        except Exception as error:
            self._errors.append(f"no ONNX: {error}")
            return False
        trt.behaviour.parsed.append(network._model)
        whole = {"Shape", "ArgMax", "Gather"}
        network._layers = [
            _surface(trt, _ILayer)(node, trt.DataType.INT32 if node.op_type in whole else trt.float32)
            for node in network._model.graph.node
        ]
        return True

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> str:
        return self._errors[index]


class _IBuilderConfig:
    progress_monitor: Any = None
    profiling_verbosity: Any = None
    max_workspace_size = 0

    def __init__(self, trt: Any):
        self._flags: set[Any] = {trt.BuilderFlag.TF32}

    def set_flag(self, flag: Any) -> None:
        self._flags.add(flag)

    def clear_flag(self, flag: Any) -> None:
        self._flags.discard(flag)


class _Runtime:
    def __init__(self, trt: Any, logger: Any):
        self._trt, self._logger = trt, logger

    def deserialize_cuda_engine(self, plan: bytes) -> Any:
        head, _, body = bytes(plan).partition(b"\n")
        trt = self._trt
        try:
            header = json.loads(head)
            model = onnx.load_from_string(body)
        except Exception:
            header = {"version": "nothing"}
        refusal = trt.behaviour.refuses_plans
        if header["version"] != trt.__version__ or refusal:
            words = refusal or f"made by {header['version']}"
            self._logger.log(trt.ILogger.Severity.ERROR, f"cannot deserialize: {words}")
            return None
        return _surface(trt, _ICudaEngine)(model, self._logger)


class _ICudaEngine:
    device_memory_size = SCRATCH_BYTES
    device_memory_size_v2 = SCRATCH_BYTES
    num_bindings = 3

    def __init__(self, trt: Any, model: onnx.ModelProto, logger: Any):
        self._trt, self._model, self._logger = trt, model, logger
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        self._tensors = {value.name: value for value in (*model.graph.input, *model.graph.output)}

    @property
    def num_io_tensors(self) -> int:
        return len(self._tensors)

    def get_binding_name(self, index: int) -> str:
        raise AssertionError("deprecated")

    def get_tensor_name(self, index: int) -> str:
        return list(self._tensors)[index]

    def get_tensor_mode(self, name: str) -> Any:
        inputs = [value.name for value in self._model.graph.input]
        return self._trt.TensorIOMode.INPUT if name in inputs else self._trt.TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        kinds = {onnx.TensorProto.UINT8: "UINT8", onnx.TensorProto.FLOAT: "FLOAT"}
        return self._trt.DataType[kinds[self._tensors[name].type.tensor_type.elem_type]]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(dim.dim_value or -1 for dim in self._tensors[name].type.tensor_type.shape.dim)

    def create_execution_context(self, strategy: Any = None) -> Any:
        owned = strategy is not None and strategy.name == "USER_MANAGED"
        return _surface(self._trt, _IExecutionContext)(self, owned)

    def create_execution_context_without_device_memory(self) -> Any:
        return _surface(self._trt, _IExecutionContext)(self, True)

    def create_engine_inspector(self) -> Any:
        names = [node.name for node in self._model.graph.node]
        tensors = list(self._tensors)
        old = {"Layers": names, "Bindings": tensors}
        new = {"Layers": [{"Name": name} for name in names], "I/O Tensors": [{"Name": name} for name in tensors]}
        text = json.dumps(new if numbers(self._trt.__version__) >= (11,) else old)
        return types.SimpleNamespace(get_engine_information=lambda layout: text)


class _IExecutionContext:
    device_memory: Any = None

    def __init__(self, trt: Any, engine: Any, owned: bool):
        self._trt, self._engine, self._owned = trt, engine, owned
        self._scratch: int | None = None
        self._addresses: dict[str, int] = {}
        self._shaped = False

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__("_scratch" if name == "device_memory" else name, value)

    def set_device_memory(self, pointer: int, size: int) -> None:
        assert size >= SCRATCH_BYTES
        self._scratch = pointer

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shaped = tuple(shape) == self._engine.get_tensor_shape(name)
        return self._shaped

    def set_tensor_address(self, name: str, pointer: int) -> bool:
        self._addresses[name] = pointer
        return pointer % 256 == 0

    def execute_async_v2(self, bindings: list[int], stream: int) -> bool:
        raise AssertionError("deprecated")

    def execute_async_v3(self, stream_handle: int) -> bool:
        trt, engine = self._trt, self._engine
        behaviour, cuda = trt.behaviour, trt.cuda
        assert not behaviour.busy, "two threads in one context"
        behaviour.busy = True
        try:
            behaviour.on_launch()
            if behaviour.refuses_launch or not (self._owned and self._scratch and self._shaped):
                words = behaviour.refuses_launch or "memory or shape is missing"
                engine._logger.log(trt.ILogger.Severity.ERROR, words)
                return False
            if behaviour.refuses_capture and cuda.streams[stream_handle].capture is not None:
                return False
            addresses = dict(self._addresses)
            for pointer in (*addresses.values(), self._scratch):
                cuda.check_device(pointer)
            behaviour.enqueued += 1
            cuda.enqueue(stream_handle, lambda: self._run(addresses))
        finally:
            behaviour.busy = False
        return True

    def _run(self, addresses: dict[str, int]) -> None:
        engine = self._engine
        (source,) = engine._model.graph.input
        shape = engine.get_tensor_shape(source.name)
        frames = _bytes_at(addresses[source.name], math.prod(shape)).reshape(shape).copy()
        names = [value.name for value in engine._model.graph.output]
        for name, array in zip(names, engine._session.run(names, {source.name: frames}), strict=True):
            wrong = name == "labels" and self._trt.behaviour.changes_labels(engine._model)
            _bytes_at(addresses[name], array.nbytes)[:] = (array + wrong).reshape(-1)


def _bytes_at(pointer: int, size: int) -> np.ndarray:
    return np.frombuffer((ctypes.c_uint8 * size).from_address(pointer), np.uint8)
