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

"""Remap, groups and least confidence: what masks hold, by table."""

import numpy as np
import pytest

from gain_ros.class_output import class_output, read_min_confidence, read_remap
from gain_ros.errors import ClassOutputError
from gain_ros.labels import CAMVID, CITYSCAPES, LabelSet

COLORS = tuple((place, place, place) for place in range(5))
FIVE = LabelSet(
    "five", ("road", "walk", "car", "man", "sky"), COLORS, (("go",), ("go",), ("move", "hard"), ("move",), ())
)
EACH = np.uint8([[0, 1, 2, 3, 4, 255]])


def ids(remap, labels=FIVE):
    return class_output(labels, remap).apply(EACH)[0].tolist()


def test_without_rules_masks_are_the_labels_themselves():
    plain = class_output(FIVE, {}, 0.0)
    assert plain.as_network
    assert not plain.needs_confidence
    assert plain.labels is FIVE
    assert plain.apply(EACH) is EACH


@pytest.mark.parametrize(
    ("remap", "expected"),
    [
        ({"road": 1, "walk": 1}, [1, 1, 255, 255, 255, 255]),
        ({"road": 1, "walk": 1, "others": 0}, [1, 1, 0, 0, 0, 255]),
        ({"go": 1, "move": 7}, [1, 1, 7, 7, 255, 255]),
        ({"go": 1, "walk": 255, "others": 3}, [1, 255, 3, 3, 3, 255]),
        ({"others": 0, "move": 2, "car": 5}, [0, 0, 5, 2, 0, 255]),
        ({"move": 2, "hard": 2}, [255, 255, 2, 2, 255, 255]),
    ],
    ids=["subset", "others", "groups", "a class before its group", "groups before others", "two groups, one id"],
)
def test_the_most_particular_key_holds_and_what_none_reaches_is_unlabelled(remap, expected):
    assert ids(remap) == expected


def test_ids_are_named_by_their_keys_and_drawn_as_their_first_class():
    out = class_output(FIVE, {"walk": 3, "road": 3, "move": 1, "car": 0, "sky": 255}).labels
    assert out.names == ("car", "move", "", "walk+road")
    assert out.colors == (COLORS[2], COLORS[3], (0, 0, 0), COLORS[0])
    assert out.groups == (("move", "hard"), ("move",), (), ("go",))


def test_a_key_that_others_leave_nothing_for_names_nothing():
    assert class_output(FIVE, {"car": 1, "man": 2, "move": 2, "others": 2}).labels.names == ("", "car", "man+others")


def test_a_class_called_others_is_that_class():
    labels = LabelSet("two", ("road", "others"), COLORS[:2])
    assert ids({"others": 4}, labels)[:2] == [255, 4]


@pytest.mark.parametrize(
    ("threshold", "limit"), [(0.5, 128), (0.2, 51), (1.0, 255), (0.1, 26), (1, 255), (1 / 255, 1), (100 / 255, 100)]
)
def test_below_the_threshold_is_unlabelled_and_at_it_is_not(threshold, limit):
    out = class_output(FIVE, None, threshold)
    assert out.needs_confidence
    assert not out.as_network
    mask = out.apply(np.uint8([[2, 2, 2]]), np.uint8([[limit - 1, limit, 255]]))
    assert mask.tolist() == [[255, 2, 2]]


def test_each_class_has_the_threshold_of_its_key_before_ids_are_remapped():
    out = class_output(FIVE, {"go": 1, "others": 0}, {"walk": 0.8, "move": 0.4})
    confidence = np.full((1, 6), 150, np.uint8)
    assert out.apply(EACH, confidence).tolist() == [[1, 255, 0, 0, 0, 255]]
    assert out.apply(EACH, confidence // 2).tolist() == [[1, 255, 255, 255, 0, 255]]
    assert out.thresholds == (0.0, 0.0)
    assert class_output(FIVE, {"move": 0}, {"car": 0.5, "others": 0.25}).thresholds == (0.25,)


def test_a_threshold_without_confidence_is_an_error():
    with pytest.raises(ValueError, match="confidence=True"):
        class_output(FIVE, None, 0.5).apply(EACH)


@pytest.mark.parametrize(
    ("remap", "min_confidence", "said"),
    [
        (
            {"raod": 1},
            None,
            r"remap with the key 'raod'; expected one of road, walk, car, man, sky, go, move, hard, others",
        ),
        ({"road": 256}, None, "expected an id from 0 to 255 for each key"),
        ({"road": -1}, None, "from 0 to 255"),
        ({"road": True}, None, "from 0 to 255"),
        ({"road": 1.0}, None, "from 0 to 255"),
        (["road"], None, "from 0 to 255"),
        ({3: 1}, None, "remap with the key 3"),
        ({"move": 1, "hard": 2}, None, "move and hard, which both hold car; expected a line for car itself"),
        ({"sky": 255}, None, "leaves no class"),
        (None, 1.5, "min_confidence 1.5; expected a number from 0 to 1"),
        (None, float("nan"), "from 0 to 1"),
        (None, "much", "from 0 to 1"),
        (None, {"raod": 0.5}, "min_confidence with the key 'raod'"),
        (None, {"road": 50}, "expected a number from 0 to 1 for each key"),
    ],
)
def test_what_does_not_fit_the_classes_is_refused(remap, min_confidence, said):
    with pytest.raises(ClassOutputError, match=said):
        class_output(FIVE, remap, min_confidence)


def test_two_groups_that_differ_are_settled_by_a_line_for_the_class():
    assert ids({"move": 1, "hard": 2, "car": 2}) == [255, 255, 2, 1, 255, 255]


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([""], None),
        ([], None),
        (["none"], {}),
        (["road:1", "traffic light: 2", "a:b:3"], {"road": 1, "traffic light": 2, "a:b": 3}),
    ],
)
def test_a_remap_as_a_parameter(entries, found):
    assert read_remap(entries) == found


@pytest.mark.parametrize(
    "entries", [["road"], ["road:"], [":1"], ["road:x"], ["road:-1"], ["road:256"], ["road:1", "road:2"], ["road:²"],
                ["none", "road:1"], ["road:" + "9" * 5000]]
)  # fmt: skip
def test_a_parameter_that_is_no_remap(entries):
    with pytest.raises(ClassOutputError, match='such as "road:1"') as caught:
        read_remap(entries)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("entries", "found"),
    [([""], None), ([], None), (["0.5"], 0.5), (["0"], 0.0), (["road:0.6", "others:.3"], {"road": 0.6, "others": 0.3})],
)
def test_thresholds_as_a_parameter(entries, found):
    assert read_min_confidence(entries) == found


@pytest.mark.parametrize(
    "entries", [["half"], ["1.5"], ["nan"], ["road:half"], ["road:2"], ["0.5", "road:0.6"], ["road:0.1", "road:0.2"]]
)
def test_a_parameter_that_holds_no_thresholds(entries):
    with pytest.raises(ClassOutputError, match="from 0 to 1"):
        read_min_confidence(entries)


@pytest.mark.parametrize("labels", [CAMVID, CITYSCAPES], ids=lambda labels: labels.name)
def test_the_built_in_groups_have_no_class_in_common(labels):
    members = {
        group: [name for name, those in zip(labels.names, labels.groups, strict=True) if group in those]
        for group in ("traversable", "obstacle", "dynamic")
    }
    assert "road" in members["traversable"]
    assert "car" in members["dynamic"]
    assert "fence" in members["obstacle"]
    left = set(labels.names) - {name for names in members.values() for name in names}
    assert left == {"sky", "terrain"} & set(labels.names)
    assert sum(map(len, members.values())) + len(left) == len(labels)
