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

"""From a network's classes to what a consumer wants: ids of its own, classes left out, pixels withheld.

```yaml
remap: {traversable: 1, car: 2, others: 0}
min_confidence: {others: 0.5, car: 0.7}
```

A key names a class, a group of classes, or ``others``. For a class the most particular key holds: its own name, then a
group that it is in, then ``others`` (unless a class is called so). What no key of ``remap`` reaches is unlabelled;
without ``remap`` ids stay.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from gain_ros.errors import ClassOutputError
from gain_ros.labels import UNLABELLED, LabelSet

OTHERS = "others"
KEEP = "none"

MinConfidence = float | Mapping[str, float]


@dataclass(frozen=True, eq=False)
class ClassOutput:
    """What the ids of masks mean, and how a network's labels become them. Make it with :func:`class_output`.

    ``labels`` are the classes of masks; an id below its length that no class has is nameless there. ``thresholds`` is
    the confidence, 0..1, that a pixel of each id has at least. ``ids`` and ``limits`` are tables over the network's
    ids, uint8 (256,): the id in masks, and the confidence in 1/255 below which a pixel is unlabelled; None where all
    is left as it is.
    """

    labels: LabelSet
    thresholds: tuple[float, ...]
    ids: np.ndarray | None = None
    limits: np.ndarray | None = None

    @property
    def as_network(self) -> bool:
        """Whether masks are the network's labels, unchanged."""
        return self.ids is None and self.limits is None

    @property
    def needs_confidence(self) -> bool:
        """Whether :meth:`apply` needs the confidence, whose computation costs more than that of the labels."""
        return self.limits is not None

    def apply(self, labels: np.ndarray, confidence: np.ndarray | None = None) -> np.ndarray:
        """Return the mask, uint8 (H, W), for a network's labels, uint8 (H, W); the same array where nothing changes.

        ``confidence`` is uint8 (H, W), the labels' probability in 1/255. Raises ValueError where it is needed and None.
        """
        mask = labels if self.ids is None else cv2.LUT(labels, self.ids)
        if self.limits is None:
            return mask
        if confidence is None:
            raise ValueError("no confidence, which a least confidence needs; segment with confidence=True")
        withheld = cv2.compare(confidence, cv2.LUT(labels, self.limits), cv2.CMP_LT)  # 255 where it is below
        return cv2.bitwise_or(mask, withheld)


def class_output(
    labels: LabelSet, remap: Mapping[str, int] | None = None, min_confidence: MinConfidence | None = None
) -> ClassOutput:
    """Return what masks of a network with these classes hold.

    ``remap`` leads from keys to ids 0..255, ``min_confidence`` is a number 0..1 for all classes or leads from keys to
    numbers (no key: 0). Raises ClassOutputError.

    >>> class_output(LabelSet("two", ("road", "sky"), ((1, 2, 3), (4, 5, 6))), {"road": 7}).apply(np.uint8([[0, 1]]))
    array([[  7, 255]], dtype=uint8)
    """
    thresholds = _thresholds(labels, min_confidence or 0.0)
    limits = _table([_limit(each) for each in thresholds], 0) if any(thresholds) else None
    if not remap:
        return ClassOutput(labels, tuple(thresholds), None, limits)
    keys = _keys("remap", labels, remap, f"an id from 0 to {UNLABELLED}", _is_id)
    ids = [UNLABELLED if key is None else remap[key] for key in keys]
    if set(ids) == {UNLABELLED}:
        raise ClassOutputError(f"remap {reprlib.repr(dict(remap))}, which leaves no class", "an id below 255 for one")
    members = {each: [place for place, own in enumerate(ids) if own == each] for each in set(ids) - {UNLABELLED}}
    lowest = tuple(
        min((thresholds[place] for place in members.get(each, ())), default=0.0) for each in range(max(members) + 1)
    )
    return ClassOutput(_merged(labels, members, remap, keys), lowest, _table(ids, UNLABELLED), limits)


def read_remap(entries: Sequence[str]) -> dict[str, int] | None:
    """Read ``["road:1", "others:0"]``, as a ROS parameter holds a remap.

    None where nothing is given; {} for ``["none"]``, which leaves ids as they are. Raises ClassOutputError.
    """
    if list(entries) == [KEEP]:
        return {}
    expected = f'"KEY:ID" with an id from 0 to {UNLABELLED}, such as "road:1", or "{KEEP}" alone'
    pairs = _pairs("remap", entries, expected)
    wrong = [f"{key}:{value}" for key, value in pairs.items() if not (value.isascii() and value.isdigit())]
    if wrong or any(int(value[:9]) > UNLABELLED for value in pairs.values()):
        raise ClassOutputError(f"remap {reprlib.repr(list(entries))}", expected)
    return {key: int(value) for key, value in pairs.items()} or None


def read_min_confidence(entries: Sequence[str]) -> MinConfidence | None:
    """Read ``["0.5"]`` or ``["road:0.6", "others:0.3"]``, as a ROS parameter holds thresholds.

    None where nothing is given. Raises ClassOutputError.
    """
    expected = '"KEY:NUMBER" with numbers from 0 to 1, such as "road:0.6", or one number for all, such as "0.5"'
    for_all = len(entries) == 1 and ":" not in entries[0] and entries[0] != ""
    pairs = {OTHERS: entries[0]} if for_all else _pairs("min_confidence", entries, expected)
    try:
        numbers = {key: float(value) for key, value in pairs.items()}
    except ValueError:
        numbers = {OTHERS: math.nan}
    if not all(map(_is_share, numbers.values())):
        raise ClassOutputError(f"min_confidence {reprlib.repr(list(entries))}", expected)
    return numbers[OTHERS] if for_all else numbers or None


def _pairs(what: str, entries: Sequence[str], expected: str) -> dict[str, str]:
    """Split entries at their last colon; empty ones count as not given."""
    parts = [entry.rpartition(":") for entry in entries if entry]
    pairs = {key.strip(): value.strip() for key, _, value in parts}
    if "" in pairs or len(pairs) < len(parts):
        raise ClassOutputError(f"{what} {reprlib.repr(list(entries))}", f"each key once, as {expected}")
    return pairs


def _thresholds(labels: LabelSet, min_confidence: MinConfidence) -> list[float]:
    """Return the threshold of each class."""
    expected = "a number from 0 to 1"
    if isinstance(min_confidence, Mapping):
        keys = _keys("min_confidence", labels, min_confidence, expected, _is_share)
        return [0.0 if key is None else float(min_confidence[key]) for key in keys]
    if not _is_share(min_confidence):
        raise ClassOutputError(f"min_confidence {reprlib.repr(min_confidence)}", f"{expected}, or one a class")
    return [float(min_confidence)] * len(labels)


def _keys(what: str, labels: LabelSet, rules: Any, expected: str, valid: Any) -> list[str | None]:
    """Return for each class the key that holds for it, None where there is none. Raises ClassOutputError."""
    if not isinstance(rules, Mapping) or not all(map(valid, rules.values())):
        raise ClassOutputError(f"{what} {reprlib.repr(rules)}", f"{expected} for each key")
    groups = {group: None for those in labels.groups for group in those}
    named = (*labels.names, *groups)
    if unknown := [key for key in rules if key not in (*named, OTHERS)]:
        raise ClassOutputError(
            f"{what} with the key {reprlib.repr(unknown[0])}", f"one of {', '.join((*named, OTHERS))}"
        )
    rest = OTHERS if OTHERS in rules and OTHERS not in named else None
    return [
        _key(what, name, those, rules) or rest for name, those in zip(labels.names, labels.groups_of_each, strict=True)
    ]


def _key(what: str, name: str, groups: tuple[str, ...], rules: Mapping[str, Any]) -> str | None:
    if name in rules:
        return name
    given = [group for group in groups if group in rules]
    if len({rules[group] for group in given}) > 1:
        raise ClassOutputError(
            f"{what} with {' and '.join(given)}, which both hold {name}", f"a line for {name} itself"
        )
    return given[0] if given else None


def _merged(
    labels: LabelSet, members: Mapping[int, list[int]], remap: Mapping[str, int], keys: list[str | None]
) -> LabelSet:
    """Return the classes of masks: named by the keys that lead to them, coloured as their first class."""
    names, colors, groups = [], [], []
    for each in range(max(members) + 1):
        places = members.get(each, [])
        used = {keys[place] for place in places}
        names.append("+".join(key for key in remap if key in used))
        colors.append(labels.colors[places[0]] if places else (0, 0, 0))
        shared = [labels.groups_of_each[place] for place in places]
        groups.append(tuple(group for group in shared[0] if all(group in those for those in shared)) if places else ())
    return LabelSet(labels.name, tuple(names), tuple(colors), tuple(groups) if any(groups) else ())


def _table(values: Sequence[int], fill: int) -> np.ndarray:
    table = np.full(256, fill, np.uint8)
    table[: len(values)] = values
    return table


def _limit(threshold: float) -> int:
    """Return the least confidence in 1/255 that is no less than ``threshold``."""
    return math.ceil(round(255 * threshold, 6))


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= UNLABELLED


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
