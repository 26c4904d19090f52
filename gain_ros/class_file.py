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

"""Class sets as YAML: what ``classes:`` of a class file and of model.yaml holds.

```yaml
classes:
- {id: 0, name: road, color: [128, 64, 128], groups: [traversable]}
- {id: 1, name: vehicle}
```

``color`` and ``groups`` may be left out. ``id`` is the value in masks and the place among a network's outputs: each
from 0 on, once, in any order; a list without ids counts from 0.
"""

from __future__ import annotations

import colorsys
import os
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gain_ros.errors import ClassFileError
from gain_ros.labels import UNLABELLED, LabelSet
from gain_ros.yaml_files import read_yaml

ENTRY = "{id: 0, name: road, color: [128, 64, 128], groups: [traversable]} (colour and groups may be left out)"


def read_class_file(path: str | os.PathLike[str]) -> LabelSet:
    """Read a class file; the set is named after the file, "classes.yaml" after its folder. Raises ClassFileError."""
    file = Path(path).expanduser()
    try:
        document = read_yaml(file)
    except (OSError, ValueError) as error:
        raise ClassFileError(f"{file}: {error}; expected YAML with `classes:`, a list of {ENTRY}") from error
    entries = document.get("classes") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not 1 <= len(entries) <= UNLABELLED:
        found = "no `classes:`" if entries is None else f"classes: {reprlib.repr(entries)}"
        raise ClassFileError(f"{file}: {found}; expected a list of 1 to {UNLABELLED} entries {ENTRY}")
    name = file.resolve().parent.name if file.stem == "classes" else file.stem
    return label_set(name, in_order([completed(entry, place, file) for place, entry in enumerate(entries)], file))


def completed(entry: Any, place: int, file: Path) -> dict[str, Any]:
    """Return an entry with id and colour. Raises ClassFileError for what is none."""
    whole = {"id": place, "color": list(distinct_color(place)), **entry} if isinstance(entry, dict) else {}
    unknown = sorted(map(str, whole.keys() - {"id", "name", "color", "groups"}))
    if unknown or not is_class(whole) or not isinstance(whole["id"], int) or isinstance(whole["id"], bool):
        raise ClassFileError(f"{file}: entry {place + 1} of classes is {reprlib.repr(entry)}; expected {ENTRY}")
    return whole


def in_order(entries: list[dict[str, Any]], file: Path) -> list[dict[str, Any]]:
    ids, names = ([entry[key] for entry in entries] for key in ("id", "name"))
    if sorted(ids) != list(range(len(ids))):
        raise ClassFileError(f"{file}: the ids are {ids}; expected each of 0 to {len(ids) - 1} once")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ClassFileError(f"{file}: {', '.join(twice)} stands there twice; expected names that differ")
    return sorted(entries, key=lambda entry: entry["id"])


def distinct_color(place: int) -> tuple[int, int, int]:
    """Return a colour for the class at ``place``, as different from those before it as hues allow."""
    hue, value = 0.618034 * place % 1, (0.95, 0.7, 0.5)[place // 8 % 3]
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.75, value))
    return red, green, blue


def label_set(name: str, entries: Sequence[dict[str, Any]]) -> LabelSet:
    """Return the class set of entries that :func:`is_class_list` finds right."""
    groups = tuple(tuple(entry.get("groups", ())) for entry in entries)
    return LabelSet(
        name=name,
        names=tuple(entry["name"] for entry in entries),
        colors=tuple((r, g, b) for r, g, b in (entry["color"] for entry in entries)),
        groups=groups if any(groups) else (),
    )


def class_entries(labels: LabelSet) -> list[dict[str, Any]]:
    """Return the entries of a class set, plain values."""
    return [
        {"name": name, "color": list(color), **({"groups": list(those)} if those else {})}
        for name, color, those in zip(labels.names, labels.colors, labels.groups_of_each, strict=True)
    ]


def is_class_list(value: Any) -> bool:
    """Tell whether ``value`` is a list of 1 to 255 classes with names that differ."""
    if not isinstance(value, list) or not 1 <= len(value) <= UNLABELLED or not all(map(is_class, value)):
        return False
    return len({entry["name"] for entry in value}) == len(value)


def is_class(value: Any) -> bool:
    if not isinstance(value, dict) or not is_name(value.get("name")):
        return False
    color, groups = value.get("color"), value.get("groups", [])
    return (
        isinstance(color, list)
        and len(color) == 3
        and all(isinstance(part, int) and not isinstance(part, bool) and 0 <= part <= 255 for part in color)
        and isinstance(groups, list)
        and all(map(is_name, groups))
    )


def is_name(value: Any) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()
