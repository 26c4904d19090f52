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

"""Class files: what is read, what is named after what, what is refused in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from gain_ros.class_file import class_entries, is_class_list, read_class_file
from gain_ros.errors import ClassFileError

WHOLE = """
classes:
- {id: 1, name: vehicle, color: [0, 0, 142], groups: [obstacle, dynamic]}
- {id: 0, name: road, color: [128, 64, 128], groups: [traversable]}
- {id: 2, name: other}
"""


def written(tmp_path: Path, text: str, name: str = "mine.yaml") -> Path:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_classes_stand_in_the_order_of_their_ids(tmp_path: Path) -> None:
    labels = read_class_file(written(tmp_path, WHOLE))
    assert (labels.name, labels.names) == ("mine", ("road", "vehicle", "other"))
    assert labels.colors[:2] == ((128, 64, 128), (0, 0, 142))
    assert labels.groups == (("traversable",), ("obstacle", "dynamic"), ())


def test_names_alone_are_enough_and_each_gets_a_colour_of_its_own(tmp_path: Path) -> None:
    text = "classes:\n" + "".join(f"- {{name: c{i}}}\n" for i in range(24))
    labels = read_class_file(written(tmp_path, text, "classes.yaml"))
    assert labels.name == tmp_path.name
    assert (len(set(labels.colors)), labels.groups) == (24, ())


def test_what_model_yaml_holds_is_such_a_list(tmp_path: Path) -> None:
    labels = read_class_file(written(tmp_path, WHOLE))
    entries = class_entries(labels)
    assert is_class_list(entries)
    assert [entry.get("groups") for entry in entries] == [["traversable"], ["obstacle", "dynamic"], None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[", "broken YAML"),
        ("names: [road]", "no `classes:`"),
        ("classes: []", r"classes: \[\]; expected a list of 1 to 255"),
        ("classes: [road]", "entry 1 of classes is 'road'"),
        ("classes: [{name: road}, {name: ''}]", "entry 2"),
        ("classes: [{name: road, colour: [1, 2, 3]}]", "entry 1"),
        ("classes: [{name: road, color: [1, 2, 256]}]", "entry 1"),
        ("classes: [{name: road, id: first}]", "entry 1"),
        ("classes: [{name: road, groups: drivable}]", "entry 1"),
        ("classes: [{id: 1, name: a}, {id: 2, name: b}]", r"ids are \[1, 2\]; expected each of 0 to 1 once"),
        ("classes: [{name: a}, {name: a}]", "a stands there twice"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, expected: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ClassFileError, match=expected) as caught:
        read_class_file(file)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClassFileError, match=r"nowhere\.yaml.*No such file"):
        read_class_file(tmp_path / "nowhere.yaml")
