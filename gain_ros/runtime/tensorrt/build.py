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

"""ONNX → TensorRT plan, by whatever API between 8.6 and 11 is installed: features are looked for, never assumed."""

from __future__ import annotations

import functools
import importlib
import json
import logging
import re
from dataclasses import dataclass
from typing import Any

from gain_ros.errors import EngineUnavailable
from gain_ros.runtime.tensorrt.progress import BuildProgress

logger = logging.getLogger("gain_ros.tensorrt")

OLDEST = (8, 6)
_RUN_ONLY = ("tensorrt_lean", "tensorrt_dispatch")
_ABSENT = "tensorrt is not installed; a Jetson has it from JetPack, a PC by `pip install tensorrt` (docs/tensorrt.md)"
# Layers whose fp16 form moves class borders: the statistics of softmax and averages. TensorRT names a layer after its
# ONNX node.
_STATISTICS = ("REDUCE", "UNARY", "SOFTMAX")
_STATISTICS_BY_NAME = re.compile(r"(Div|Max|Sub)(_\d+)?$")


class BuildCancelledError(EngineUnavailable):
    """A build was told to end before it was done."""


@dataclass(frozen=True)
class Route:
    """How a precision is asked for: ``name`` "typed" (the graph's own types, strong typing) or "flags" (8.6 to 10.11).

    ``flags`` are the builder's, ``cleared`` those that are switched off.
    """

    name: str
    flags: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return " ".join((*self.flags, *(f"-{flag}" for flag in self.cleared)))


def load_tensorrt() -> Any:
    """Import the tensorrt module. Raises EngineUnavailable where it is absent, broken, or older than 8.6."""
    try:
        trt = importlib.import_module("tensorrt")
    except Exception as error:  # a broken installation may raise anything
        raise EngineUnavailable(_absence(error)) from error
    version = tuple(int(part) for part in trt.__version__.split(".")[:2])
    if version < OLDEST:
        raise EngineUnavailable(f"tensorrt {trt.__version__} is too old; 8.6 or newer is needed (JetPack 6 or newer)")
    return trt


def _absence(error: Exception) -> str:
    if not isinstance(error, ModuleNotFoundError) or error.name != "tensorrt":
        return f"tensorrt cannot be imported: {error}; mend its installation"
    for name in _RUN_ONLY:
        try:
            version = importlib.import_module(name).__version__
        except ImportError:
            continue
        return f"only {name} {version} is installed, which cannot build engines; {_ABSENT}"
    return _ABSENT


def choose_route(trt: Any, precision: str) -> Route:
    """How this TensorRT is told a precision, "fp32", "fp16" or "int8". Raises EngineUnavailable where it cannot be."""
    strong = hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")
    no_tf32 = ("TF32",) if precision == "fp32" else ()  # it keeps 10 bits of 23
    if precision != "fp16" and strong:
        return Route("typed", cleared=no_tf32)
    # Typed graphs are complete from 10.12 on, which this flag came with; before, fp16 is better left to the builder.
    complete = hasattr(trt.BuilderFlag, "DISTRIBUTIVE_INDEPENDENCE")
    if strong and (complete or not hasattr(trt.BuilderFlag, "FP16")):
        return Route("typed")
    obey = "OBEY_PRECISION_CONSTRAINTS"
    wanted = {"fp32": (), "fp16": ("FP16", obey), "int8": ("FP16", "INT8", obey)}[precision]
    missing = [flag for flag in wanted if not hasattr(trt.BuilderFlag, flag)]
    if missing:
        raise EngineUnavailable(f"tensorrt {trt.__version__} has no {', '.join(missing)}; take another precision")
    return Route("flags", wanted, no_tf32)


def build_plan(trt: Any, onnx: bytes, route: Route, progress: BuildProgress) -> bytes:
    """Build a serialized engine for this machine's GPU.

    Raises BuildCancelledError after ``progress.cancel()``, EngineUnavailable with TensorRT's own words for a graph that
    it cannot parse or build.
    """
    log = make_logger(trt)
    log.last_error = ""
    builder = trt.Builder(log)
    network = builder.create_network(_network_flags(trt, route))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(onnx):
        words = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise EngineUnavailable(f"tensorrt {trt.__version__} cannot parse the graph: {words}; take another engine")
    config = builder.create_builder_config()
    _set_flags(trt, config, route)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # the inspector names the fused layers
    if "OBEY_PRECISION_CONSTRAINTS" in route.flags:
        _keep_in_fp32(trt, network)
    monitor = make_monitor(trt, progress)
    if monitor is not None:
        config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if progress.cancelled:
        raise BuildCancelledError("the TensorRT build was cancelled; it starts anew when it is asked for again")
    if plan is None:
        words = log.last_error or "it gave no reason"
        raise EngineUnavailable(f"tensorrt {trt.__version__} cannot build the engine: {words}; take another engine")
    return bytes(plan)


def _network_flags(trt: Any, route: Route) -> int:
    flag = trt.NetworkDefinitionCreationFlag
    bits = 0
    if hasattr(flag, "EXPLICIT_BATCH") and int(trt.__version__.split(".")[0]) < 10:
        bits |= 1 << int(flag.EXPLICIT_BATCH)
    if route.name == "typed" and hasattr(flag, "STRONGLY_TYPED"):
        bits |= 1 << int(flag.STRONGLY_TYPED)
    return bits


def _set_flags(trt: Any, config: Any, route: Route) -> None:
    for name in route.flags:
        config.set_flag(getattr(trt.BuilderFlag, name))
    for name in route.cleared:
        if hasattr(trt.BuilderFlag, name):
            config.clear_flag(getattr(trt.BuilderFlag, name))


def _keep_in_fp32(trt: Any, network: Any) -> None:
    """Route "flags": what the typed graph keeps in fp32 by its casts is kept by layer here.

    That is everything before the first convolution (8-bit levels) and after the last (class borders), and statistics.
    """
    layers = [network.get_layer(i) for i in range(network.num_layers)]
    convolutions = [i for i, layer in enumerate(layers) if layer.type == trt.LayerType.CONVOLUTION]
    inner = range(convolutions[0], convolutions[-1] + 1) if convolutions else ()
    statistics = {getattr(trt.LayerType, name) for name in _STATISTICS}
    for i, layer in enumerate(layers):
        sensitive = i not in inner or layer.type in statistics or _STATISTICS_BY_NAME.search(layer.name)
        if sensitive and layer.get_output(0).dtype == trt.float32:
            layer.precision = trt.float32


@functools.lru_cache(maxsize=1)
def make_logger(trt: Any) -> Any:
    """Return an ILogger that hands TensorRT's words to Python's logging; ``last_error`` keeps the latest error.

    One for the whole process: TensorRT goes on using the first that it was given, whoever gave it.
    """
    severity = trt.ILogger.Severity
    levels = {
        severity.INTERNAL_ERROR: logging.ERROR,
        severity.ERROR: logging.ERROR,
        severity.WARNING: logging.WARNING,
        severity.INFO: logging.DEBUG,  # TensorRT's "info" is a page a build
    }

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last_error = ""

        def log(self, severity: Any, msg: str) -> None:
            level = levels.get(severity)
            if level == logging.ERROR:
                self.last_error = msg
            if level is not None:
                logger.log(level, "%s", msg)

    return Logger()


def make_monitor(trt: Any, progress: BuildProgress) -> Any | None:
    """Return a progress monitor that writes to ``progress``; None where this TensorRT has none (8.6)."""
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.start_phase(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return progress.complete_step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            progress.finish_phase(phase_name)

    return Monitor()


def inspect(trt: Any, engine: Any) -> dict[str, list[str]]:
    """Names of the engine's ``layers`` after fusion and of its ``tensors``."""
    return read_inspection(engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON))


def read_inspection(text: str) -> dict[str, list[str]]:
    """Return the inspector's JSON in either layout: TensorRT 11 renamed "Bindings", and made objects of plain names.

    Nothing of it where it is no JSON: an engine is not refused for what its inspector writes.
    """
    try:
        document = json.loads(text)
    except ValueError:
        document = {}
    tensors = document.get("I/O Tensors", document.get("Bindings", []))
    return {"layers": list(map(_name, document.get("Layers", []))), "tensors": list(map(_name, tensors))}


def _name(entry: str | dict[str, Any]) -> str:
    return entry if isinstance(entry, str) else entry["Name"]
