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

"""What the project's pages share: their look (style.css), their words, and how a template becomes one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def render(template: Path, **content: Any) -> str:
    """Fill in the template; it may include what lies beside it, and style.css."""
    import jinja2

    folders = jinja2.FileSystemLoader([template.parent, HERE])
    environment = jinja2.Environment(loader=folders, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": percent, "points": points, "short": short, "milliseconds": milliseconds}
    return environment.get_template(template.name).render(**content)


def short(names: list[str]) -> str:
    """Write a few names of bags, without their folders."""
    plain = [Path(name).name or name for name in names]
    return ", ".join(plain[:3]) + (f" and {len(plain) - 3} more" if len(plain) > 3 else "")


def percent(value: float | None, digits: int = 1) -> str:
    """Write a fraction for people."""
    return "n/a" if value is None else f"{100 * value:.{digits}f} %"


def points(change: float | None) -> str:
    """Write a change of a fraction, in percentage points, with its sign."""
    return "" if change is None else f"{100 * change:+.2f}"


def milliseconds(value: float | None) -> str:
    """Write a time for people."""
    return "n/a" if value is None else f"{value:.1f} ms"
