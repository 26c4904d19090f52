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

from __future__ import annotations

import json

import evaluations
import pytest

from gain_ros.errors import ResultError
from gain_ros.evaluation.compare import compare


@pytest.fixture
def pair(tmp_path):
    """Writes two results: the second with changes by key, dots lead inside."""

    def write(mode: str = "offline", **changes):
        for name in ("a", "b"):
            evaluations.write_evaluation(tmp_path / name, frames=50, mode=mode)
        file = tmp_path / "b" / "result.json"
        result = json.loads(file.read_text())
        for path, value in changes.items():
            *inside, last = path.split("__")
            place = result
            for key in inside:
                place = place[key]
            place[last] = place[last] * value if isinstance(value, float) else value
        file.write_text(json.dumps(result))
        return tmp_path / "a", file

    return write


def test_equal_results_pass_without_any_room(pair):
    compared = compare(*pair(), max_drop=0.0, max_slowdown=0.0)
    assert not compared.failed
    assert compared.text.endswith("passed")
    assert compared.notes == ()


@pytest.mark.parametrize(("max_drop", "failed"), [(0.05, True), (0.1, False)])
def test_a_fall_of_miou_fails_beyond_its_limit(pair, max_drop, failed):
    compared = compare(*pair(miou=0.9), max_drop=max_drop, max_slowdown=0.0)
    assert compared.failed is failed
    assert ("FAILED" in compared.text) is failed


@pytest.mark.parametrize(("max_slowdown", "failed"), [(0.1, True), (0.3, False)])
@pytest.mark.parametrize(("mode", "key"), [("offline", "latency_ms__total__p99"), ("realtime", "mask_age_ms__p99")])
def test_a_growth_of_p99_fails_beyond_its_limit(pair, mode, key, max_slowdown, failed):
    compared = compare(*pair(mode, **{key: 1.2}), max_drop=0.0, max_slowdown=max_slowdown)
    assert compared.failed is failed
    assert [row.failed for row in compared.rows[:2]] == [False, failed]


def test_a_fall_of_the_masks_in_use_fails_in_real_time(pair):
    compared = compare(*pair("realtime", realtime__miou_in_use=0.9), max_drop=0.05, max_slowdown=0.0)
    assert [row.name for row in compared.rows if row.failed] == ["mIoU in use"]


def test_what_is_better_never_fails(pair):
    assert not compare(*pair(miou=1.1, latency_ms__total__p99=0.5), max_drop=0.0, max_slowdown=0.0).failed


def test_what_makes_them_less_comparable_is_told(pair):
    compared = compare(*pair(partial=True, errors=["cut off"]), max_drop=0.0, max_slowdown=0.0)
    assert compared.notes == ("note: the second result is partial: cut off",)
    assert compared.as_dict()["notes"] == list(compared.notes)
    other = {"truth__from": "folder labels", "options": {"rate": 0.2}}
    compared = compare(*pair(**other), max_drop=0.0, max_slowdown=0.0)
    assert compared.notes == (
        "note: not the same truth: topic /truth/labels, stamp and folder labels, stamp",
        "note: not the same options: rate 1.0 and rate 0.2",
    )


def test_a_lost_score_is_wrong_use_not_a_pass(pair):
    before, after = pair(miou=None)
    with pytest.raises(ResultError, match="has no mIoU"):
        compare(before, after, max_drop=0.0, max_slowdown=0.0)


def test_two_modes_cannot_be_compared(pair, tmp_path):
    before, _ = pair()
    evaluations.write_evaluation(tmp_path / "live", frames=5)
    with pytest.raises(ResultError, match=r"mode offline.*mode realtime"):
        compare(before, tmp_path / "live", max_drop=0.0, max_slowdown=0.0)
