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

"""What a precision may cost, and so which engines are kept."""

from __future__ import annotations

from gain_ros.score import MAX_MIOU_LOSS, MIN_AGREEMENT

CHECK_AGREEMENT = {"fp32": MIN_AGREEMENT, "fp16": MIN_AGREEMENT, "int8": 0.9}
"""Share of the check picture's pixels on which a new engine agrees with its reference. For int8 this guards against a
broken engine alone: what it costs in accuracy takes more than one picture to say (:func:`refusal`).
"""


def refusal(precision: str, agreement: float, miou: float | None, reference_miou: float | None) -> str | None:
    """Why an engine in ``precision`` is refused that was measured on pictures, or None where it is accepted.

    ``agreement`` is the share of pixels on which it gives the reference's labels; ``miou`` and ``reference_miou`` are
    fractions, None where the pictures have no truth.
    """
    if precision != "int8":
        if agreement >= MIN_AGREEMENT:
            return None
        return f"{precision} agrees on {100 * agreement:.3f} % of the pixels, expected {100 * MIN_AGREEMENT} %"
    if miou is None or reference_miou is None:
        return "int8 is judged by mIoU, and these pictures have no truth in the model's classes"
    if reference_miou - miou <= MAX_MIOU_LOSS:
        return None
    return f"int8 loses {100 * (reference_miou - miou):.2f} mIoU, at most {100 * MAX_MIOU_LOSS:.1f} is allowed"
