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

"""TensorRT: what it needs and lacks here, and the engines in the cache."""

from __future__ import annotations

from typing import Any

from gain_ros.doctor.finding import Finding
from gain_ros.errors import EngineUnavailable
from gain_ros.frames import encoding_of, size_of
from gain_ros.libraries import has_module
from gain_ros.runtime.tensorrt.build import load_tensorrt
from gain_ros.runtime.tensorrt.cache import EngineCache, Entry
from gain_ros.runtime.tensorrt.cudart import Cuda, open_cuda
from gain_ros.runtime.tensorrt.store import unusable_here

_DAMAGED = "damaged"


def check_tensorrt() -> Finding:
    """Broken where an engine in the cache is damaged."""
    trt, cuda, missing = _open()
    cache = EngineCache()
    try:
        rows = [_row(entry, trt, cuda) for entry in cache.entries()]
    except EngineUnavailable as error:  # others can write there
        return Finding("tensorrt", {"cache": str(cache.folder)}, [f"engines in {cache.folder}"], str(error), ok=False)
    found = {
        "version": trt.__version__ if trt else None,
        "cuda": cuda.library if cuda else None,
        "gpu": cuda.gpu if cuda else None,
        "missing": missing,
        "cache": str(cache.folder),
        "engines": rows,
    }
    state = [f"TensorRT {trt.__version__}"] if trt else []
    state += [f"{cuda.gpu}, compute capability {cuda.compute_capability}, by {cuda.library}"] if cuda else []
    lines = [", ".join(state)] if state else []
    lines += [f"missing: {text}" for text in missing]
    lines += [f"engines in {cache.folder}: {len(rows) or 'none'}", *(line for row in rows for line in _describe(row))]
    damaged = any(row["state"].startswith(_DAMAGED) for row in rows)
    return Finding("tensorrt", found, lines, _advice(missing, rows, damaged), ok=not damaged)


def prune() -> list[str]:
    """Delete engines that are damaged, and where TensorRT works those that it could not run; name them."""
    trt, cuda, _ = _open()
    if trt is None or cuda is None:
        return EngineCache().prune(lambda _: True)
    return EngineCache().prune(lambda entry: unusable_here(trt, cuda, entry.key) is None)


def _open() -> tuple[Any, Cuda | None, list[str]]:
    """TensorRT, the CUDA runtime, and a sentence for each part that is missing."""
    parts: list[Any] = []
    missing = []
    for part in (load_tensorrt, open_cuda):
        try:
            parts.append(part())
        except EngineUnavailable as error:  # noqa: PERF203
            parts.append(None)
            missing.append(str(error))
    if not has_module("onnxslim"):
        missing.append("onnxslim is not installed, which building an engine needs; `pip install onnxslim`")
    return parts[0], parts[1], missing


def _row(entry: Entry, trt: Any, cuda: Cuda | None) -> dict[str, Any]:
    damage = entry.damage()
    state = f"{_DAMAGED}: {damage}" if damage else "right"
    if not damage and trt and cuda:
        state = unusable_here(trt, cuda, entry.key) or "right"
    return {
        "model": entry.model,
        "precision": entry.key.precision,
        "size": list(size_of(entry.key.shape)),
        "encoding": encoding_of(entry.key.shape),
        "plugin": bool(entry.key.plugin),
        "route": entry.key.route,
        "tensorrt": entry.key.tensorrt,
        "gpu": entry.key.gpu,
        "created": entry.created,
        "why": entry.why,
        "layers": entry.facts["layers"],
        "seconds": entry.facts["seconds"],
        "bytes": entry.size_bytes,
        "path": str(entry.folder),
        "state": state,
    }


def _describe(row: dict[str, Any]) -> list[str]:
    height, width = row["size"]
    encoding = "" if row["encoding"] == "rgb8" else f" {row['encoding']}"
    plugin = ", with the attention plugin" if row["plugin"] else ""
    return [
        f"  {row['model']} {width}x{height}{encoding} {row['precision']}{plugin}: {row['state']}; "
        f"{row['bytes'] / 1e6:.0f} MB, {row['layers']} layers, TensorRT {row['tensorrt']}, {row['created'][:10]}",
        f"    {row['why']}; took {row['seconds']} s",
    ]


def _advice(missing: list[str], rows: list[dict[str, Any]], damaged: bool) -> str:
    if missing and not damaged:
        return "fine without an NVIDIA GPU: other engines serve; with one, install what is missing (docs/tensorrt.md)"
    if any(row["state"] != "right" for row in rows):
        return "gain doctor --prune deletes engines that are damaged or not for this machine"
    if not rows:
        return "gain build MODEL --size WxH builds an engine for the camera's frames; the node does so by itself"
    return "fine"
