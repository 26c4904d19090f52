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

"""Criss-cross attention as TensorRT plugins: the graph that holds them, and their registration.

The Triton kernels of :mod:`gain_ros.model.kernels` are compiled to PTX while the engine is built and embedded in it
(quickly deployable plugins, ahead of time: TensorRT 10.9 or newer), so that the engine needs neither Triton nor Python.
The plain graph always exists; this one is a second, which its user holds to the first before taking it.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gain_ros.errors import EngineUnavailable
from gain_ros.onnx.rewriting import drop_unused

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

NAMESPACE = "gain"
COLUMNS, ROWS = "criss_cross_columns", "criss_cross_rows"

_WARPS = 4
_SHARED_BYTES = 48 << 10  # what every GPU gives a block without being asked; whether TensorRT asks is nowhere said
# PTX as old as may be, since Triton's own choice is refused by all but the newest drivers: CUDA 12.0's, or for a newer
# GPU the first that knows it.
_PTX_CUDA_12 = 80
_PTX = {100: 86, 103: 88, 110: 90, 120: 87, 121: 88}


@dataclass(frozen=True)
class Kernel:
    """A kernel as TensorRT launches it: ``ptx`` with entry ``name``, ``threads`` a block, ``shared`` bytes."""

    name: str
    ptx: str
    threads: int
    shared: int
    block: int


@dataclass(frozen=True)
class _Pass:
    """The tensors of one pass, y = x + attention(q, k, v), found in a graph; ``output`` is y's name."""

    q: str
    k: str
    v: str
    x: str
    output: str


def fused_onnx(model: ModelProto) -> ModelProto:
    """Return a graph of :func:`gain_ros.onnx.precision.typed_onnx` with each attention pass as two plugin nodes.

    ``gain::criss_cross_columns`` turns q, k, v into a partial result and softmax statistics; ``gain::criss_cross_rows``
    takes q, k, v, x and those, and gives x + attention. Raises ValueError for a graph without such passes.
    """
    from onnx import ModelProto, helper

    fused = ModelProto()
    fused.CopyFrom(model)
    graph = fused.graph
    passes = {found.output: found for found in _passes(graph.node)}
    if not passes:
        raise ValueError("the graph holds no criss-cross attention in its deployment form; give one by typed_onnx")
    nodes: list[NodeProto] = []
    for node in graph.node:
        nodes += _plugin_nodes(passes[node.output[0]]) if node.output[0] in passes else [node]
    del graph.node[:]
    graph.node.extend(nodes)
    fused.opset_import.append(helper.make_opsetid(NAMESPACE, 1))
    drop_unused(graph)
    return fused


def register() -> None:
    """Make the two plugins known to TensorRT, for engines built on this machine's GPU. May be called again.

    Raises EngineUnavailable where TensorRT is older than 10.9, or Triton or PyTorch is missing.
    """
    _register(*_tensorrt())


@functools.lru_cache(maxsize=1)
def _register(trt: Any, plugins: Any) -> None:
    try:
        importlib.import_module("gain_ros.model.kernels")
    except ImportError as error:
        raise EngineUnavailable(
            f"the attention plugin needs Triton and PyTorch to be compiled ({error}); `pip install torch triton`"
        ) from error
    from gain_ros.runtime.tensorrt.cudart import open_cuda

    capability = int(open_cuda().compute_capability.replace(".", ""))
    _register_columns(trt, plugins, capability)
    _register_rows(trt, plugins, capability)


def source_hash() -> str:
    """sha256 of everything that the plugins are made from, for an engine's cache key."""
    kernels = importlib.import_module("gain_ros.model.kernels.criss_cross")
    version = importlib.import_module("triton").__version__
    sources = b"".join(Path(file).read_bytes() for file in (__file__, inspect.getfile(kernels)))
    return hashlib.sha256(sources + version.encode()).hexdigest()


def compile_kernel(op: str, dtype: str, height: int, width: int, keys: int, values: int, capability: int) -> Kernel:
    """Compile one of the two kernels for contiguous N×C×H×W tensors of ``dtype`` "fp16" or "fp32"; needs no GPU.

    ``capability`` is the GPU's compute capability, such as 87. Height, width and widths remain arguments of the
    kernel, in this order, between its inputs and its outputs. Raises EngineUnavailable where it needs more than
    TensorRT gives a kernel.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from gain_ros.model.kernels import criss_cross

    kernel = criss_cross.columns_kernel if op == COLUMNS else criss_cross.rows_kernel
    plane = height * width
    strides = {"n": plane, "c": plane, "h": width, "w": 1}
    fixed: dict[str, Any] = {}
    for name, channels in {"q": keys, "k": keys, "v": values, "x": values, "y": values}.items():
        fixed |= {f"{name}_{axis}": step * (channels if axis == "n" else 1) for axis, step in strides.items()}
    block = criss_cross.block(height if op == COLUMNS else width)
    fixed |= {"gamma": None, "BLOCK": block, "DOT": "ieee" if dtype == "fp32" else "tf32"}
    fixed |= {"K_PAD": criss_cross.padded(keys), "V_PAD": criss_cross.padded(values)}
    signature = {name: _argument(name, dtype, fixed) for name in kernel.arg_names}
    constants = {name: fixed[name] for name, kind in signature.items() if kind == "constexpr"}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    options = {"num_warps": _WARPS, "ptx_version": _PTX.get(capability, _PTX_CUDA_12 if capability < 100 else None)}
    built = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    if built.metadata.shared > _SHARED_BYTES:
        raise EngineUnavailable(f"{op} needs {built.metadata.shared} bytes of shared memory, more than {_SHARED_BYTES}")
    ptx = with_parameters(built.asm["ptx"], len(signature) - len(constants))
    return Kernel(built.metadata.name, ptx, 32 * built.metadata.num_warps, built.metadata.shared, block)


def with_parameters(ptx: str, count: int) -> str:
    """PTX whose entry takes its first ``count`` parameters alone. Raises EngineUnavailable where it reads another.

    Triton ends each kernel's parameters with two pointers to scratch memory. Its own launcher passes them; TensorRT
    passes inputs, scalars and outputs alone.
    """
    head, opening, rest = ptx.partition(".entry ")
    name, parenthesis, rest = rest.partition("(")
    parameters, closing, body = rest.partition(")")
    declared = parameters.split(",")
    for extra in (parameter.split()[-1] for parameter in declared[count:]):
        if re.search(rf"\b{extra}\b", body):
            raise EngineUnavailable(f"{name} reads {extra}, scratch memory that TensorRT does not give")
    return head + opening + name + parenthesis + ",".join(declared[:count]).rstrip() + "\n" + closing + body


def _argument(name: str, dtype: str, fixed: dict[str, Any]) -> str:
    if name in fixed:
        return "constexpr"
    if name == "softmax":
        return "*fp32"
    return "i32" if name in ("H", "W", "K", "V") else f"*{dtype}"


def _tensorrt() -> tuple[Any, Any]:
    try:
        trt = importlib.import_module("tensorrt")
        plugins = importlib.import_module("tensorrt.plugin")
    except ImportError as error:
        raise EngineUnavailable(f"plugins need TensorRT 10.9 or newer with tensorrt.plugin ({error})") from error
    if not hasattr(plugins, "aot_impl"):
        raise EngineUnavailable(f"plugins need TensorRT 10.9 or newer; this is {trt.__version__}")
    return trt, plugins


# TensorRT reads the signatures below: tensors by name, then `outputs` and `tactic`. Annotations must be objects, not
# text, so they are set by hand in a file that postpones them. The plugins have no attributes, since shapes say all:
# before TensorRT 11.2 an integer attribute reaches a plugin through int(array([n])), which NumPy 2.4 refuses.


def _register_columns(trt: Any, plugins: Any, capability: int) -> None:
    def describe(q, k, v):
        n, _, h, w = q.shape_expr
        # Two numbers a position. w + w stands for w * 2: before 10.15 a number would be made an expression by the
        # builder of expressions of the plugin before, which is gone.
        return v.like(), plugins.from_shape_expr((n, h, w + w), dtype=trt.float32)

    def tune(q, k, v, outputs):
        return [plugins.AutoTuneCombination(f"{t}, {t}, {t}, {t}, FP32", "LINEAR") for t in ("FP16", "FP32")]

    def implement(q, k, v, outputs, tactic):
        n, keys, height, width = q.shape
        sizes = (height, width, keys, v.shape[1])
        kernel = compile_kernel(COLUMNS, _dtype(trt, v), *sizes, capability)
        return _launch(plugins, kernel, n * width, height, sizes)

    _annotate(plugins, describe, implement, tuple[plugins.TensorDesc, plugins.TensorDesc])
    _define(plugins, COLUMNS, describe, tune, implement)


def _register_rows(trt: Any, plugins: Any, capability: int) -> None:
    def describe(q, k, v, x, partial, softmax):
        return x.like()

    def tune(q, k, v, x, partial, softmax, outputs):
        return [plugins.AutoTuneCombination(f"{t}, {t}, {t}, {t}, {t}, FP32, {t}", "LINEAR") for t in ("FP16", "FP32")]

    def implement(q, k, v, x, partial, softmax, outputs, tactic):
        n, keys, height, width = q.shape
        sizes = (height, width, keys, v.shape[1])
        kernel = compile_kernel(ROWS, _dtype(trt, v), *sizes, capability)
        return _launch(plugins, kernel, n * height, width, sizes)

    _annotate(plugins, describe, implement, plugins.TensorDesc)
    _define(plugins, ROWS, describe, tune, implement)


def _annotate(plugins: Any, describe: Callable, implement: Callable, described: Any) -> None:
    names = inspect.signature(describe).parameters
    describe.__annotations__ = dict.fromkeys(names, plugins.TensorDesc) | {"return": described}
    launched = tuple[bytes, bytes, plugins.KernelLaunchParams, plugins.SymIntExprs]
    implement.__annotations__ = {"return": launched}


def _define(plugins: Any, name: str, describe: Callable, tune: Callable, implement: Callable) -> None:
    op = f"{NAMESPACE}::{name}"
    plugins.register(op)(describe)
    plugins.autotune(op)(tune)
    plugins.aot_impl(op)(implement)


def _dtype(trt: Any, tensor: Any) -> str:
    return {trt.float16: "fp16", trt.float32: "fp32"}[tensor.dtype]


def _launch(plugins: Any, kernel: Kernel, lines: int, length: int, sizes: tuple[int, ...]) -> tuple[Any, ...]:
    launch = plugins.KernelLaunchParams()
    launch.grid_x, launch.grid_y = lines, -(-length // kernel.block)
    launch.block_x, launch.shared_mem = kernel.threads, kernel.shared
    scalars = plugins.SymIntExprs.from_tuple([plugins.SymInt32(size) for size in sizes])
    return kernel.name.encode(), kernel.ptx.encode(), launch, scalars


def _passes(nodes: list[NodeProto]) -> list[_Pass]:
    """Find each x + (gathered - p_self · v) / total, where p_self = exp(sum(q · k) - peak); casts are looked through.

    This is the form that :func:`gain_ros.model.deploy.criss_cross_attention` exports.
    """
    producers = {name: node for node in nodes for name in node.output}

    def source(name: str) -> str:
        node = producers.get(name)
        return source(node.input[0]) if node is not None and node.op_type == "Cast" else name

    def follow(name: str, *path: tuple[str, int]) -> str | None:
        """Return the tensor reached by going up through nodes of these kinds, from each by the input of this number."""
        for kind, position in path:
            node = producers.get(source(name))
            if node is None or node.op_type != kind:
                return None
            name = node.input[position]
        return source(name)

    found = []
    for node in nodes:
        for position in (0, 1) if node.op_type == "Add" else ():
            to_self = (("Div", 0), ("Sub", 1), ("Mul", 0), ("Unsqueeze", 0), ("Exp", 0), ("Sub", 0), ("ReduceSum", 0))
            q = follow(node.input[position], *to_self, ("Mul", 0))
            k = follow(node.input[position], *to_self, ("Mul", 1))
            v = follow(node.input[position], ("Div", 0), ("Sub", 1), ("Mul", 1))
            if q is not None and k is not None and v is not None:
                found.append(_Pass(q, k, v, source(node.input[1 - position]), node.output[0]))
    return found


def _plugin_nodes(found: _Pass) -> list[NodeProto]:
    from onnx import helper

    known_by: dict[str, Any] = {"plugin_namespace": NAMESPACE, "plugin_version": "1", "aot": 1}
    qkv, between = [found.q, found.k, found.v], [f"{found.output}_partial", f"{found.output}_softmax"]
    return [
        helper.make_node(COLUMNS, qkv, between, f"{found.output}_columns", domain=NAMESPACE, **known_by),
        helper.make_node(
            ROWS, [*qkv, found.x, *between], [found.output], f"{found.output}_rows", domain=NAMESPACE, **known_by
        ),
    ]
