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

"""Attention as TensorRT plugins: the graph with them in it, their kernels, and what TensorRT is told.

TensorRT itself is not here: the graph is run with the plugins' meaning in PyTorch, kernels are compiled for GPUs that
need not be present, and the registration is read by a double of ``tensorrt.plugin``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorrt_plugin_double import FLOAT16, FLOAT32, Plugins

from gain_ros.errors import EngineUnavailable
from gain_ros.model.gai import criss_cross_attention
from gain_ros.model_folder import read_model_folder
from gain_ros.onnx.precision import typed_onnx
from gain_ros.runtime.tensorrt import plugin

ROOT = Path(__file__).resolve().parents[3]


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

    plain = typed_onnx(read_model_folder(model_folder), "logits", precision)
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
import re, subprocess, tempfile, triton
from gain_ros.runtime.tensorrt import plugin
from gain_ros.errors import EngineUnavailable
from gain_ros.runtime.tensorrt.plugin import COLUMNS, ROWS, compile_kernel
for op, dtype, size, widths, capability in (
    (COLUMNS, "fp16", (90, 120), (8, 64), 87), (ROWS, "fp16", (90, 120), (6, 48), 75),
    (ROWS, "fp32", (128, 256), (8, 64), 90), (COLUMNS, "fp32", (45, 60), (6, 48), 120),
):
    kernel = compile_kernel(op, dtype, *size, *widths, capability)
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(kernel.ptx)
        file.flush()
        ptxas = triton.knobs.nvidia.ptxas.path
        arch = f"-arch=sm_{capability}{'a' if capability >= 90 else ''}"
        command = [ptxas, arch, "-v", file.name, "-o", "/dev/null"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    (entry,) = re.findall(r"[.]entry (\\w+)[(](.*?)[)]", kernel.ptx, re.DOTALL)
    kinds = " ".join(re.findall(r"[.]param [.](\\w+)", entry[1]))
    version = re.search(r"[.]version (.*)", kernel.ptx)[1]
    threads = re.search(r"[.]reqntid (\\d+)", kernel.ptx)[1] == str(kernel.threads)
    print(kernel.name == entry[0], kinds, version, threads, "0 bytes spill stores" in said, kernel.shared <= 48 << 10)
plugin._SHARED_BYTES = kernel.shared - 1
try:
    compile_kernel(op, dtype, *size, *widths, capability)
except EngineUnavailable as error:
    print(error)
"""
    pointers = "u64 u64 u64"
    columns = f"True {pointers} u32 u32 u32 u32 u64 u64"  # q, k, v, four sizes, partial, softmax
    rows = f"True {pointers} {pointers} u32 u32 u32 u32 u64"  # q, k, v, x, partial, softmax, four sizes, y
    assert run_compiled(code).splitlines() == [
        f"{columns} 8.0 True True True",
        f"{rows} 8.0 True True True",
        f"{rows} 8.0 True True True",
        f"{columns} 8.7 True True True",
        "criss_cross_columns needs 12288 bytes of shared memory, more than 12287",
    ]


def test_scratch_memory_is_cut_from_the_parameters_or_refused():
    ptx = "// it\n.visible .entry f(\n\t.param .u64 f_0,\n\t.param .u64 f_1,\n\t.param .u64 f_2\n)\n{ ld f_0; ld f_1; }"
    cut = plugin.with_parameters(ptx, 2)
    assert "f_2" not in cut
    assert cut.count(".param") == 2
    assert cut.startswith("// it\n.visible .entry f(")
    with pytest.raises(EngineUnavailable, match="f reads f_1"):
        plugin.with_parameters(ptx, 1)


@pytest.fixture
def plugins(monkeypatch):
    pytest.importorskip("triton")
    module, cuda = Plugins(), types.SimpleNamespace(compute_capability="8.7")
    trt = types.ModuleType("tensorrt")
    trt.__version__, trt.float16, trt.float32 = "10.9.0", FLOAT16, FLOAT32
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setitem(sys.modules, "tensorrt.plugin", module)
    monkeypatch.setattr("gain_ros.runtime.tensorrt.cudart.open_cuda", lambda: cuda)
    return module


@pytest.mark.parametrize(("dtype", "name"), [(FLOAT16, "fp16"), (FLOAT32, "fp32")])
def test_tensorrt_builds_both_plugins(plugins, monkeypatch, dtype, name):
    kernel = plugin.Kernel("k", "ptx", 128, 4096, 32)
    asked = []
    monkeypatch.setattr(plugin, "compile_kernel", lambda *arguments: asked.append(arguments) or kernel)
    plugin.register()
    plugin.register()
    q, v = ((2, 8, 90, 120), dtype), ((2, 64, 90, 120), dtype)
    softmax = ((2, 90, 240), FLOAT32)
    for _ in range(2):
        columns = plugins.build(f"gain::{plugin.COLUMNS}", [q, q, v])
        rows = plugins.build(f"gain::{plugin.ROWS}", [q, q, v, v, *columns.outputs])
    assert columns.outputs == [v, softmax]
    assert rows.outputs == [v]
    assert (columns.name, columns.kernel, columns.scalars) == ("k", b"ptx", [90, 120, 8, 64])
    assert rows.scalars == columns.scalars
    still = {"grid_z": 1, "block_x": 128, "block_y": 1, "block_z": 1, "shared_mem": 4096}
    assert columns.launch == still | {"grid_x": 240, "grid_y": 3}
    assert rows.launch == still | {"grid_x": 180, "grid_y": 4}
    assert asked[0] == (plugin.COLUMNS, name, 90, 120, 8, 64, 87)
    assert asked[1] == (plugin.ROWS, name, 90, 120, 8, 64, 87)


def test_nodes_carry_what_the_parser_looks_a_plugin_up_by(model_folder):
    fused = plugin.fused_onnx(typed_onnx(read_model_folder(model_folder), "logits", "fp16"))
    nodes = [node for node in fused.graph.node if node.domain == plugin.NAMESPACE]
    assert [node.op_type for node in nodes] == [plugin.COLUMNS, plugin.ROWS] * 4
    for node in nodes:
        found = {attribute.name: attribute.s.decode() or attribute.i for attribute in node.attribute}
        assert found == {"plugin_namespace": "gain", "plugin_version": "1", "aot": 1}


def test_a_tensorrt_without_plugins_is_named(plugins, monkeypatch):
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
