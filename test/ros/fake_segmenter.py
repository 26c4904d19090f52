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

"""A segmenter without a network, and a node process around it (``python fake_segmenter.py --ros-args ...``)."""

from __future__ import annotations

import sys
import threading
import time
from functools import partial
from types import SimpleNamespace

import numpy as np

from gain_ros.class_output import class_output
from gain_ros.labels import CAMVID
from gain_ros.runtime.segmenter import EngineInfo

POISON = (13, 13, 13)
"""A frame whose first pixel has this colour makes the engine fail."""


class FakeSegmenter:
    """Labels each pixel by its red value, so that a test can tell what the mask of its frame must be.

    Args:
        model: ``fake``, or ``fake:delay_ms=50`` (how long one call takes), ``fake:open_s=30`` (how long opening takes),
            ``fake:broken=1`` (opening fails).
    """

    info = EngineInfo("fake", "1", "none", "cpu", "it is the only one")

    def __init__(self, model: str, **options: object) -> None:
        self.options = options
        manners = dict(each.split("=") for each in model.partition(":")[2].split(",") if each)
        self.delay_s = float(manners.get("delay_ms", 0)) / 1000
        self.calls: list[tuple[int, bool]] = []
        self.closed = False
        self.model_folder = SimpleNamespace(
            name=model,
            labels=CAMVID,
            class_output=partial(class_output, CAMVID),
            golden=lambda: (np.zeros((4, 4, 3), np.uint8), None),
        )
        time.sleep(float(manners.get("open_s", 0)))
        if "broken" in manners:
            raise ValueError("model.yaml: found nothing; expected a model folder; give the name of a shipped model")

    def segment(self, frames: list[np.ndarray], confidence: bool = True) -> list[SimpleNamespace]:
        time.sleep(self.delay_s)
        self.calls.append((len(frames), confidence))
        if any(tuple(rgb[0, 0].tolist()) == POISON for rgb in frames):
            raise RuntimeError("the engine does not like this frame")
        stage_ms = {"pre": 0.1, "infer": 1e3 * self.delay_s, "post": 0.1}
        return [
            SimpleNamespace(
                labels=expected_mask(rgb), confidence=rgb[..., 1].copy() if confidence else None, stage_ms=stage_ms
            )
            for rgb in frames
        ]

    def warm_up(self, batch: int) -> None:
        for frames in range(2, batch + 1):
            self.segment([self.model_folder.golden()[0]] * frames)

    def close(self) -> None:
        self.closed = True


class HeldSegmenter(FakeSegmenter):
    """Keeps its first frames (the warm-up aside) at work until released."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self.entered, self.released = threading.Event(), threading.Event()

    def segment(self, frames: list[np.ndarray], confidence: bool = True) -> list[SimpleNamespace]:
        if not confidence:
            self.entered.set()
            self.released.wait()
        return super().segment(frames, confidence)


def expected_mask(rgb: np.ndarray) -> np.ndarray:
    """The mask of a frame: uint8 H×W."""
    return rgb[..., 0] % len(CAMVID)


if __name__ == "__main__":
    from gain_ros.node.process import run_node
    from gain_ros.node.segmentation_node import SegmentationNode

    sys.exit(run_node(lambda: SegmentationNode(FakeSegmenter, find_model=str)))
