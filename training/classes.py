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

"""Class sets as the plain values that a checkpoint holds: it must load without running code."""

from __future__ import annotations

from typing import Any

from gain_ros.class_file import class_entries, label_set
from gain_ros.labels import LabelSet


def plain_classes(labels: LabelSet) -> dict[str, Any]:
    """Return the name and the classes, of which :func:`classes_of` makes the same set again."""
    return {"name": labels.name, "classes": class_entries(labels)}


def classes_of(plain: dict[str, Any]) -> LabelSet:
    return label_set(plain["name"], plain["classes"])
