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

"""A Segmenter that needs no network: a pixel's class is its red value over 20, its confidence the green value."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from gain_ros.labels import CAMVID
from gain_ros.runtime.segmenter import EngineInfo, Mask


class RedSegmenter:
    model_folder = SimpleNamespace(labels=CAMVID, name="red", digest="0", path="red")
    info = EngineInfo("red", "1", "none", "cpu", "as asked")

    def __init__(self, shift: int = 0):
        self.shift = shift
        self.batches: list[int] = []

    def segment(self, frames: Sequence[np.ndarray], confidence: bool = True) -> list[Mask]:
        self.batches.append(len(frames))
        stage_ms = {"pre": 1.0, "infer": 2.0, "post": 3.0}
        return [
            Mask(
                (frame[..., 0] // 20 + self.shift).astype(np.uint8) % len(CAMVID),
                np.ascontiguousarray(frame[..., 1]) if confidence else None,
                stage_ms,
            )
            for frame in frames
        ]
