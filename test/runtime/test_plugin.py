"""Attention as TensorRT plugins: the graph with them in it, their kernels, and what TensorRT is told.

TensorRT itself is not here: the graph is run with the plugins' meaning in PyTorch, kernels are compiled for GPUs that
need not be present, and the registration is read by a double of ``tensorrt.plugin``.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from gain_ros.bundle import read_bundle
from gain_ros.model.gai import criss_cross_attention
from gain_ros.runtime import plugin
from gain_ros.runtime.engines import EngineUnavailable
from gain_ros.runtime.precision import typed_onnx

ROOT = Path(__file__).resolve().parents[2]


def attention_ops():
    """The two plugins for ONNX's reference evaluator: the first passes nothing on, the second does all."""
    from onnx.reference.op_run import OpRun

    def columns(self, q, k, v, **_):
        return v, q

    def rows(self, q, k, v, x, partial, softmax, **_):
        maps = (torch.from_numpy(np.asarray(each)).float() for each in (q, k, v))
        return (x + criss_cross_attention(*maps).numpy().astype(x.dtype),)

    return [type(name, (OpRun,), {"op_domain": plugin.NAMESPACE, "_run": run})
            for name, run in ((plugin.COLUMNS, columns), (plugin.ROWS, rows))]  # fmt: skip


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_fused_graph_computes_what_the_plain_one_does(model_folder, picture, precision):
    from onnx.reference import ReferenceEvaluator

    plain = typed_onnx(read_bundle(model_folder), "logits", precision)
    fused = plugin.fused_onnx(plain)
    assert [node.op_type for node in fused.graph.node].count(plugin.ROWS) == 4
    assert not {"Exp", "MatMul"} & {node.op_type for node in fused.graph.node}
    feeds = {"images": picture(64, 96)[None]}
    (expected,) = ReferenceEvaluator(plain).run(None, feeds)
    (found,) = ReferenceEvaluator(fused, new_ops=attention_ops()).run(None, feeds)
    assert np.abs(found - expected).max() < (1e-4 if precision == "fp32" else 0.05) * np.ptp(expected)


def test_a_graph_without_attention_is_refused():
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([], "empty", [value], [value])
    with pytest.raises(ValueError, match="no criss-cross attention"):
        plugin.fused_onnx(helper.make_model(graph))


def run_compiled(code: str) -> str:
    """In a process of its own, where Triton compiles instead of interpreting."""
    pytest.importorskip("triton")
    environment = {**os.environ, "TRITON_INTERPRET": "0"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_kernels_compile_for_each_gpu_without_one():
    """SM 75 is TensorRT's oldest, 87 is Orin, 90 the H200; ptxas takes the PTX after its parameters were cut."""
    code = """
import subprocess, tempfile, triton
from gain_ros.runtime.plugin import COLUMNS, ROWS, compile_kernel
for op, dtype, size, widths, capability in (
    (COLUMNS, "fp16", (90, 120), (8, 64), 87), (ROWS, "fp16", (90, 120), (6, 48), 87),
    (ROWS, "fp32", (45, 60), (6, 48), 75), (COLUMNS, "fp16", (128, 256), (8, 64), 90),
):
    kernel = compile_kernel(op, dtype, *size, *widths, capability)
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(kernel.ptx)
        file.flush()
        ptxas = triton.knobs.nvidia.ptxas.path
        arch = f"-arch=sm_{capability}{'a' if capability == 90 else ''}"
        subprocess.run([ptxas, arch, file.name, "-o", "/dev/null"], check=True)
    print(kernel.name, kernel.ptx.count(".param ."), kernel.threads, kernel.block, kernel.shared <= 48 << 10)
"""
    assert run_compiled(code).splitlines() == [
        "columns_kernel 9 128 32 True",  # q, k, v, four sizes, partial, softmax
        "rows_kernel 11 128 64 True",  # q, k, v, x, partial, softmax, four sizes, y
        "rows_kernel 11 128 64 True",
        "columns_kernel 9 128 64 True",
    ]


def test_only_parameters_that_nothing_reads_are_cut():
    ptx = "// it\n.visible .entry f(\n\t.param .u64 f_0,\n\t.param .u64 f_1,\n\t.param .u64 f_2\n)\n{ ld f_0; ld f_1; }"
    assert "f_2" not in plugin.without_unused_parameters(ptx)
    assert plugin.without_unused_parameters(ptx).count(".param") == 2
    assert plugin.without_unused_parameters(ptx).startswith("// it\n.visible .entry f(")


class Registry(types.ModuleType):
    """``tensorrt.plugin`` as far as a registration goes; keeps what it is given."""

    TensorDesc = type("TensorDesc", (), {})

    def __init__(self):
        super().__init__("tensorrt.plugin")
        self.kept: dict[tuple[str, str], object] = {}
        for part in ("register", "autotune", "aot_impl"):
            setattr(self, part, lambda op, part=part: lambda function: self.kept.setdefault((part, op), function))

    AutoTuneCombination = staticmethod(lambda types, formats: (types, formats))
    KernelLaunchParams = types.SimpleNamespace
    SymInt32 = int
    SymIntExprs = type("SymIntExprs", (tuple,), {"from_tuple": classmethod(lambda cls, values: cls(values))})
    from_shape_expr = staticmethod(lambda shape, dtype: (tuple(shape), dtype))


def tensor(*shape: int, dtype: str = "DataType.HALF"):
    made = types.SimpleNamespace(shape_expr=shape, dtype=dtype)
    made.like = lambda: made
    return made


@pytest.fixture
def registry(monkeypatch):
    pytest.importorskip("triton")
    module, cuda = Registry(), types.SimpleNamespace(compute_capability="8.7")
    trt = types.ModuleType("tensorrt")
    trt.__version__, trt.float32 = "10.9.0", "float32"
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setitem(sys.modules, "tensorrt.plugin", module)
    monkeypatch.setattr("gain_ros.runtime.engines.cudart.open_cuda", lambda: cuda)
    return module


def test_tensorrt_is_told_shapes_types_and_launches(registry, monkeypatch):
    kernel = plugin.Kernel("k", "ptx", 128, 4096, 64)
    asked = []
    monkeypatch.setattr(plugin, "compile_kernel", lambda *arguments: asked.append(arguments) or kernel)
    plugin.register()
    kept = dict(registry.kept)
    plugin.register()
    assert registry.kept == kept
    q, v, sizes = tensor(2, 8, 90, 120), tensor(2, 64, 90, 120), (90, 120, 8, 64)
    columns, rows = (f"gain::{name}" for name in (plugin.COLUMNS, plugin.ROWS))
    describe = kept["register", columns]
    assert list(describe.__annotations__) == ["q", "k", "v", "height", "width", "keys", "values", "return"]
    for op, tensors in ((columns, ["q", "k", "v"]), (rows, ["q", "k", "v", "x", "partial", "softmax"])):
        names = [*tensors, "height", "width", "keys", "values"]
        assert list(inspect.signature(kept["register", op]).parameters) == names
        assert list(inspect.signature(kept["autotune", op]).parameters) == [*names, "outputs"]
        compiled = inspect.signature(kept["aot_impl", op])
        assert list(compiled.parameters) == [*names, "outputs", "tactic"]
        assert compiled.return_annotation == tuple[bytes, bytes, registry.KernelLaunchParams, registry.SymIntExprs]
    assert describe(q, q, v, *sizes) == (v, ((2, 90, 120, 2), "float32"))
    assert kept["register", rows](q, q, v, v, v, q, *sizes) is v
    assert [len(types.split(",")) for types, _ in kept["autotune", columns](q, q, v, *sizes, None)] == [5, 5]
    assert [len(types.split(",")) for types, _ in kept["autotune", rows](q, q, v, v, v, q, *sizes, None)] == [7, 7]
    name, ptx, launch, scalars = kept["aot_impl", columns](q, q, v, *sizes, (v, q), 0)
    assert (name, ptx, scalars) == (b"k", b"ptx", sizes)
    assert launch == types.SimpleNamespace(grid_x=240, grid_y=2, block_x=128, shared_mem=4096)
    _, _, launch, _ = kept["aot_impl", rows](q, q, v, v, v, q, *sizes, (v,), 0)
    assert (launch.grid_x, launch.grid_y) == (180, 2)
    assert asked[0] == (plugin.COLUMNS, "fp16", *sizes, 87)


def test_a_tensorrt_without_plugins_is_named(registry, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt.plugin", types.ModuleType("tensorrt.plugin"))
    with pytest.raises(EngineUnavailable, match=r"10\.9 or newer; this is 10\.9\.0"):
        plugin.register()
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineUnavailable, match=r"10\.9 or newer with tensorrt\.plugin"):
        plugin.register()


def test_the_cache_key_names_the_sources():
    pytest.importorskip("triton")
    assert len(plugin.source_hash()) == 64
    assert plugin.source_hash() == plugin.source_hash()
