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

"""Our plugins through the real Python side of ``tensorrt.plugin``; `make test-tensorrt-rtx` installs it.

TensorRT's library is not there: stand-ins take the place of its classes, and the test makes its builder's calls.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from enum import Enum
from pathlib import Path

import pytest

from gain_ros.runtime.tensorrt import plugin

BINDINGS = "tensorrt_bindings"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(BINDINGS) is None, reason="make test-tensorrt-rtx installs TensorRT's bindings"
)

ENUMS = {
    "DataType": "FLOAT HALF INT32 INT64 BF16 FP8 INT4",
    "DimensionOperation": "SUM PROD MAX MIN SUB EQUAL LESS FLOOR_DIV CEIL_DIV",
    "PluginArgDataType": "INT8 INT16 INT32",
    "PluginArgType": "INT",
    "PluginFieldType": "UNKNOWN FLOAT16 FLOAT32 FLOAT64 INT8 INT16 INT32 INT64 CHAR",
    "QuickPluginCreationRequest": "UNKNOWN PREFER_JIT PREFER_AOT STRICT_JIT STRICT_AOT",
    "TensorFormat": "LINEAR",
    "TensorRTPhase": "BUILD RUNTIME",
}
CLASSES = (
    *("ITensor", "PluginTensorDesc", "DynamicPluginTensorDesc", "IExprBuilder", "ISymExpr", "IPluginCreatorV3Quick"),
    *("IPluginV3", "IPluginV3QuickCore", "IPluginV3QuickBuild", "IPluginV3QuickAOTBuild", "IPluginV3QuickRuntime"),
)


class Dims(tuple):
    MAX_DIMS = 8


class Dimension:
    """A dimension's expression, here always a constant."""

    def __init__(self, value: int):
        self.value = value

    def is_constant(self) -> bool:
        return True

    def get_constant_value(self) -> int:
        return self.value


class Registry(dict):
    def register_creator(self, creator, namespace: str) -> None:
        self[namespace, creator.name] = creator

    def get_creator(self, name: str, version: str, namespace: str):
        return self.get((namespace, name))


class Builder:
    """Makes expressions, as a network's does while it asks a plugin for shapes or for its launch."""

    def constant(self, value: int) -> Dimension:
        return Dimension(value)

    def operation(self, op: Enum, first: Dimension, second: Dimension) -> Dimension:
        calculate = {"SUM": int.__add__, "PROD": int.__mul__}[op.name]
        return Dimension(calculate(first.value, second.value))


class Scalars(list):
    nbSymExprs = property(None, lambda self, count: self.extend([None] * count))  # noqa: N815  TensorRT's name


def stand_in() -> types.ModuleType:
    trt = types.ModuleType("tensorrt")
    trt.__path__, trt.__version__ = [], "11.4.0"
    for name, members in ENUMS.items():
        setattr(trt, name, Enum(name, members))
    for name in CLASSES:
        setattr(trt, name, type(name, (), {}))
    trt.float16, trt.float32, trt.int32 = trt.DataType.HALF, trt.DataType.FLOAT, trt.DataType.INT32
    trt.IDimensionExpr, trt.Dims = Dimension, Dims
    trt.DimsExprs = lambda count: [None] * count
    trt.PluginField, trt.PluginFieldCollection = types.SimpleNamespace, list
    trt.Logger = type("Logger", (), {"WARNING": 2, "log": lambda *_: None})
    registry = Registry()
    trt.get_plugin_registry = lambda: registry
    return trt


@pytest.fixture
def trt(monkeypatch):
    for name in _loaded():
        monkeypatch.delitem(sys.modules, name)
    module = stand_in()
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    folder = Path(importlib.util.find_spec(BINDINGS).origin).parent / "plugin"
    spec = importlib.util.spec_from_file_location(
        "tensorrt.plugin", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules["tensorrt.plugin"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["tensorrt.plugin"])
    cuda = types.SimpleNamespace(compute_capability="8.7")
    monkeypatch.setattr("gain_ros.runtime.tensorrt.cudart.open_cuda", lambda: cuda)
    yield module
    for name in _loaded():
        del sys.modules[name]


def _loaded() -> list[str]:
    return [name for name in sys.modules if name == "tensorrt" or name.startswith("tensorrt.")]


def build(trt: types.ModuleType, name: str, inputs: list[tuple[tuple[int, ...], Enum]]):
    """What TensorRT's builder asks of one plugin: its outputs as (shape, type), name, kernel, launch and scalars."""
    creator = trt.get_plugin_registry().get_creator(name, "1", plugin.NAMESPACE)
    request = trt.QuickPluginCreationRequest.STRICT_AOT
    made = creator.create_plugin(name, plugin.NAMESPACE, [], trt.TensorRTPhase.BUILD, request)
    dtypes = made.get_output_data_types([dtype for _, dtype in inputs], [len(shape) for shape, _ in inputs])
    shapes = made.get_output_shapes([list(map(Dimension, shape)) for shape, _ in inputs], [], Builder())
    outputs = [(tuple(size.value for size in shape), dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    descs = [described(trt, *each) for each in (*inputs, *outputs)]
    combinations = made.get_supported_format_combinations(descs, len(inputs))
    offered = [each.type for each in combinations]
    wanted = [desc.desc.type for desc in descs]
    assert wanted in [offered[i : i + len(wanted)] for i in range(0, len(offered), len(wanted))]
    made.configure_plugin(descs[: len(inputs)], descs[len(inputs) :])
    assert made.get_valid_tactics() == []
    made.set_tactic(0)
    launch, scalars = types.SimpleNamespace(), Scalars()
    made.get_launch_params([], descs, len(inputs), launch, scalars, Builder())
    kernel = made.get_kernel(*([desc.desc for desc in part] for part in (descs[: len(inputs)], descs[len(inputs) :])))
    assert all(scalar.dtype is trt.PluginArgDataType.INT32 for scalar in scalars)
    launch = {name: sym.expr.value for name, sym in vars(launch).items()}
    return outputs, kernel, launch, [scalar.expr.value for scalar in scalars]


def described(trt: types.ModuleType, shape: tuple[int, ...], dtype: Enum):
    desc = trt.DynamicPluginTensorDesc()
    desc.desc = trt.PluginTensorDesc()
    desc.desc.dims, desc.desc.type, desc.desc.format, desc.desc.scale = Dims(shape), dtype, trt.TensorFormat.LINEAR, 0.0
    return desc


@pytest.mark.parametrize("dtype", ["HALF", "FLOAT"])
def test_the_real_tensorrt_plugin_takes_both_plugins(trt, monkeypatch, dtype):
    kernel = plugin.Kernel("k", "ptx", 128, 4096, 32)
    monkeypatch.setattr(plugin, "compile_kernel", lambda *arguments: kernel)
    plugin.register()
    dtype = trt.DataType[dtype]
    q, v = ((2, 8, 90, 120), dtype), ((2, 64, 90, 120), dtype)
    between, found, launch, scalars = build(trt, plugin.COLUMNS, [q, q, v])
    assert between == [v, ((2, 90, 240), trt.float32)]
    assert found == (b"k", b"ptx")
    assert scalars == [90, 120, 8, 64]
    still = {"grid_z": 1, "block_x": 128, "block_y": 1, "block_z": 1, "shared_mem": 4096}
    assert launch == still | {"grid_x": 240, "grid_y": 3}
    outputs, found, launch, scalars = build(trt, plugin.ROWS, [q, q, v, v, *between])
    assert outputs == [v]
    assert (found, scalars) == ((b"k", b"ptx"), [90, 120, 8, 64])
    assert launch == still | {"grid_x": 180, "grid_y": 4}
