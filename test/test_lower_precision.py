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

import pytest

from gain_ros.lower_precision import Cost, LowerPrecision, read_lower_precision

GOOD = Cost(0.9975, 0.487, 0.489, 50)


def test_what_is_written_is_read() -> None:
    known = LowerPrecision({"a": (-1.5, 2.0), "b": (0.0, 3.25)}, {"int8": GOOD})
    assert read_lower_precision(known.to_bytes()) == known


@pytest.mark.parametrize(
    ("cost", "accepted"),
    [(GOOD, True), (Cost(0.9949, 0.489, 0.489, 50), False), (Cost(0.9975, 0.4859, 0.489, 50), False)],
)
def test_auto_takes_what_agrees_and_loses_little(cost: Cost, accepted: bool) -> None:
    assert (cost.refusal is None) == accepted


def test_the_self_test_is_stricter_in_fp32_and_fp16() -> None:
    assert [LowerPrecision().self_test(name) for name in ("fp32", "fp16", "bf16", "int8")] == [
        *(0.999, 0.999), *(0.98, 0.98),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"ranges": {"a": [2, 1]}}, {"ranges": {"a": ["x", 1]}}, {"ranges": [1]}, {"costs": {"int8": {}}},
     {"costs": {"int8": {"agreement": 2, "miou": 0.5, "fp32_miou": 0.5, "frames": 3}}}, {"ranges": {"a": [0, 1e400]}}],
)  # fmt: skip
def test_other_content_is_refused(change: dict) -> None:
    document = json.loads(LowerPrecision({"a": (0.0, 1.0)}, {"int8": GOOD}).to_bytes())
    with pytest.raises(ValueError, match=r"expected|range|ranges|convert"):
        read_lower_precision(json.dumps(document | change).encode())


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        read_lower_precision(b"no")
