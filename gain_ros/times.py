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

"""Times of a frame: stamps as one number, the stages of its way, and what many of them come to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

NS_PER_S = 1_000_000_000
NODE_STAGES = {
    "wait": "waiting for the network",
    "decode": "decoding",
    "pre": "resize to the network",
    "infer": "network",
    "post": "labels at camera size",
    "publish": "publishing",
}
"""A frame's stages in the node, in their order, each with its name for people."""
STAGES = {**NODE_STAGES, "score": "scoring"}
RANKS = (50, 95, 99)


class Stamp(Protocol):
    """``builtin_interfaces/Time``, of rclpy or of rosbags."""

    sec: int
    nanosec: int


def to_ns(stamp: Stamp) -> int:
    """Return a stamp in nanoseconds."""
    return stamp.sec * NS_PER_S + stamp.nanosec


def percentiles(values_ms: Iterable[float]) -> dict[str, float | None]:
    """Return p50, p95 and p99, rounded to microseconds; None without values."""
    values = np.asarray(values_ms, np.float64)
    if not values.size:
        return {f"p{rank}": None for rank in RANKS}
    found = np.percentile(values, RANKS)
    return {f"p{rank}": round(float(value), 3) for rank, value in zip(RANKS, found, strict=True)}
