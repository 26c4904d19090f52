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

"""Folders of evaluations with drawn-up numbers, for the tests of reports and comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gain_ros.evaluation.report.gallery import Gallery
from gain_ros.evaluation.result import BagScore, Evaluation, FrameRow, write_result
from gain_ros.evaluation.stability import Counts
from gain_ros.labels import CAMVID, UNLABELLED

STAGES = {"wait": 2.0, "decode": 1.0, "pre": 1.5, "infer": 14.0, "post": 3.0, "publish": 0.5}
CLASSES = len(CAMVID)


def rows(frames: int, seed: int = 0) -> list[FrameRow]:
    """Frames at 15 Hz: most published, some superseded in bursts, one failed."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.arange(1, CLASSES + 1))
    found = []
    for index in range(frames):
        stamp_ns = 1_000_000_000 + index * 66_666_667
        share = np.abs(share + rng.normal(0, 0.002, CLASSES))
        share /= share.sum()
        if index == 3:
            found.append(FrameRow("drive.mcap", stamp_ns, "failed", error="a JPEG of 3 bytes"))
        elif index % 40 in (17, 18, 19):
            found.append(FrameRow("drive.mcap", stamp_ns, "superseded", truth="scored", miou_in_use=0.5))
        else:
            stage_ms = {name: value * rng.gamma(30, 1 / 30) for name, value in STAGES.items()}
            miou = float(np.clip(rng.normal(0.65, 0.06), 0, 1))
            found.append(
                FrameRow(
                    "drive.mcap", stamp_ns, "published", stage_ms, sum(stage_ms.values()) + rng.gamma(2, 2), "scored",
                    miou, miou - 0.06, *rng.uniform(0, 0.05, 3).tolist(), tuple(share.tolist()),
                )
            )  # fmt: skip
    return found


def confusion(seed: int = 0) -> np.ndarray:
    """int64 (C, C) with a heavy diagonal."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4_000, (CLASSES, CLASSES)) // np.arange(1, CLASSES + 1)
    return counts + np.diag(rng.integers(20_000, 90_000, CLASSES))


def gallery(pictures: int = 60, height: int = 90, width: int = 120) -> Gallery:
    """Drawn frames whose masks go wrong by a growing strip."""
    kept = Gallery(CAMVID, k=6)
    rng = np.random.default_rng(0)
    for index in range(pictures):
        truth = cv2.resize(rng.integers(0, CLASSES, (4, 6), np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        rgb = np.array(CAMVID.colors, np.uint8)[truth] // 2 + rng.integers(0, 40, (height, width, 3), np.uint8)
        labels = truth.copy()
        labels[:, : index * width // (2 * pictures)] = 3
        truth[:4] = UNLABELLED
        kept.add(rgb, truth, labels, 1.0 - index / (2 * pictures), 1_000_000_000 + index * 66_666_667)
    return kept


def write_evaluation(out: Path, frames: int = 200, mode: str = "realtime", **changes: Any) -> dict[str, Any]:
    """result.json, frames.jsonl and gallery of a drawn-up evaluation in ``out``; ``changes`` are Evaluation's."""
    counted = Counts((30, 1000), (10, 1000), (50, 1000), tuple(range(1, CLASSES + 1)))
    bag = BagScore("drive.mcap", "/camera/image_raw", confusion(), counted)
    realtime = {
        "rate": 1.0,
        "miou_in_use": 0.61,
        "no_mask_yet": 1,
        "offline": {"miou": 0.75, "miou_of_published": 0.742, "identical": 180, "compared": 180},
        "node": {"cpu_cores": 0.382, "cpu_ms_a_frame": 25.5, "memory_mb": 301.5},
    }
    content = {
        "mode": mode,
        "model": "gain_nano_camvid",
        "sha256": "ab" * 32,
        "engine": "onnxruntime",
        "provider": "CPUExecutionProvider",
        "classes": CAMVID,
        "bags": (bag,),
        "truth": {"from": "topic /truth/labels", "by": "stamp", "tolerance_ms": 1.0},
        "options": {"rate": 1.0},
        "details": {"realtime": realtime} if mode == "realtime" else {},
    }
    result = write_result(out, Evaluation(**(content | changes)), rows(frames))
    gallery().write(out)
    return result
