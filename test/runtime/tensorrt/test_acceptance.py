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

"""What a precision may cost."""

from __future__ import annotations

import pytest

from gain_ros.runtime.tensorrt.acceptance import refusal


@pytest.mark.parametrize(
    ("miou", "reference_miou", "refused"), [(0.6471, 0.65, False), (0.6469, 0.65, True), (0.66, 0.65, False)]
)
def test_int8_is_judged_by_miou(miou: float, reference_miou: float, refused: bool) -> None:
    assert bool(refusal("int8", 0.98, miou, reference_miou)) == refused


def test_int8_needs_truth() -> None:
    assert "no truth" in refusal("int8", 1.0, None, None)


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_the_others_are_judged_by_agreement(precision: str) -> None:
    assert refusal(precision, 0.999, 0.5, 0.65) is None
    assert refusal(precision, 0.9989, 0.65, 0.65) == f"{precision} agrees on 99.890 % of the pixels, expected 99.9 %"
