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

"""Which engine serves a model, and why."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from gain_ros.errors import EngineNotBuilt, EngineUnavailable
from gain_ros.fit import WHOLE, check_fit, check_roi
from gain_ros.frames import describe
from gain_ros.model_folder import ModelFolder, find_model, read_model_folder
from gain_ros.runtime import fastest
from gain_ros.runtime.engines import PRECISIONS, available_engines, engines_for, open_engine
from gain_ros.runtime.part import PartSegmenter
from gain_ros.runtime.segmenter import EngineSegmenter, Segmenter
from gain_ros.runtime.tensorrt.prefer import PreferTensorRt
from gain_ros.runtime.tensorrt.progress import BuildProgress

if TYPE_CHECKING:
    from gain_ros.runtime.tensorrt.engine import TensorRtEngine

_logger = logging.getLogger("gain_ros.tensorrt")
_AS_ASKED = "as asked"


def open_segmenter(
    model: str | os.PathLike[str],
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    *,
    cuda_graph: bool = False,
    build: BuildProgress | None = None,
    fit: str | None = None,
    roi: Sequence[float] = WHOLE,
) -> Segmenter:
    """Load ``model`` (folder or shipped name) and run its golden pair; what comes back is ready for frames.

    ``engine`` is a name from ``available_engines()`` or "auto"; ``device`` is "cpu", "cuda" (never a silent CPU run) or
    "auto"; ``threads`` bounds the engine's CPU threads. "auto" prefers TensorRT for all frames that it has an engine
    for, and takes the fastest of the others else.

    ``precision`` is one that the engine has, "fp32", "bf16", "fp16" or "int8", or "auto": fp16 on a GPU; on a CPU the
    fastest of fp32 and those whose cost the model folder knows and which cost little enough
    (:mod:`gain_ros.lower_precision`).

    ``fit`` says how frames of another shape go into the network, as in :mod:`gain_ros.fit`; None takes the model's own.
    ``roi`` is x, y, width, height of the part of each frame that counts, as fractions; outside it labels are 255.

    The rest is for TensorRT: ``cuda_graph`` replays recorded launches; with ``build`` a missing engine is built in the
    background while another one serves, without it none is ever built.

    Raises ModelFolderError for a bad folder, EngineUnavailable where engine, device or precision cannot be had,
    GoldenMismatch where the engine's result is wrong, ValueError for unknown names, UsageError for a wrong ``fit`` or
    ``roi``.
    """
    model_folder = read_model_folder(find_model(model))
    if fit is not None:
        model_folder = replace(model_folder, fit=check_fit(fit))
    part = check_roi(roi)
    segmenter = _open(model_folder, engine, device, precision, threads, cuda_graph, build)
    return segmenter if part == WHOLE and model_folder.fit != "crop" else PartSegmenter(segmenter, part)


def _open(
    model_folder: ModelFolder,
    engine: str,
    device: str,
    precision: str,
    threads: int | None,
    cuda_graph: bool,
    build: BuildProgress | None,
) -> Segmenter:
    if engine not in ("auto", "tensorrt"):
        return _open_named(model_folder, engine, device, precision, threads)
    if engine == "auto" and "tensorrt" not in available_engines():
        return _open_fastest(model_folder, device, precision, threads)
    try:
        tensorrt = _open_tensorrt(model_folder, device, precision, threads, cuda_graph)
        shapes = tensorrt.store.built_shapes()
        if build is None and not shapes:
            raise EngineNotBuilt(
                f"no TensorRT engine of {model_folder.name} was built here; run `gain build {model_folder.name}`"
            )
    except EngineUnavailable as error:
        if engine == "tensorrt":
            raise
        return _open_fastest(model_folder, device, precision, threads, f"; tensorrt left out: {error}")
    if engine == "tensorrt" and build is None:
        return EngineSegmenter(model_folder, tensorrt, _AS_ASKED)
    other, until_then = _open_other(model_folder, device, precision, threads)
    if other is None and build is None:
        return EngineSegmenter(model_folder, tensorrt, until_then)
    built = ", ".join(map(describe, shapes)) or "none yet"
    reason = f"tensorrt is preferred for frames that it has an engine for ({built}); {until_then}"
    return PreferTensorRt(model_folder, tensorrt, other, build, reason)


def _open_tensorrt(
    model_folder: ModelFolder, device: str, precision: str, threads: int | None, cuda_graph: bool
) -> TensorRtEngine:
    # The table of engines cannot say that this name opens this class.
    return cast("TensorRtEngine", open_engine("tensorrt", model_folder, device, precision, threads, cuda_graph))


def _open_other(
    model_folder: ModelFolder, device: str, precision: str, threads: int | None
) -> tuple[Segmenter | None, str]:
    """Open what serves until TensorRT does, if anything can, and say why in words.

    Where no engine but TensorRT has the precision, it is the fastest one in its own.
    """
    has_it = any(precision in PRECISIONS[name] for name in _names(model_folder))
    try:
        other = _open_fastest(model_folder, device, precision if has_it else "auto", threads)
    except EngineUnavailable as error:
        _logger.warning("no other engine can serve until TensorRT does: %s", error)
        return None, "no other engine until then"
    return other, f"{other.info.engine} until then: {other.info.reason}"


def _open_named(
    model_folder: ModelFolder, engine: str, device: str, precision: str, threads: int | None
) -> EngineSegmenter:
    candidates, _ = _candidates(model_folder, [engine], precision)
    if len(candidates) > 1:
        return _open_fastest(model_folder, device, precision, threads, names=[engine])
    return _open_checked(model_folder, engine, device, precision, threads)


def _open_checked(
    model_folder: ModelFolder, engine: str, device: str, precision: str, threads: int | None
) -> EngineSegmenter:
    opened = open_engine(engine, model_folder, device, precision, threads)
    segmenter = EngineSegmenter(model_folder, opened, _AS_ASKED)
    try:
        segmenter.check_golden()
        segmenter.check_fit()
    except BaseException:
        segmenter.close()
        raise
    return segmenter


def _names(model_folder: ModelFolder) -> list[str]:
    """Name the engines that are ready at once, so never TensorRT."""
    return [name for name in engines_for(model_folder) if name != "tensorrt"]


def _candidates(
    model_folder: ModelFolder, names: Sequence[str], precision: str
) -> tuple[dict[str, tuple[str, str]], str]:
    """Return what "auto" measures, label → (engine, precision), and in words what lower precisions cost.

    On a CPU "auto" is fp32 and those that the model folder knows to cost little; a GPU's engines have one for it.
    """
    if precision != "auto":
        return {f"{name} {precision}": (name, precision) for name in names if precision in PRECISIONS.get(name, ())}, ""
    found = {name: (name, precision) for name in names}
    costs = model_folder.lower_precision().costs
    for name in names:
        lower = [each for each in PRECISIONS.get(name, ())[1:] if each in costs and name == "openvino"]
        found |= {f"{name} {each}": (name, each) for each in lower if costs[each].refusal is None}
    said = [
        f"; {each} left out: {cost.refusal}" if cost.refusal else f"; {each}: {cost}" for each, cost in costs.items()
    ]
    return found, "".join(said) if "openvino" in names else ""


def _open_fastest(
    model_folder: ModelFolder,
    device: str,
    precision: str,
    threads: int | None,
    remark: str = "",
    names: Sequence[str] | None = None,
) -> EngineSegmenter:
    """Open the fastest of engines and precisions that are ready at once; ``remark`` ends the reason given."""
    rgb, _ = model_folder.golden()
    names = _names(model_folder) if names is None else names
    candidates, costs = _candidates(model_folder, names, precision)
    if names and not candidates:
        raise EngineUnavailable(
            f"none of {', '.join(names)} computes in {precision}; take precision 'auto', or an engine that does: "
            f"{', '.join(name for name in PRECISIONS if precision in PRECISIONS[name])}"
        )
    identity = {
        "model": model_folder.digest,
        "device": device,
        "candidates": list(candidates),
        "threads": threads,
        "machine": fastest.machine(names),
    }
    chosen, reason = fastest.choose(
        list(candidates),
        identity,
        open_one=lambda label: _open_checked(model_folder, candidates[label][0], device, candidates[label][1], threads),
        run=lambda each: each.segment([rgb], confidence=False),
        close=EngineSegmenter.close,
    )
    chosen.info = replace(chosen.info, reason=reason + costs + remark)
    return chosen
