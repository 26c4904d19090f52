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

"""The builder's side of TensorRT, on the surface of every version from 8.6 to 11.4."""

from __future__ import annotations

import json
import logging
import sys
import types

import numpy as np
import pytest
import tensorrt_double
from cuda_double import CudaDouble
from onnx import TensorProto, helper, numpy_helper

from gain_ros.errors import EngineUnavailable
from gain_ros.runtime.tensorrt import build as tensorrt_build
from gain_ros.runtime.tensorrt.build import BuildCancelledError, Route, build_plan, choose_route, load_tensorrt
from gain_ros.runtime.tensorrt.progress import BuildProgress

every_version = pytest.mark.parametrize("version", tensorrt_double.VERSIONS)


def make(version: str) -> types.ModuleType:
    return tensorrt_double.make(version, CudaDouble())


@pytest.fixture(scope="module")
def graph() -> bytes:
    """A softmax between two convolutions, with something before and after."""
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["a"], name="/Mul"),
        helper.make_node("Conv", ["a", "w"], ["b"], name="/Conv"),
        helper.make_node("Mul", ["b", "b"], ["c"], name="/Mul_1"),
        helper.make_node("Sub", ["c", "b"], ["d"], name="/Sub_7"),
        helper.make_node("Exp", ["d"], ["e"], name="/Exp"),
        helper.make_node("ReduceSum", ["e"], ["s"], name="/ReduceSum"),
        helper.make_node("Div", ["e", "s"], ["f"], name="/Div"),
        helper.make_node("Conv", ["f", "w"], ["g"], name="/Conv_1"),
        helper.make_node("Floor", ["g"], ["h"], name="/Floor"),
        helper.make_node("ArgMax", ["h"], ["y"], name="/ArgMax"),
    ]
    weight = numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "w")
    values = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4]),
        helper.make_tensor_value_info("y", TensorProto.INT64, [1, 1, 4, 4]),
    ]
    graph = helper.make_graph(nodes, "softmax", values[:1], values[1:], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@every_version
def test_a_surface_has_what_its_version_has_and_nothing_else(version: str) -> None:
    trt = make(version)
    owners = {"plugin": trt.__dict__.get("plugin")}
    for name in tensorrt_double.PRESENCE:
        owner, _, member = name.partition(".")
        if not member:
            assert hasattr(trt, name) == tensorrt_double.has(version, name)
        elif isinstance(getattr(trt, owner, None), type) or owners.get(owner):
            assert hasattr(getattr(trt, owner), member) == tensorrt_double.has(version, name)


def test_what_a_version_lacks_cannot_be_read_or_set() -> None:
    config = make("8.6.1").Builder(None).create_builder_config()
    with pytest.raises(AttributeError, match="progress_monitor"):
        config.progress_monitor = None
    with pytest.raises(AttributeError, match="no attribute"):
        config.invented = 1
    with pytest.raises(AttributeError, match="build_engine"):
        make("10.3.0").Builder(None).build_engine(None, None)
    assert make("10.3.0").Builder(None).create_builder_config().progress_monitor is None


TYPED, TYPED_FP32 = Route("typed"), Route("typed", cleared=("TF32",))


@pytest.mark.parametrize(
    ("version", "precision", "route"),
    [
        ("8.6.1", "fp32", Route("flags", cleared=("TF32",))),
        ("8.6.1", "fp16", Route("flags", ("FP16", "OBEY_PRECISION_CONSTRAINTS"))),
        ("8.6.1", "int8", Route("flags", ("FP16", "INT8", "OBEY_PRECISION_CONSTRAINTS"))),
        ("10.3.0", "fp32", TYPED_FP32),
        ("10.3.0", "fp16", Route("flags", ("FP16", "OBEY_PRECISION_CONSTRAINTS"))),
        ("10.3.0", "int8", TYPED),
        *((version, "fp32", TYPED_FP32) for version in ("10.13.0", "10.16.1.11", "11.4.0")),
        *((version, "fp16", TYPED) for version in ("10.13.0", "10.16.1.11", "11.4.0")),
        *((version, "int8", TYPED) for version in ("10.13.0", "10.16.1.11", "11.4.0")),
    ],
)
def test_the_route_follows_what_the_version_offers(version: str, precision: str, route: Route) -> None:
    assert choose_route(make(version), precision) == route


@every_version
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_plan_is_built(version: str, precision: str, graph: bytes) -> None:
    trt = make(version)
    route = choose_route(trt, precision)
    plan = build_plan(trt, graph, route, BuildProgress())
    assert trt.Runtime(tensorrt_build.make_logger(trt)).deserialize_cuda_engine(plan) is not None
    (build,) = trt.behaviour.builds
    flags = {flag for flag in build["flags"] if flag != "TF32"}
    assert flags == set(route.flags)
    assert ("TF32" in build["flags"]) == (precision != "fp32")
    assert build["detailed"] == "DETAILED"
    assert build["strong"] == (route.name == "typed")
    explicit_batch = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    asked = explicit_batch is not None and bool(build["network_flags"] >> explicit_batch & 1)
    assert asked == (version == "8.6.1"), "from 10 on the flag is ignored, and 11 has none"


def test_statistics_and_both_ends_stay_in_fp32_where_flags_ask_for_fp16(graph: bytes) -> None:
    trt = make("10.3.0")
    build_plan(trt, graph, choose_route(trt, "fp16"), BuildProgress())
    assert trt.behaviour.builds[0]["fp32_layers"] == ["/Mul", "/Sub_7", "/Exp", "/ReduceSum", "/Div", "/Floor"]
    build_plan(trt, graph, choose_route(trt, "fp32"), BuildProgress())
    assert trt.behaviour.builds[1]["fp32_layers"] == []


@every_version
def test_progress_is_seen_where_the_version_tells_it(version: str, graph: bytes) -> None:
    trt, progress, seen = make(version), BuildProgress(), []
    progress.begin("an engine")
    trt.behaviour.on_step = lambda step: seen.append(progress.share)
    build_plan(trt, graph, choose_route(trt, "fp32"), progress)
    if version == "8.6.1":
        assert seen == [None] * 4
        return
    assert seen == [0.5, 0.625, 0.75, 0.875]
    assert progress.share == 1.0


@every_version
def test_a_build_can_be_cancelled(version: str, graph: bytes) -> None:
    trt, progress, steps = make(version), BuildProgress(), []
    trt.behaviour.on_step = lambda step: (steps.append(step), progress.cancel())
    with pytest.raises(BuildCancelledError, match="cancelled"):
        build_plan(trt, graph, choose_route(trt, "fp32"), progress)


@every_version
def test_errors_come_with_tensorrt_s_own_words(version: str, graph: bytes, caplog: pytest.LogCaptureFixture) -> None:
    trt = make(version)
    route = choose_route(trt, "fp32")
    with pytest.raises(EngineUnavailable, match=f"tensorrt {version} cannot parse the graph: no ONNX"):
        build_plan(trt, b"no graph", route, BuildProgress())
    trt.behaviour.build_fails = "no tactic for layer 7"
    with pytest.raises(EngineUnavailable, match=f"tensorrt {version} cannot build the engine: no tactic for layer 7"):
        build_plan(trt, graph, route, BuildProgress())
    assert ("gain_ros.tensorrt", logging.ERROR, "no tactic for layer 7") in caplog.record_tuples


def test_severities_are_mapped(caplog: pytest.LogCaptureFixture) -> None:
    trt = make("10.13.0")
    log = tensorrt_build.make_logger(trt)
    caplog.set_level(logging.DEBUG, "gain_ros.tensorrt")
    for severity in trt.ILogger.Severity:
        log.log(severity, severity.name)
    levels = {message: level for _, level, message in caplog.record_tuples}
    assert levels == {
        "INTERNAL_ERROR": logging.ERROR, "ERROR": logging.ERROR, "WARNING": logging.WARNING, "INFO": logging.DEBUG
    }  # fmt: skip
    assert log.last_error == "ERROR"


@pytest.mark.parametrize(
    "text",
    [
        {"Layers": ["conv", "gai"], "Bindings": ["frames", "labels"]},
        {"Layers": [{"Name": "conv"}, {"Name": "gai"}], "Bindings": ["frames", "labels"]},
        {"Layers": [{"Name": "conv"}, {"Name": "gai"}], "I/O Tensors": [{"Name": "frames"}, {"Name": "labels"}]},
    ],
)
def test_the_inspector_is_read_in_either_layout(text: dict) -> None:
    found = tensorrt_build.read_inspection(json.dumps(text))
    assert found == {"layers": ["conv", "gai"], "tensors": ["frames", "labels"]}


def test_an_inspector_that_writes_no_json_is_no_fault_of_the_engine() -> None:
    assert tensorrt_build.read_inspection('{"Layers": [') == {"layers": [], "tensors": []}


def test_a_missing_tensorrt_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorrt", "tensorrt_lean", "tensorrt_dispatch"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "tensorrt")
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(EngineUnavailable, match=r"^tensorrt is not installed; a Jetson has it from JetPack.*pip"):
        load_tensorrt()
    lean = types.ModuleType("tensorrt_lean")
    lean.__version__ = "10.3.0"
    monkeypatch.setitem(sys.modules, "tensorrt_lean", lean)
    with pytest.raises(EngineUnavailable, match=r"only tensorrt_lean 10.3.0 is installed, which cannot build"):
        load_tensorrt()


def test_a_broken_or_old_tensorrt_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", make("8.5.3"))
    with pytest.raises(EngineUnavailable, match=r"tensorrt 8.5.3 is too old; 8.6 or newer"):
        load_tensorrt()

    def broken(name: str) -> None:
        raise OSError("libnvinfer.so.10: cannot open shared object file")

    monkeypatch.setattr(tensorrt_build.importlib, "import_module", broken)
    with pytest.raises(EngineUnavailable, match=r"cannot be imported: libnvinfer.so.10.*mend"):
        load_tensorrt()
