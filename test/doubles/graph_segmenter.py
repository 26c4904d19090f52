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

"""A Segmenter that runs the tiny model folder's graph: right labels, and it says that it gave them by confidence 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tiny_model_folder import run_graph

from gain_ros.frames import Frame, as_rgb
from gain_ros.runtime.segmenter import EngineInfo, Mask, Segmenter


class GraphSegmenter(Segmenter):
    """``wrong_rows`` at the top of each mask get another label."""

    def __init__(self, engine: str = "other", wrong_rows: int = 0) -> None:
        self.info = EngineInfo(engine, "1", "CPU", "cpu", "the only one")
        self.wrong_rows, self.warm, self.closed = wrong_rows, 0, False

    def segment(self, frames: Sequence[Frame], confidence: bool = True) -> list[Mask]:
        return [self._mask(as_rgb(frame)) for frame in frames]

    def warm_up(self, batch: int) -> None:
        self.warm = batch

    def close(self) -> None:
        self.closed = True

    def _mask(self, rgb: np.ndarray) -> Mask:
        labels = run_graph(rgb[None])[0][0].copy()
        labels[: self.wrong_rows] += 1
        return Mask(labels, np.ones_like(labels), dict.fromkeys(("pre", "infer", "post"), 0.1))
