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

"""report.html: what an evaluation found, as one file that opens anywhere and asks nobody for anything."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gain_ros.evaluation.report import charts
from gain_ros.evaluation.report.clip import CLIPS
from gain_ros.evaluation.report.gallery import FOLDER, INDEX
from gain_ros.evaluation.report.render import HERE, milliseconds, percent, render
from gain_ros.evaluation.result import FRAMES, FrameRow, atomic_text, read_result, read_rows
from gain_ros.times import RANKS, STAGES

REPORT = "report.html"
PICTURES = {"image": "Image", "truth": "Truth", "mask": "Mask", "error": "Errors"}
_STAGE_COLORS = dict(zip(STAGES, charts.SERIES, strict=False))  # the same whatever other stages there are
_DROPS = ("superseded", "stale", "failed", "lost")
_MIME = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".webm": "video/webm"}


@dataclass(frozen=True)
class Card:
    """A headline: a value, what it is, and a remark or nothing."""

    value: str
    name: str
    remark: str = ""


def write_report(out: Path) -> Path:
    """Write ``out/report.html`` from ``out/result.json``, ``frames.jsonl``, ``gallery/`` and a clip; returns its path.

    Raises ResultError where these cannot be read or the page cannot be written.
    """
    result, rows = read_result(out), list(read_rows(out / FRAMES))
    page = render(
        HERE / "report.html",
        result=result,
        cards=headline(result),
        confusion=confusion_rows(result),
        cost=explained(result),
        live=live_rows(result.get("realtime") or {}),
        charts=all_charts(result, rows),
        stages=STAGES,
        pictures=PICTURES,
        gallery=_gallery(out / FOLDER),
        clip=next((_data_uri(out / name) for name in CLIPS if (out / name).is_file()), None),
    )
    with atomic_text(out / REPORT) as stream:
        stream.write(page)
    return out / REPORT


def headline(result: dict[str, Any]) -> list[Card]:
    """Return the few numbers that a reader looks for first."""
    frames, live = result["frames"], result.get("realtime")
    cards = []
    if result["miou"] is not None:
        cards.append(Card(percent(result["miou"]), "mIoU", _miou_remark(result)))
    if live and live.get("miou_in_use") is not None:
        cards.append(Card(percent(live["miou_in_use"]), "mIoU in use", "an earlier frame's mask, all a planner had"))
    if result["pixel_accuracy"] is not None:
        cards.append(Card(percent(result["pixel_accuracy"]), "pixel accuracy"))
    cards.append(Card(f"{frames['published']} of {frames['received']}", "frames with a mask", _fates(result)))
    if live and live.get("masks_hz") is not None:
        cards.append(Card(f"{live['masks_hz']:.1f}", "masks a second", f"{live['sent_hz']:.1f} frames a second sent"))
    for what, key in (("mask age", "mask_age_ms"), ("time a frame", "total")):
        times = result["mask_age_ms"] if key == "mask_age_ms" else result["latency_ms"].get("total", {})
        if times.get("p50") is not None:
            shared = what == "time a frame" and (result.get("throughput") or {}).get("engines", 1)
            remark = f"; {shared} engines shared the cores" if shared > 1 else ""
            cards.append(Card(milliseconds(times["p50"]), what, f"p99 {milliseconds(times['p99'])}{remark}"))
    return cards


def _fates(result: dict[str, Any]) -> str:
    """Say where the frames without a mask went."""
    live = result.get("realtime") or {}
    counts = {"lost on the way": live.get("lost_on_the_way"), **{each: result["frames"][each] for each in _DROPS[:3]}}
    gone = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    sent = f"{live['sent']} sent" if "sent" in live else ""
    return "; ".join(part for part in (sent, gone) if part)


def _miou_remark(result: dict[str, Any]) -> str:
    """Say what the mIoU is of, and where the model may have trained on these very frames."""
    remarks = ["each mask against its own frame"] if result.get("realtime") else []
    if (result.get("model_card") or {}).get("val_seen_in_training") == "True":
        remarks.append("the model trained on its data set's val frames too: on those it flatters")
    return "; ".join(remarks)


def confusion_rows(result: dict[str, Any]) -> list[tuple[str, list[tuple[float, int]]]]:
    """Return per true class its name and, for each predicted class, the share of the true pixels and their number."""
    if result["confusion"] is None:
        return []
    counts = np.asarray(result["confusion"], np.int64)
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    names = [each["name"] for each in result["classes"]]
    return [
        (name, list(zip(share.tolist(), row.tolist(), strict=True)))
        for name, share, row in zip(names, shares, counts, strict=True)
    ]


def explained(result: dict[str, Any]) -> list[tuple[str, float, float | None]]:
    """Go from the offline mIoU to what a planner had, step by step: text, mIoU, change against the step before."""
    live = result.get("realtime") or {}
    offline = live.get("offline") or {}
    levels = [
        ("Offline, every frame", offline.get("miou")),
        ("Offline, only the frames that got a mask in real time", offline.get("miou_of_published")),
        ("Real time, each mask against its own frame", result["miou"]),
        ("Real time, the latest mask there at each frame's time", live.get("miou_in_use")),
    ]
    if any(value is None for _, value in levels):
        return []
    changes = [value - before for (_, before), (_, value) in itertools.pairwise(levels)]
    return [(*level, change) for level, change in zip(levels, [None, *changes], strict=True)]


def live_rows(live: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what the node and those around it did, as text."""
    node, offline = live.get("node") or {}, live.get("offline")
    values = {
        "frames sent": live.get("sent"),
        "frames lost on the way to the node": live.get("lost_on_the_way"),
        "masks received": live.get("masks_received"),
        "of them equal to the offline run's": offline and f"{offline['identical']} of {offline['compared']}",
        "labels before the first mask": live.get("no_mask_yet"),
        "processor, cores": node.get("cpu_cores"),
        "processor, ms a frame": node.get("cpu_ms_a_frame"),
        "most memory, MB": node.get("memory_mb"),
        "processor of the listener, cores": live.get("collector_cpu_cores"),
        "last error": live.get("last_error"),
    }
    return [(name, str(value)) for name, value in values.items() if value is not None]


def all_charts(result: dict[str, Any], rows: Sequence[FrameRow]) -> list[charts.Chart]:
    """Draw the charts for which there are values, in the order of the page."""
    masks = [row for row in rows if row.outcome == "published"]
    along, along_masks = (charts.steps([row.stamp_ns for row in each]) for each in (rows, masks))
    drawn = [
        _stage_chart(along_masks, masks),
        _distribution(masks),
        _age_chart(along_masks, masks),
        _drop_chart(along, rows),
        _score_chart(along, rows),
        _share_chart(result, along_masks, masks),
        _steadiness_chart(along_masks, masks),
    ]
    return [chart for chart in drawn if chart is not None]


def _stage_chart(along: charts.Steps, rows: Sequence[FrameRow]) -> charts.Chart | None:
    present = {stage for row in rows for stage in row.stage_ms}
    if not present:
        return None
    order = [*(stage for stage in STAGES if stage in present), *sorted(present - set(STAGES))]
    medians = {stage: along.gather([row.stage_ms.get(stage) for row in rows], np.median) for stage in order}
    series = {STAGES.get(stage, stage): values for stage, values in medians.items()}
    note = "Milliseconds a frame spends in each stage; medians, on top of each other."
    colors = tuple(_STAGE_COLORS.get(stage, charts.SERIES[-1]) for stage in order)
    return charts.over_time("StackedLine", "stages", "Latency budget by stage", note, along, series, colors)


def _distribution(rows: Sequence[FrameRow]) -> charts.Chart | None:
    totals = [sum(row.stage_ms.values()) for row in rows if row.stage_ms]
    if not totals:
        return None
    ranks = np.percentile(totals, RANKS)
    note = "Half of the frames take at most {:.1f} ms, 95 % {:.1f} ms, 99 % {:.1f} ms.".format(*ranks)
    return charts.histogram("latency", "Time a frame takes", note, "ms", totals)


def _age_chart(along: charts.Steps, rows: Sequence[FrameRow]) -> charts.Chart | None:
    ages = [row.age_ms for row in rows]
    if all(age is None for age in ages):
        return None
    series = {"median": along.gather(ages, np.median), "oldest": along.gather(ages, max)}
    note = "Milliseconds from sending a frame to the arrival of its mask."
    return charts.over_time("Line", "age", "Mask age over time", note, along, series)


def _drop_chart(along: charts.Steps, rows: Sequence[FrameRow]) -> charts.Chart | None:
    counts = {outcome: sum(row.outcome == outcome for row in rows) for outcome in _DROPS}
    if not any(counts.values()):
        return None
    series = {each: along.gather([row.outcome == each for row in rows], sum) for each in _DROPS if counts[each]}
    note = "Frames without a mask: " + ", ".join(f"{counts[each]} {each}" for each in series) + "."
    return charts.over_time("StackedBar", "drops", "Drops by reason over time", note, along, series)


def _score_chart(along: charts.Steps, rows: Sequence[FrameRow]) -> charts.Chart | None:
    series = {"mIoU of the frame": [row.miou for row in rows], "of the mask in use": [row.miou_in_use for row in rows]}
    known = {name: _percents(along, values) for name, values in series.items() if any(v is not None for v in values)}
    if not known:
        return None
    note = "Per cent; the mean over each stretch of time."
    return charts.over_time("Line", "score", "mIoU over time", note, along, known)


def _share_chart(result: dict[str, Any], along: charts.Steps, rows: Sequence[FrameRow]) -> charts.Chart | None:
    if all(row.class_share is None for row in rows):
        return None
    classes = result["classes"]
    series = {
        each["name"]: _percents(along, [row.class_share[i] if row.class_share else None for row in rows])
        for i, each in enumerate(classes)
    }
    colors = tuple(f"rgb({','.join(map(str, each['color']))})" for each in classes)
    note = "Per cent of the pixels that each class covers."
    return charts.over_time("StackedLine", "shares", "Classes over time", note, along, series, colors)


def _steadiness_chart(along: charts.Steps, rows: Sequence[FrameRow]) -> charts.Chart | None:
    measures: dict[str, Callable[[FrameRow], float | None]] = {
        "changed since the frame before": lambda row: row.changed,
        "flicker": lambda row: row.flicker,
        "low confidence": lambda row: row.low_confidence,
    }
    series = {name: [get(row) for row in rows] for name, get in measures.items()}
    known = {name: _percents(along, values) for name, values in series.items() if any(v is not None for v in values)}
    if not known:
        return None
    note = "Per cent of the pixels. Flicker: another class for one frame alone."
    return charts.over_time("Line", "steadiness", "How steady the masks are", note, along, known)


def _percents(along: charts.Steps, values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else 100 * value for value in along.gather(values, np.mean)]


def _gallery(folder: Path) -> dict[str, Any] | None:
    """Read the gallery's index and put the pictures into it; None where nothing was kept."""
    if not (folder / INDEX).is_file():
        return None
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    for frame in index["frames"]:
        frame["files"] = {kind: _data_uri(folder / name) for kind, name in frame["files"].items()}
    return index if index["frames"] else None


def _data_uri(file: Path) -> str:
    return f"data:{_MIME[file.suffix]};base64,{base64.b64encode(file.read_bytes()).decode()}"
