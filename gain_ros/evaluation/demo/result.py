"""From one run of the demo to result.json and report.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gain_ros.evaluation.demo import report
from gain_ros.evaluation.demo.pictures import draw
from gain_ros.evaluation.demo.run import DemoRun
from gain_ros.evaluation.result import versions
from gain_ros.score import iou, mean_iou, pixel_accuracy
from gain_ros.sources.source import Source

_RANKS = (50, 95, 99)
_STAGES = ("wait", "decode", "pre", "infer", "post", "publish")


def make_result(run: DemoRun, source: Source, model_folder: Any, out: Path) -> dict[str, Any]:
    """Write pictures and page to ``out``; returns what result.json and the JSON line hold.

    Times are milliseconds, IoUs fractions; None stands for what was not measured.
    """
    pictures = draw(run, source, model_folder.labels, out)
    latencies = run.latency_ms()
    known = run.diagnostics
    frames = {key: int(known.get(key) or 0) for key in ("received", "published", "superseded", "stale", "failed")}
    result = {
        "mode": "demo",
        "source": source.name,
        "model": {"name": model_folder.name, "sha256": model_folder.digest},
        "engine": known.get("engine", ""),
        "sent": len(run.sent),
        "published": run.published,
        "received": len(run.masks),
        "frames": frames,
        "latency_ms": {f"p{rank}": _percentile(latencies, rank) for rank in _RANKS},
        "stage_ms": {stage: _diagnosed(known, f"{stage}_ms") for stage in _STAGES},
        "mask_age_ms": _diagnosed(known, "mask_age_ms"),
        **_score(pictures.confusion, model_folder.labels),
        "versions": versions(),
        "out": str(out),
    }
    report.write_report(
        out / "report.html",
        pictures.clip,
        source=source.name,
        model=model_folder.name,
        engine=result["engine"],
        provider=known.get("provider", ""),
        frames={**frames, "sent": result["sent"], "masks_received": result["received"]},
        latency_ms=result["latency_ms"],
        histogram=report.histogram(latencies),
        stages=report.stage_rows(result["stage_ms"]),
        miou=result["miou"],
        per_class=_class_rows(result["per_class_iou"], model_folder.labels),
        legend=[(model_folder.labels.names[i], model_folder.labels.colors[i]) for i in pictures.present],
        rows=pictures.rows,
        machine=report.machine(),
    )
    return result


def _percentile(values: np.ndarray, rank: int) -> float | None:
    return round(float(np.percentile(values, rank)), 2) if len(values) else None


def _diagnosed(known: dict[str, str], key: str) -> dict[str, float | None]:
    return {f"p{rank}": float(text) if (text := known.get(f"{key}_p{rank}")) else None for rank in _RANKS}


def _score(confusion: np.ndarray | None, labels: Any) -> dict[str, Any]:
    if confusion is None:
        return {"miou": None, "per_class_iou": None, "pixel_accuracy": None, "confusion": None}
    by_class = dict(zip(labels.names, (float(value) for value in iou(confusion)), strict=True))
    return {
        "miou": mean_iou(confusion),
        "per_class_iou": {name: None if np.isnan(value) else value for name, value in by_class.items()},
        "pixel_accuracy": pixel_accuracy(confusion),
        "confusion": confusion.tolist(),
    }


def _class_rows(by_class: dict[str, float | None] | None, labels: Any) -> list[tuple[str, tuple, float | None]]:
    if by_class is None:
        return []
    return [(name, color, by_class[name]) for name, color in zip(labels.names, labels.colors, strict=True)]
