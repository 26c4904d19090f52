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

"""What an evaluation leaves behind: ``frames.jsonl``, a row a frame, and ``result.json``, counted from the rows.

Both are written whole or not at all. Rates, shares and IoUs are fractions 0..1, times are milliseconds; null stands for
what was not measured. Without the times, two offline runs write the same bytes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from gain_ros import __version__
from gain_ros.errors import ResultError
from gain_ros.evaluation.stability import Counts
from gain_ros.files import atomic
from gain_ros.labels import LabelSet
from gain_ros.model_folder import ModelFolder
from gain_ros.plain_values import plain
from gain_ros.score import group_iou, iou, mean_iou, mean_of_known, pixel_accuracy
from gain_ros.times import percentiles

RESULT, FRAMES = "result.json", "frames.jsonl"
OUTCOMES = ("published", "superseded", "stale", "failed")
SCORED, UNMATCHED, REFUSED = "scored", "unmatched", "refused"

_FORMAT = 1
_LIBRARIES = ("numpy", "opencv-python-headless", "rosbags", "onnxruntime", "openvino", "torch", "tensorrt", "rclpy")


@dataclass(frozen=True)
class FrameRow:
    """One frame's fate.

    ``outcome`` is one of OUTCOMES, or "lost": sent in real time and never received. ``stage_ms`` holds the time of each
    stage, ``age_ms`` how old the mask was when it came out (real time alone). ``truth`` is "scored", "unmatched" (no
    truth at this stamp), "refused" (``error`` says why), or None where no truth was asked for. ``miou`` is this frame's
    own; ``miou_in_use`` that of the latest mask published at the frame's stamp (real time alone). ``changed``,
    ``flicker``, ``low_confidence`` and ``class_share`` are those of
    :class:`gain_ros.evaluation.stability.FrameMeasures`. ``error`` says why a frame failed or was not scored.
    """

    bag: str
    stamp_ns: int
    outcome: str
    stage_ms: dict[str, float] = field(default_factory=dict)
    age_ms: float | None = None
    truth: str | None = None
    miou: float | None = None
    miou_in_use: float | None = None
    changed: float | None = None
    flicker: float | None = None
    low_confidence: float | None = None
    class_share: tuple[float, ...] | None = None
    error: str | None = None


@dataclass(frozen=True)
class BagScore:
    """What one bag came to, in numbers that add up over bags.

    ``confusion`` is int64 (C, C) over the frames with truth, None where there was none. ``unmatched_truth`` names each
    label that no frame belongs to. ``warnings`` tell what is odd about the bag, ``errors`` why it could not be read to
    its end: with one of them the evaluation is partial.
    """

    bag: str
    topic: str | None = None
    confusion: np.ndarray | None = None
    counts: Counts | None = None
    unmatched_truth: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """One evaluation without its frames.

    ``classes`` are the scored ones, ``options`` what was asked for, ``truth`` how truth was found (None: not asked
    for), ``details`` further sections of result.json, such as {"realtime": {...}}.
    """

    mode: str
    model: str
    sha256: str
    engine: str
    provider: str
    classes: LabelSet
    bags: tuple[BagScore, ...]
    truth: dict[str, Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    seed: int = 0


def write_result(out: Path, evaluation: Evaluation, rows: Iterable[FrameRow]) -> dict[str, Any]:
    """Write frames.jsonl, then result.json, into the folder ``out``; returns what result.json holds.

    Rows are taken one at a time, so their number may be any. Raises ResultError where ``out`` cannot be written.
    """
    counted = _RowCounts()
    with atomic_text(out / FRAMES) as stream:
        for row in rows:
            counted.add(row)
            stream.write(row_line(row))
    result = plain(_result(evaluation, counted))
    with atomic_text(out / RESULT) as stream:
        stream.write(json.dumps(result, indent=1) + "\n")
    return result


def read_result(out: Path) -> dict[str, Any]:
    """Read result.json of a folder, or the file itself. Raises ResultError."""
    file = out / RESULT if out.is_dir() else out
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(f"{file} is no readable result: {error}; give the --out folder of gain evaluate") from error
    if not isinstance(result, dict) or result.get("format") != _FORMAT:
        raise ResultError(f"{file} is no result of gain evaluate in format {_FORMAT}; evaluate again")
    return result


def read_rows(file: Path) -> Iterator[FrameRow]:
    """Read the rows of a frames.jsonl, one at a time. Raises ResultError."""
    try:
        with file.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                yield _row(file, number, line)
    except OSError as error:
        raise ResultError(f"{file} cannot be read: {error}; evaluate again") from error


def row_line(row: FrameRow) -> str:
    """Write a row as a line of frames.jsonl."""
    values = {each.name: getattr(row, each.name) for each in dataclasses.fields(row)}
    return json.dumps(plain(values), separators=(",", ":")) + "\n"


@contextlib.contextmanager
def atomic_text(file: Path) -> Iterator[TextIO]:
    """Open a text file that takes its place when all of it is written. Raises ResultError for what the disk refuses."""
    try:
        with atomic(file) as scratch, scratch.open("w", encoding="utf-8") as stream:
            yield stream
    except OSError as error:
        reason = error.strerror or error
        raise ResultError(f"{file} cannot be written: {reason}; free space or name another --out") from error


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and the libraries that shape a result, as installed."""
    found = {"python": platform.python_version(), "gain_ros": __version__}
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def model_card(model_folder: ModelFolder) -> dict[str, str]:
    """Return what a reader must know of a model, as text: how it was trained, what it reaches, and its terms.

    Where it trained on its val split too, what it reaches is what the same training without those frames gave.
    """
    card = {"architecture": model_folder.architecture, "input size": "{} x {}".format(*model_folder.input_size)}
    metrics = model_folder.metrics
    if metrics.get("val_seen_in_training"):
        held_out = {f"{key} held out": value for key, value in metrics.get("train_only", {}).items()}
        metrics = {"val_seen_in_training": True, **held_out}
    for group in (model_folder.training, metrics):
        card |= {key: str(value) for key, value in group.items() if isinstance(value, (str, int, float))}
    return card | {"licence": model_folder.licence}


class _RowCounts:
    """What is counted over the rows. Times are kept as doubles, the rows are not."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.truth: Counter[str | None] = Counter()
        self.stage_ms: dict[str, array[float]] = {}
        self.age_ms: array[float] = array("d")
        self.first_error: dict[str | None, str] = {}

    def add(self, row: FrameRow) -> None:
        self.outcomes[row.bag, row.outcome] += 1
        self.truth[row.truth] += 1
        if row.error is not None:
            self.first_error.setdefault(REFUSED if row.truth == REFUSED else row.outcome, row.error)
        for stage, value in row.stage_ms.items():
            self.stage_ms.setdefault(stage, array("d")).append(value)
        if row.stage_ms:
            self.stage_ms.setdefault("total", array("d")).append(sum(row.stage_ms.values()))
        if row.age_ms is not None:
            self.age_ms.append(row.age_ms)

    def frames(self, bags: Iterable[str]) -> dict[str, int]:
        names = tuple(bags)
        counts = {outcome: sum(self.outcomes[bag, outcome] for bag in names) for outcome in OUTCOMES}
        return {"received": sum(counts.values()), **counts}

    def reasons(self, last_error: str | None) -> list[str]:
        """Name the first reason why frames failed, and why truth was refused; a node tells its latest one alone."""
        failed = sum(count for (_, outcome), count in self.outcomes.items() if outcome == "failed")
        first, texts = self.first_error, []
        if failed and (reason := first.get("failed") or last_error):
            texts.append(f"{failed} frames failed, {'the first' if 'failed' in first else 'the latest'}: {reason}")
        if REFUSED in first:
            texts.append(f"the truth of {self.truth[REFUSED]} frames was refused, the first: {first[REFUSED]}")
        return texts


def _result(evaluation: Evaluation, counted: _RowCounts) -> dict[str, Any]:
    bags = evaluation.bags
    confusions = [bag.confusion for bag in bags if bag.confusion is not None]
    counts = [bag.counts for bag in bags if bag.counts is not None]
    errors = [f"{bag.bag}: {error}" for bag in bags for error in bag.errors]
    return {
        "format": _FORMAT,
        "mode": evaluation.mode,
        "partial": bool(errors),
        "errors": errors,
        "warnings": [
            *(f"{bag.bag}: {warning}" for bag in bags for warning in bag.warnings),
            *counted.reasons(evaluation.details.get("realtime", {}).get("last_error")),
        ],
        "model": {"name": evaluation.model, "sha256": evaluation.sha256},
        "engine": evaluation.engine,
        "provider": evaluation.provider,
        "classes": [
            {"name": name, "color": list(color)}
            for name, color in zip(evaluation.classes.names, evaluation.classes.colors, strict=True)
        ],
        "options": evaluation.options,
        "frames": counted.frames(bag.bag for bag in bags),
        "truth": _truth(evaluation, counted),
        **_score(np.sum(confusions, axis=0) if confusions else None, evaluation.classes),
        "latency_ms": {stage: percentiles(values) for stage, values in counted.stage_ms.items()},
        "mask_age_ms": percentiles(counted.age_ms),
        "unlabelled": sum(counts[1:], counts[0]).shares(evaluation.classes) if counts else None,
        "bags": [_bag(bag, counted) for bag in bags],
        **_groups(evaluation, counted),
        **evaluation.details,
        "versions": versions(),
        "machine": {"cpu": processor(), "cores": os.cpu_count(), "system": platform.platform(terse=True)},
        "seed": evaluation.seed,
    }


def _truth(evaluation: Evaluation, counted: _RowCounts) -> dict[str, Any] | None:
    if evaluation.truth is None:
        return None
    return {
        **evaluation.truth,
        "scored": counted.truth[SCORED],
        "unmatched_frames": counted.truth[UNMATCHED],
        "refused": counted.truth[REFUSED],
        "unmatched_truth": [f"{bag.bag}: {name}" for bag in evaluation.bags for name in bag.unmatched_truth],
    }


def _score(confusion: np.ndarray | None, classes: LabelSet) -> dict[str, Any]:
    if confusion is None:
        names = ("miou", "per_class_iou", "group_miou", "group_iou", "pixel_accuracy", "confusion")
        return dict.fromkeys(names)
    groups = group_iou(confusion, classes)
    return {
        "miou": mean_iou(confusion),
        "per_class_iou": dict(zip(classes.names, iou(confusion).tolist(), strict=True)),
        "group_miou": mean_of_known(np.array(list(groups.values()))) if groups else None,
        "group_iou": groups or None,
        "pixel_accuracy": pixel_accuracy(confusion),
        "confusion": confusion.tolist(),
    }


def _bag(bag: BagScore, counted: _RowCounts) -> dict[str, Any]:
    return {
        "bag": bag.bag,
        "topic": bag.topic,
        "frames": counted.frames([bag.bag]),
        "miou": None if bag.confusion is None else mean_iou(bag.confusion),
        "pixel_accuracy": None if bag.confusion is None else pixel_accuracy(bag.confusion),
        "warnings": list(bag.warnings),
        "errors": list(bag.errors),
    }


def _groups(evaluation: Evaluation, counted: _RowCounts) -> dict[str, Any]:
    """Make section "groups": bags in whose names a regular expression finds the same, taken as one."""
    pattern = evaluation.options.get("group_by")
    if pattern is None:
        return {}
    groups: dict[str, list[BagScore]] = {}
    for bag in evaluation.bags:
        groups.setdefault(group_of(bag.bag, pattern), []).append(bag)
    return {"groups": [_group(name, groups[name], evaluation.classes, counted) for name in sorted(groups)]}


def group_of(bag: str, pattern: str) -> str:
    """Return what the groups of a regular expression find in a bag's name, or all that it finds; else "no match"."""
    found = re.search(pattern, bag)
    if found is None:
        return "no match"
    return " ".join(part for part in found.groups() if part) or found[0]


def _group(name: str, bags: Sequence[BagScore], classes: LabelSet, counted: _RowCounts) -> dict[str, Any]:
    confusions = [bag.confusion for bag in bags if bag.confusion is not None]
    score = _score(np.sum(confusions, axis=0) if confusions else None, classes)
    return {
        "group": name,
        "bags": [bag.bag for bag in bags],
        "frames": counted.frames(bag.bag for bag in bags),
        **{key: score[key] for key in ("miou", "per_class_iou", "pixel_accuracy")},
    }


def _row(file: Path, number: int, line: str) -> FrameRow:
    try:
        values = json.loads(line)
        share = values.pop("class_share", None)
        return FrameRow(**values, class_share=None if share is None else tuple(share))
    except (ValueError, TypeError, AttributeError) as error:
        raise ResultError(f"{file}, line {number}, is no row of an evaluation: {error}; evaluate again") from error


def processor() -> str:
    """Return the processor's name, for people."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    return platform.machine()
