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

"""A Segmenter that sees part of each frame: the region of interest, or the middle that has the network's aspect."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from gain_ros.fit import WHOLE, Region, part_of, seen_part, whole
from gain_ros.frames import Frame, check_frame, size_of
from gain_ros.runtime.segmenter import EngineInfo, Mask, Segmenter


class PartSegmenter(Segmenter):
    """Gives ``inner`` the part of each frame that counts; outside it labels are 255 and confidence is 0.

    The part is ``roi`` (x, y, width, height as fractions of the frame), and of that the middle with fit "crop".
    """

    def __init__(self, inner: Segmenter, roi: tuple[float, float, float, float] = WHOLE):
        self.model_folder = inner.model_folder
        self.inner, self._roi = inner, roi

    @property
    def info(self) -> EngineInfo:  # type: ignore[override]  # it changes while TensorRT takes over
        return self.inner.info

    def segment(self, frames: Sequence[Frame], confidence: bool = True) -> list[Mask]:
        start = time.perf_counter()
        for frame in frames:
            check_frame(frame)
        sizes = [size_of(frame.shape) for frame in frames]
        model = self.model_folder
        regions = [seen_part(size, model.input_size, model.fit, self._roi) for size in sizes]
        parts = [part_of(frame, region) for frame, region in zip(frames, regions, strict=True)]
        cut_ms = 1e3 * (time.perf_counter() - start)
        masks = self.inner.segment(parts, confidence)
        placed = time.perf_counter()
        masks = [_placed(*each) for each in zip(masks, regions, sizes, strict=True)]
        placed_ms = 1e3 * (time.perf_counter() - placed)
        return [replace(mask, stage_ms=_with(mask.stage_ms, pre=cut_ms, post=placed_ms)) for mask in masks]

    def warm_up(self, batch: int) -> None:
        self.inner.warm_up(batch)

    def close(self) -> None:
        self.inner.close()


def _placed(mask: Mask, region: Region, size: tuple[int, int]) -> Mask:
    confidence = None if mask.confidence is None else whole(mask.confidence, region, size, outside=0)
    return replace(mask, labels=whole(mask.labels, region, size), confidence=confidence)


def _with(stage_ms: dict[str, float], **more_ms: float) -> dict[str, float]:
    return stage_ms | {stage: stage_ms[stage] + extra for stage, extra in more_ms.items()}
