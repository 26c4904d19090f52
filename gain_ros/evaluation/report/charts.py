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

"""The report's charts: SVG drawn by pygal, light however many frames there are, with the numbers beside it."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat

import numpy as np

_WIDTH_PX, _HEIGHT_PX = 480, 240
_STEPS = 60  # values along the time axis; more cannot be told apart
_BINS = 30
_LABELS = 6
# Names of colours in report.html, where each has a value for light and for dark; told apart by the colour-blind too.
SERIES = tuple(f"var(--series-{i})" for i in range(8))


@dataclass(frozen=True)
class Chart:
    """``svg`` is markup; ``head`` and ``rows`` are the same values as text, for readers that do not see.

    ``legend`` names the series where there are several, each with its CSS colour.
    """

    name: str
    title: str
    note: str
    svg: str
    legend: tuple[tuple[str, str], ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Steps:
    """Frames in order, gathered into equal stretches: ``names`` of the stretches, and where in the frames each lies."""

    names: tuple[str, ...]
    unit: str
    edges: tuple[int, ...]

    def gather(
        self, values: Sequence[float | None], reduce: Callable[[list[float]], SupportsFloat]
    ) -> list[float | None]:
        """Reduce to one number a stretch, from the values that are not None; None where there is none."""
        found = []
        for start, end in zip(self.edges, self.edges[1:], strict=False):
            known = [value for value in values[start:end] if value is not None]
            found.append(float(reduce(known)) if known else None)
        return found


def steps(stamps_ns: Sequence[int], most: int = _STEPS) -> Steps:
    """Make stretches of equally many frames, named by seconds since the first, or by number where stamps run back."""
    count = len(stamps_ns)
    edges = tuple(int(edge) for edge in np.linspace(0, count, min(most, count) + 1))
    seconds = (np.asarray(stamps_ns, np.int64) - (stamps_ns[0] if count else 0)) / 1e9
    if count > 1 and (np.diff(seconds) > 0).all():
        return Steps(_unlike([seconds[edge] for edge in edges[:-1]]), "time (s)", edges)
    return Steps(tuple(str(edge) for edge in edges[:-1]), "frame", edges)


def _unlike(values: Sequence[float]) -> tuple[str, ...]:
    """Write rising values with as many digits as tell them apart: pygal takes labels of one text for one."""
    for digits in range(1, 10):
        names = tuple(f"{value:.{digits}f}" for value in values)
        if len(set(names)) == len(names):
            break
    return names


def over_time(
    kind: str,
    name: str,
    title: str,
    note: str,
    along: Steps,
    series: Mapping[str, Sequence[float | None]],
    colors: tuple[str, ...] = SERIES,
) -> Chart:
    """Draw values along the frames: ``kind`` is Line, StackedLine (as areas) or StackedBar; ``colors`` are CSS."""
    import pygal

    chart = getattr(pygal, kind)(**_settings(colors))
    chart.fill = kind == "StackedLine"
    chart.x_labels = along.names
    chart.x_labels_major = along.names[:: max(1, math.ceil(len(along.names) / _LABELS))]
    chart.show_minor_x_labels = False
    chart.x_title = along.unit
    stacked = kind.startswith("Stacked")
    drawn = {label: [0 if stacked and v is None else v for v in values] for label, values in series.items()}
    for label, values in drawn.items():
        chart.add(label, values)
    if kind == "StackedBar":  # of counts: no halves on the axis
        most = math.ceil(max(map(sum, zip(*drawn.values(), strict=True))))
        chart.y_labels = range(0, most + 1, math.ceil(most / _LABELS))
    rows = tuple((step, *map(_text, values)) for step, *values in zip(along.names, *series.values(), strict=True))
    legend = tuple(zip(series, colors, strict=False)) if len(series) > 1 else ()
    return Chart(name, title, note, _markup(chart, name, f"{title}. {note}"), legend, (along.unit, *series), rows)


def histogram(name: str, title: str, note: str, unit: str, values: Sequence[float]) -> Chart:
    """Draw how often which value occurs, up to the slowest hundredth; what lies beyond is counted in the last bar."""
    import pygal

    top = float(np.percentile(values, 99)) * 1.05 or 1.0
    counts, edges = np.histogram(np.minimum(values, top), bins=_BINS, range=(0, top))
    chart = pygal.Histogram(**_settings(SERIES))
    chart.x_title = unit
    chart.add(title, [(int(n), float(a), float(b)) for n, a, b in zip(counts, edges, edges[1:], strict=False)])
    rows = tuple((f"{a:.1f} to {b:.1f}", str(n)) for n, a, b in zip(counts, edges, edges[1:], strict=False) if n)
    return Chart(name, title, note, _markup(chart, name, f"{title}. {note}"), (), (unit, "frames"), rows)


def _settings(colors: tuple[str, ...]) -> dict[str, Any]:
    from pygal.style import Style

    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--soft)",
        foreground_strong="var(--text)",
        foreground_subtle="var(--line)",
        guide_stroke_color="var(--line)",
        major_guide_stroke_color="var(--line)",
        opacity="0.85",
        opacity_hover="1",
        colors=colors,
        font_family="system-ui, sans-serif",
        label_font_size=15,
        major_label_font_size=15,
        title_font_size=15,
        transition="none",
        stroke_width="2",
    )
    return {
        "style": style,
        "js": [],  # pygal's default loads a script from its own site
        "disable_xml_declaration": True,
        "width": _WIDTH_PX,
        "height": _HEIGHT_PX,
        "margin": 6,
        "show_dots": False,
        "show_legend": False,
        "truncate_label": -1,
        "include_x_axis": True,
        "min_scale": 3,
        "max_scale": 6,
    }


def _markup(chart: Any, name: str, spoken: str) -> str:
    """Render a chart as an image with a name, without pygal's own script and its comment with the date."""
    chart.uuid = f"chart-{name}"
    svg = re.sub(r"<!--.*?-->|<script.*?</script>", "", chart.render(is_unicode=True), flags=re.DOTALL)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(spoken)}" ', 1)


def _text(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4g}"
