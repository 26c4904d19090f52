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

"""``tensorrt.plugin`` 10.9, as strict as the real one, and the calls that TensorRT's builder makes to a plugin.

What differs between versions is here as in the worst of them: numbers become expressions only while a builder of
expressions lives, attributes cannot be read under NumPy 2.4, and a kernel's name is kept only where it is short.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FLOAT16, FLOAT32 = "DataType.HALF", "DataType.FLOAT"
_TYPE_NAMES = {"FP16": FLOAT16, "FP32": FLOAT32}
_SHORT_NAME = 15  # characters that lie within a std::string itself; before 10.14 those of a longer name are freed


@dataclass(frozen=True)
class Built:
    """What the builder has learnt of one plugin: outputs as (shape, type), and the launch."""

    outputs: list[tuple[tuple[int, ...], str]]
    name: str
    kernel: bytes
    launch: dict[str, int]
    scalars: list[int]


class SymInt32:
    """A number within an expression of shapes; ``value`` None is a fake, as outside of a shape calculation."""

    builder_lives = False

    def __init__(self, value: Any):
        assert isinstance(value, (int, SymInt32)), f"no expression can be made of {type(value)}"
        assert not isinstance(value, int) or SymInt32.builder_lives, "the builder of expressions is gone"
        self.value = value if isinstance(value, int) else value.value

    @classmethod
    def fake(cls) -> SymInt32:
        made = cls.__new__(cls)
        made.value = None
        return made

    def __add__(self, other: Any) -> SymInt32:
        return self if self.value is None else type(self)(self.value + type(self)(other).value)


class ShapeExpr(SymInt32):
    pass


class SymIntExprs(list):
    @classmethod
    def from_tuple(cls, values: Any) -> SymIntExprs:
        assert all(isinstance(value, SymInt32) for value in values), "scalars must be SymInt32"
        return cls(values)


class TensorDesc:
    """A tensor: ``shape`` may be read from the choice of types on, ``shape_expr`` always."""

    def __init__(self, shape_expr: tuple[ShapeExpr, ...], dtype: str, shape: tuple[int, ...] | None = None):
        self.shape_expr, self.dtype, self._shape = shape_expr, dtype, shape

    @property
    def shape(self) -> tuple[int, ...]:
        assert self._shape is not None, "TensorDesc has no shape information available at this stage"
        return self._shape

    def like(self) -> TensorDesc:
        return TensorDesc(self.shape_expr, self.dtype)


def from_shape_expr(shape_expr: tuple[Any, ...], dtype: str) -> TensorDesc:
    assert isinstance(shape_expr, tuple)
    return TensorDesc(tuple(each if isinstance(each, ShapeExpr) else ShapeExpr(each) for each in shape_expr), dtype)


class KernelLaunchParams:
    def __init__(self):
        names = ("grid_x", "grid_y", "grid_z", "block_x", "block_y", "block_z", "shared_mem")
        self.__dict__.update({name: SymInt32(name != "shared_mem") for name in names})

    def __setattr__(self, name: str, value: Any) -> None:
        assert name in self.__dict__, f"KernelLaunchParams object has no attribute '{name}'"
        self.__dict__[name] = SymInt32(value)


class AutoTuneCombination:
    def __init__(self, io_types: str, layouts: str):
        self.types = [_TYPE_NAMES[name.strip()] for name in io_types.split(",")]
        assert layouts == "LINEAR"


class Plugins(types.ModuleType):
    """The module ``tensorrt.plugin``: keeps definitions, each after the checks of their signatures."""

    TensorDesc, KernelLaunchParams, SymInt32, SymIntExprs = TensorDesc, KernelLaunchParams, SymInt32, SymIntExprs
    AutoTuneCombination, from_shape_expr = AutoTuneCombination, staticmethod(from_shape_expr)

    def __init__(self):
        super().__init__("tensorrt.plugin")
        self.kept: dict[str, types.SimpleNamespace] = {}

    def register(self, op: str) -> Callable:
        def keep(describe: Callable) -> Callable:
            assert op not in self.kept, f"there already is a definition for {op}"
            assert "." not in op
            assert op.partition("::")[0] not in ("", "trt", "tensorrt", "std")
            signature = inspect.signature(describe)
            for parameter in signature.parameters.values():
                assert parameter.default is inspect.Parameter.empty
                assert parameter.annotation is TensorDesc, f"{parameter}: attributes do not survive NumPy 2.4"
            many = typing.get_origin(signature.return_annotation) is tuple
            returned = typing.get_args(signature.return_annotation) if many else (signature.return_annotation,)
            assert all(each is TensorDesc for each in returned)
            self.kept[op] = types.SimpleNamespace(
                describe=describe, inputs=list(signature.parameters), outputs=len(returned)
            )
            return describe

        return keep

    def autotune(self, op: str) -> Callable:
        def keep(tune: Callable) -> Callable:
            assert list(inspect.signature(tune).parameters) == [*self.kept[op].inputs, "outputs"]
            self.kept[op].tune = tune
            return tune

        return keep

    def aot_impl(self, op: str) -> Callable:
        def keep(implement: Callable) -> Callable:
            signature = inspect.signature(implement)
            assert list(signature.parameters) == [*self.kept[op].inputs, "outputs", "tactic"]
            assert signature.return_annotation == tuple[bytes, bytes, KernelLaunchParams, SymIntExprs]
            self.kept[op].implement = implement
            return implement

        return keep

    def build(self, op: str, inputs: list[tuple[tuple[int, ...], str]]) -> Built:
        """The builder's way with one plugin: types, shapes, combinations of types, launch and kernel."""
        plugin = self.kept[op]
        SymInt32.builder_lives = False
        fakes = [TensorDesc(tuple(ShapeExpr.fake() for _ in shape), dtype) for shape, dtype in inputs]
        dtypes = [desc.dtype for desc in _as_tuple(plugin.describe(*fakes))]
        SymInt32.builder_lives = True
        descs = [TensorDesc(tuple(map(ShapeExpr, shape)), dtype) for shape, dtype in inputs]
        outputs = _as_tuple(plugin.describe(*descs))
        assert len(outputs) == plugin.outputs
        assert [desc.dtype for desc in outputs] == dtypes
        SymInt32.builder_lives = False
        combinations = [each.types for each in plugin.tune(*descs, outputs)]
        assert [*(dtype for _, dtype in inputs), *dtypes] in combinations, "no combination has the network's types"
        for desc in (*descs, *outputs):
            desc._shape = tuple(expression.value for expression in desc.shape_expr)
        SymInt32.builder_lives = True
        name, kernel, launch, scalars = plugin.implement(*descs, outputs, 0)
        assert isinstance(launch, KernelLaunchParams)
        assert isinstance(scalars, SymIntExprs)
        assert len(name) <= _SHORT_NAME
        described = [(desc.shape, desc.dtype) for desc in outputs]
        launched = {name: expression.value for name, expression in vars(launch).items()}
        return Built(described, name.decode(), kernel, launched, [scalar.value for scalar in scalars])


def _as_tuple(described: Any) -> tuple[TensorDesc, ...]:
    return described if isinstance(described, tuple) else (described,)
