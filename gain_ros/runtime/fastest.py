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

"""Which engine? Those present are measured once for each model and machine; the winner is remembered."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from gain_ros import __version__
from gain_ros.errors import EngineUnavailable, GoldenMismatch
from gain_ros.files import atomic, cache_folder, check_private, write_through

MOST_ROUNDS, FEWEST_ROUNDS = 15, 3
BUDGET_S = 1.0
HOPELESS = 2.0  # times the fastest

_DISTRIBUTIONS = {"onnxruntime": ("onnxruntime", "onnxruntime-gpu")}

Opened = TypeVar("Opened")


@dataclass(frozen=True)
class _Verdict:
    """What is remembered: the winner, the median of each engine that ran, and why the others did not."""

    winner: str
    median_ms: dict[str, float]
    refused: dict[str, str]
    measured: str

    def reason(self, cached: bool) -> str:
        ranked = sorted(self.median_ms, key=self.median_ms.__getitem__)
        times = ", ".join(f"{name} {self.median_ms[name]:.1f} ms" for name in ranked)
        left_out = "".join(f"; {name} left out: {why}" for name, why in self.refused.items())
        return f"{times} (measured {self.measured}{', cached' if cached else ''}){left_out}"


def choose(
    names: Sequence[str],
    identity: dict[str, Any],
    open_one: Callable[[str], Opened],
    run: Callable[[Opened], object],
    close: Callable[[Opened], object],
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[Opened, str]:
    """Open the fastest of the engines ``names``; return it with the reason in words.

    ``identity`` holds everything the answer depends on, as JSON values (model, ``machine()``, options). ``open_one``
    opens an engine or raises EngineUnavailable or GoldenMismatch, ``run`` does one frame with it.
    Where none opens, raises GoldenMismatch if one of them came that far, else EngineUnavailable with all reasons.
    """
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    known = _recall(key)
    if known is not None and known.winner in names:
        with contextlib.suppress(EngineUnavailable, GoldenMismatch):
            return open_one(known.winner), known.reason(cached=True)
    opened, errors = _open_all(names, open_one)
    if not opened:
        raise _nothing_opened(errors)
    median_ms = _measure(opened, run, clock)
    winner = min(median_ms, key=median_ms.__getitem__)
    for name, engine in opened.items():
        if name != winner:
            close(engine)
    refused = {name: str(error) for name, error in errors.items()}
    verdict = _Verdict(winner, median_ms, refused, datetime.date.today().isoformat())
    _remember(key, verdict)
    return opened[winner], verdict.reason(cached=False)


def machine(engines: Sequence[str]) -> dict[str, Any]:
    """Return what makes a measurement valid here and not elsewhere: processor, cores, GPU driver, library versions."""
    cpu = platform.processor()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    gpu = ""
    with contextlib.suppress(OSError):
        gpu = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").partition("\n")[0]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = {name: _version(name) for name in engines}
    return {
        "cpu": cpu,
        "cores": cores,
        "gpu": gpu,
        "python": platform.python_version(),
        "gain_ros": __version__,
        "engines": versions,
    }


def cache_file() -> Path:
    """Where verdicts are kept."""
    return cache_folder() / "auto.json"


def _open_all(
    names: Sequence[str], open_one: Callable[[str], Opened]
) -> tuple[dict[str, Opened], dict[str, EngineUnavailable | GoldenMismatch]]:
    opened, errors = {}, {}
    for name in names:
        try:
            opened[name] = open_one(name)
        except (EngineUnavailable, GoldenMismatch) as error:  # noqa: PERF203
            errors[name] = error
    return opened, errors


def _nothing_opened(errors: dict[str, EngineUnavailable | GoldenMismatch]) -> EngineUnavailable | GoldenMismatch:
    for error in errors.values():
        if isinstance(error, GoldenMismatch):
            return error
    reasons = "; ".join(f"{name}: {error}" for name, error in errors.items())
    return EngineUnavailable(f"no engine can run this: {reasons or 'none is installed, run `pip install onnxruntime`'}")


def _measure(
    opened: dict[str, Opened], run: Callable[[Opened], object], clock: Callable[[], float]
) -> dict[str, float]:
    """Median ms of each engine. They take turns, so that other load on the machine meets all of them alike.

    An engine that is far behind sits out, so that a slow one costs no more than a round or two.
    """
    times_ms: dict[str, list[float]] = {name: [] for name in opened}
    end = clock() + BUDGET_S
    for done in range(MOST_ROUNDS):
        if done >= FEWEST_ROUNDS and clock() > end:
            break
        best_ms = {name: min(values, default=0.0) for name, values in times_ms.items()}
        for name, engine in opened.items():
            if best_ms[name] > HOPELESS * min(best_ms.values()):
                continue
            start = clock()
            run(engine)
            times_ms[name].append(1e3 * (clock() - start))
    return {name: statistics.median(values) for name, values in times_ms.items()}


def _version(engine: str) -> str:
    for distribution in _DISTRIBUTIONS.get(engine, (engine,)):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(distribution)
    return "unknown"


def _read_cache() -> dict[str, Any]:
    """All verdicts; empty where the file is missing, broken or could be written by others: it is only a cache."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # RuntimeError: there is no home folder
        check_private(cache_file())
        content = json.loads(cache_file().read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    return {}


def _recall(key: str) -> _Verdict | None:
    try:
        verdict = _Verdict(**_read_cache()[key])
        verdict.reason(cached=True)  # fails on values of the wrong type
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return verdict


def _remember(key: str, verdict: _Verdict) -> None:
    """Add a verdict to the cache, in one step. A cache that cannot be written costs a measurement at each start."""
    with contextlib.suppress(OSError, RuntimeError), atomic(cache_file()) as file:
        write_through(file, json.dumps({**_read_cache(), key: asdict(verdict)}, indent=1).encode())
