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

"""The frames of a source, each with its truth."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gain_ros.errors import SourceError, TruthError
from gain_ros.evaluation.result import REFUSED, SCORED, UNMATCHED
from gain_ros.evaluation.truth import Truth
from gain_ros.sources.source import BadFrame, Source, SourceFrame


@dataclass(frozen=True)
class ReadFrame:
    """A frame that was read: ``error`` and no pixels where that failed; its truth, or why there is none."""

    stamp_ns: int
    decode_ms: float
    rgb: np.ndarray | None = None
    truth: np.ndarray | None = None
    truth_state: str | None = None
    error: str | None = None


class Reader:
    """The frames of a source with their truth, read by one thread. ``errors`` holds why either ended early."""

    def __init__(self, source: Source, truth: Truth | None):
        self.source, self.truth = source, truth
        self.errors = [] if truth is None else list(truth.errors)

    def __iter__(self) -> Iterator[ReadFrame]:
        start = time.perf_counter()
        try:
            for index, frame in enumerate(self.source.frames()):
                truth, state, why = self._truth(index, frame)
                decode_ms = 1e3 * (time.perf_counter() - start)
                if isinstance(frame, BadFrame):
                    yield ReadFrame(frame.stamp_ns, decode_ms, error=frame.error)
                else:
                    yield ReadFrame(frame.stamp_ns, decode_ms, frame.rgb, truth, state, why)
                start = time.perf_counter()
        except SourceError as error:
            self.errors.append(str(error))

    def _truth(self, index: int, frame: SourceFrame | BadFrame) -> tuple[np.ndarray | None, str | None, str | None]:
        if self.truth is None:
            return None, None, None
        try:
            labels = self.truth.labels_at(index, frame.stamp_ns, frame.labels)
        except TruthError as error:
            return None, REFUSED, str(error)
        return labels, UNMATCHED if labels is None else SCORED, None

    def close(self) -> None:
        if self.truth is not None:
            self.truth.close()
