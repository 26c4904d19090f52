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
from gain_ros.runtime.engines import available_engines, engines_for, open_engine
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

    ``fit`` says how frames of another shape go into the network, as in :mod:`gain_ros.fit`; None takes the model's own.
    ``roi`` is x, y, width, height of the part of each frame that counts, as fractions; outside it labels are 255.

    The rest is for TensorRT: ``precision`` is "fp32", "fp16" ("auto") or "int8"; ``cuda_graph`` replays recorded
    launches; with ``build`` a missing engine is built in the background while another one serves, without it none is
    ever built.

    Raises ModelFolderError for a bad folder, EngineUnavailable where engine or device cannot be had, GoldenMismatch
    where the engine's result is wrong, ValueError for unknown names, UsageError for a wrong ``fit`` or ``roi``.
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
        return _open_checked(model_folder, engine, device, threads)
    if engine == "auto" and "tensorrt" not in available_engines():
        return _open_fastest(model_folder, device, threads)
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
        return _open_fastest(model_folder, device, threads, f"; tensorrt left out: {error}")
    if engine == "tensorrt" and build is None:
        return EngineSegmenter(model_folder, tensorrt, _AS_ASKED)
    other, until_then = _open_other(model_folder, device, threads)
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


def _open_other(model_folder: ModelFolder, device: str, threads: int | None) -> tuple[Segmenter | None, str]:
    """Open what serves until TensorRT does, if anything can, and say why in words."""
    try:
        other = _open_fastest(model_folder, device, threads)
    except EngineUnavailable as error:
        _logger.warning("no other engine can serve until TensorRT does: %s", error)
        return None, "no other engine until then"
    return other, f"{other.info.engine} until then: {other.info.reason}"


def _open_checked(model_folder: ModelFolder, engine: str, device: str, threads: int | None) -> EngineSegmenter:
    opened = open_engine(engine, model_folder, device, threads=threads)
    segmenter = EngineSegmenter(model_folder, opened, _AS_ASKED)
    try:
        segmenter.check_golden()
        segmenter.check_fit()
    except BaseException:
        segmenter.close()
        raise
    return segmenter


def _open_fastest(model_folder: ModelFolder, device: str, threads: int | None, remark: str = "") -> EngineSegmenter:
    """Open the fastest engine that is ready at once, so never TensorRT; ``remark`` ends the reason given."""
    rgb, _ = model_folder.golden()
    names = [name for name in engines_for(model_folder) if name != "tensorrt"]
    identity = {
        "model": model_folder.digest,
        "device": device,
        "threads": threads,
        "machine": fastest.machine(names),
    }
    chosen, reason = fastest.choose(
        names,
        identity,
        open_one=lambda name: _open_checked(model_folder, name, device, threads),
        run=lambda each: each.segment([rgb], confidence=False),
        close=EngineSegmenter.close,
    )
    chosen.info = replace(chosen.info, reason=reason + remark)
    return chosen
