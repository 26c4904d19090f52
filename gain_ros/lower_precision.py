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

"""What a model folder knows of precisions below fp32 on CPUs: ranges for int8, and what int8 and bf16 cost.

The file ``precisions.json`` holds both; :mod:`gain_ros.bench.calibration` makes it, from pictures like those that the
model was trained on, and judges on others with truth.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gain_ros.score import MAX_MIOU_LOSS, MIN_AGREEMENT_LOWER, least_agreement

_FORMAT = 1
_NOT_BROKEN, _ASKED_FOR = 0.98, 0.9


@dataclass(frozen=True)
class Cost:
    """What a precision gave on ``frames`` pictures with truth, beside fp32 in the same engine; all are fractions."""

    agreement: float
    miou: float
    fp32_miou: float
    frames: int

    def __str__(self) -> str:
        change = 100 * (self.miou - self.fp32_miou)
        return f"{100 * self.agreement:.2f} % of the pixels as in fp32, mIoU {change:+.2f}, {self.frames} frames"

    @property
    def refusal(self) -> str | None:
        """Why engine "auto" does not take this precision; None where it may."""
        if self.agreement >= MIN_AGREEMENT_LOWER and self.fp32_miou - self.miou <= MAX_MIOU_LOSS:
            return None
        return f"{self}; expected {100 * MIN_AGREEMENT_LOWER} % and at most {100 * MAX_MIOU_LOSS:.1f} mIoU lost"


@dataclass(frozen=True)
class LowerPrecision:
    """``ranges``: tensor that enters a convolution → lowest and highest value; ``costs``: precision → its cost."""

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    costs: Mapping[str, Cost] = field(default_factory=dict)

    def self_test(self, precision: str) -> float:
        """Return the share of the golden pixels that an engine has to give.

        int8 and bf16 are judged on many frames; this one picture only shows whether an engine is broken. One that costs
        too much may give less still where it is asked for.
        """
        if least_agreement(precision) != MIN_AGREEMENT_LOWER:
            return least_agreement(precision)
        cost = self.costs.get(precision)
        return _NOT_BROKEN if cost is None or cost.refusal is None else _ASKED_FOR

    def to_bytes(self) -> bytes:
        """Return the file's content, a line a tensor."""
        costs = {name: asdict(cost) for name, cost in self.costs.items()}
        ranges = ",\n  ".join(f"{json.dumps(name)}: {json.dumps(list(pair))}" for name, pair in self.ranges.items())
        return (f'{{"format": {_FORMAT},\n "costs": {json.dumps(costs)},\n "ranges": {{\n  {ranges}\n }}}}\n').encode()


def read_lower_precision(content: bytes) -> LowerPrecision:
    """Read what :meth:`LowerPrecision.to_bytes` wrote. Raises ValueError for anything else."""
    try:
        document = json.loads(content)
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']}, expected {_FORMAT}")
        ranges = {str(name): _range(*pair) for name, pair in document["ranges"].items()}
        return LowerPrecision(ranges, {str(name): _cost(**cost) for name, cost in document["costs"].items()})
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no ranges and costs ({error!r})") from error


def _range(low: Any, high: Any) -> tuple[float, float]:
    low, high = float(low), float(high)
    if not -1e30 < low <= high < 1e30:  # also NaN
        raise ValueError(f"a range from {low} to {high}")
    return low, high


def _cost(**values: Any) -> Cost:
    cost = Cost(**values)
    if not all(0 <= share <= 1 for share in (cost.agreement, cost.miou, cost.fp32_miou)):
        raise ValueError(f"{cost!r}, expected fractions")
    return cost
