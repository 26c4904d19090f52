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

"""Two evaluations side by side, and whether the second is good enough: a gate for continuous integration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gain_ros.errors import ResultError
from gain_ros.evaluation.result import read_result

# Of the times a result holds, the one that a user waits for.
_GATED_TIME = {"offline": ("time a frame", "latency_ms", "total"), "live": ("mask age", "mask_age_ms", None)}


@dataclass(frozen=True)
class Row:
    """One number in both results; ``limit`` is what it may be at worst, None where it is only shown."""

    name: str
    unit: str
    before: float | None
    after: float | None
    limit: float | None = None
    failed: bool = False


@dataclass(frozen=True)
class Comparison:
    """All rows, and ``notes`` on what makes the two less comparable."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether a limit is broken."""
        return any(row.failed for row in self.rows)

    @property
    def text(self) -> str:
        """Return a table for people, with the verdict as its last line."""
        verdict = "failed" if self.failed else "passed"
        return "\n".join([_line("", "before", "after", "change"), *map(_row_line, self.rows), *self.notes, verdict])

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"failed": self.failed, "rows": [asdict(row) for row in self.rows], "notes": list(self.notes)}


def compare(before: Path, after: Path, max_drop: float, max_slowdown: float) -> Comparison:
    """Compare two results.

    Args:
        before: result.json, or the folder that holds it.
        after: result.json, or the folder that holds it.
        max_drop: how far the mIoU may fall, as a fraction: 0.01 is one point. In real time the mIoU of the masks in use
            is held to it too: dropped frames and late masks show there alone.
        max_slowdown: how far p99 may grow, as a share of what it was: 0.1 is a tenth. It is the p99 of the time a frame
            takes (offline) or of the mask age (real time).

    Raises:
        ResultError: one of them cannot be read, the modes differ, or a gated number is only in the first.

    """
    old, new = read_result(before), read_result(after)
    if old["mode"] != new["mode"]:
        raise ResultError(f"{before} is of mode {old['mode']}, {after} of mode {new['mode']}; compare two of one mode")
    rows = [_drop_row("mIoU", old["miou"], new["miou"], max_drop), _time_row(old, new, max_slowdown)]
    if "realtime" in old and "realtime" in new:
        in_use = [result["realtime"]["miou_in_use"] for result in (old, new)]
        rows.append(_drop_row("mIoU in use", in_use[0], in_use[1], max_drop))
    for row in rows:
        if row.before is not None and row.after is None:
            raise ResultError(f"{after} has no {row.name}, {before} has; evaluate with the same truth and mode")
    return Comparison((*rows, *_shown(old, new)), tuple(_notes(old, new)))


def _drop_row(name: str, before: float | None, after: float | None, max_drop: float) -> Row:
    limit = None if before is None else before - max_drop
    return Row(name, "%", before, after, limit, limit is not None and after is not None and after < limit)


def _time_row(old: dict[str, Any], new: dict[str, Any], max_slowdown: float) -> Row:
    name, key, stage = _GATED_TIME["offline" if old["mode"] == "offline" else "live"]
    before, after = (_p99(result[key] if stage is None else result[key].get(stage)) for result in (old, new))
    limit = None if before is None else before * (1 + max_slowdown)
    failed = limit is not None and after is not None and after > limit
    return Row(f"p99 of {name}", "ms", before, after, limit, failed)


def _p99(times: dict[str, float | None] | None) -> float | None:
    return None if times is None else times["p99"]


def _shown(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Row]:
    yield Row("pixel accuracy", "%", old["pixel_accuracy"], new["pixel_accuracy"])
    for outcome in new["frames"]:
        yield Row(f"frames {outcome}", "", old["frames"].get(outcome), new["frames"][outcome])
    for name, value in (new["per_class_iou"] or {}).items():
        yield Row(f"IoU {name}", "%", (old["per_class_iou"] or {}).get(name), value)


def _notes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for what, get in (
        ("bags", lambda result: [bag["bag"] for bag in result["bags"]]),
        ("truth", lambda result: result["truth"] and (result["truth"]["from"], result["truth"]["by"])),
        ("options", lambda result: result["options"]),
        ("frames received", lambda result: result["frames"]["received"]),
        ("machine", lambda result: result["machine"]),
    ):
        if get(old) != get(new):
            yield f"note: not the same {what}: {_text(get(old))} and {_text(get(new))}"
    for name, result in (("first", old), ("second", new)):
        if result["partial"]:
            yield f"note: the {name} result is partial: {'; '.join(result['errors'])}"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _row_line(row: Row) -> str:
    return _line(*_cells(row)) + (f"  FAILED, limit {_number(row, row.limit)}" if row.failed else "")


def _cells(row: Row) -> tuple[str, str, str, str]:
    change = "" if row.before is None or row.after is None else _number(row, row.after - row.before, "+")
    return row.name, _number(row, row.before), _number(row, row.after), change


def _number(row: Row, value: float | None, sign: str = "") -> str:
    if value is None:
        return "n/a"
    if row.unit == "%":
        return f"{100 * value:{sign}.2f} %"
    return f"{value:{sign}.2f} {row.unit}" if row.unit else f"{value:{sign}d}"


def _line(name: str, before: str, after: str, change: str) -> str:
    return f"{name:24}{before:>12}{after:>12}{change:>12}".rstrip()
