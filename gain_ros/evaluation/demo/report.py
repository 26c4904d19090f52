"""The demo's page: one file without anything outside it, for a phone as for a desk."""

from __future__ import annotations

import base64
import datetime
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gain_ros.evaluation.report.render import STAGES, render
from gain_ros.evaluation.result import processor, versions

_BINS = 24


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram, in the units of the drawing."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Histogram:
    """Latencies as bars in a box of 600 x 150, with ticks below and the percentiles as lines."""

    bars: list[Bar]
    ticks: list[tuple[float, str]]
    lines: list[tuple[float, str]]


def histogram(values_ms: np.ndarray) -> Histogram | None:
    """Bars from 0 to a little over the slowest; None without values."""
    if not len(values_ms):
        return None
    step = _nice_step(float(values_ms.max()) / 6)
    top = step * (np.floor(values_ms.max() / step) + 1)
    counts, edges = np.histogram(values_ms, bins=_BINS, range=(0, top))
    scale, width = 600 / top, 600 / _BINS
    bars = [
        Bar(
            i * width + 1,
            150 - 140 * n / counts.max(),
            width - 2,
            140 * n / counts.max(),
            f"{a:.1f} to {b:.1f} ms: {n}",
        )
        for i, (n, a, b) in enumerate(zip(counts, edges, edges[1:], strict=False))
        if n
    ]
    ticks = [(value * scale, f"{value:g}") for value in np.arange(0, top + step / 2, step)]
    lines = [(float(np.percentile(values_ms, rank)) * scale, f"p{rank}") for rank in (50, 95)]
    return Histogram(bars, ticks, lines)


def _nice_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, at least rough."""
    power = 10.0 ** np.floor(np.log10(max(rough, 1e-3)))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999))


def stage_rows(stage_ms: dict[str, dict[str, float | None]]) -> list[tuple[str, dict[str, float | None]]]:
    """The node's latency budget in the order of its way."""
    return [
        (text, stage_ms[key])
        for key, text in STAGES.items()
        if any(value is not None for value in stage_ms.get(key, {}).values())
    ]


def machine() -> list[tuple[str, str]]:
    """What this was run on, for people."""
    return [
        ("Machine", f"{processor()}, {os.cpu_count()} cores"),
        ("System", platform.platform(terse=True)),
        *versions().items(),
    ]


def write_report(path: Path, clip: Path | None, **content: Any) -> None:
    """Fill report.html; the clip is embedded."""
    kind = {".webp": "image/webp", ".webm": "video/webm"}.get(clip.suffix) if clip else None
    data = base64.b64encode(clip.read_bytes()).decode() if clip else ""
    page = render(
        Path(__file__).with_name("report.html"),
        clip=f"data:{kind};base64,{data}" if clip else None,
        clip_is_video=kind == "video/webm",
        made=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        **content,
    )
    path.write_text(page, encoding="utf-8")
