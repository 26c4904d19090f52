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

"""What each fit gives and costs on cameras of several shapes: mIoU and milliseconds a frame, as Markdown.

    python benchmarks/fit.py --model M --camvid data/camvid480 --cityscapes data/cityscapes256 [--every 8]

Both folders are as in docs/cameras.md. A shape is the middle of each frame, of that aspect. The fits take turns on each
frame, so that their ratio holds even on a busy machine; core-ms are processor time of one thread, without confidence.
mIoU counts what a fit does not see as missed; "seen" is the share of pixels that it sees, and mIoU there.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from gain_ros.datasets.class_maps import ClassMatch, match_classes
from gain_ros.fit import FITS, place, seen_part
from gain_ros.labels import UNLABELLED
from gain_ros.pictures import read_ids, read_rgb
from gain_ros.runtime.opening import open_segmenter
from gain_ros.runtime.segmenter import Segmenter
from gain_ros.score import confusion_matrix, iou, mean_of_known, ratio

ASPECTS = {"4:3": (3, 4), "16:9": (9, 16), "2:1": (1, 2)}
Pair = tuple[np.ndarray, np.ndarray]


class Result:
    """What one fit gave on one shape of frames."""

    def __init__(self, classes: int) -> None:
        self.confusion = np.zeros((classes, classes), np.int64)
        self.missed = np.zeros(classes, np.int64)
        self.core_ms: list[float] = []
        self.network = (0, 0)

    def add(self, truth: np.ndarray, labels: np.ndarray) -> None:
        classes = len(self.missed)
        self.confusion += confusion_matrix(truth, labels, classes)
        unseen = truth[(labels == UNLABELLED) & (truth != UNLABELLED)]
        self.missed += np.bincount(unseen, minlength=classes)[:classes]

    @property
    def miou(self) -> float:
        """With what was not seen as missed."""
        hits = np.diag(self.confusion).astype(float)
        return mean_of_known(ratio(hits, self.confusion.sum(0) + self.confusion.sum(1) + self.missed - hits))

    @property
    def seen(self) -> tuple[float, float]:
        """Share of the pixels seen, and mIoU on them."""
        known = self.confusion.sum()
        return float(known / (known + self.missed.sum())), mean_of_known(iou(self.confusion))


def camvid(folder: Path, every: int) -> Iterator[Pair]:
    for file in sorted((folder / "val").iterdir())[::every]:
        yield read_rgb(file), read_ids(folder / "valannot" / f"{file.stem}.png")


def cityscapes(folder: Path, every: int) -> Iterator[Pair]:
    """Pictures and train ids that were squeezed to a square, brought back to 2:1."""
    for file in sorted((folder / "images" / "val").iterdir())[::every]:
        rgb, ids = read_rgb(file), read_ids(folder / "labels" / "val" / f"{file.stem}.png")
        size = (2 * rgb.shape[0], rgb.shape[0])
        yield cv2.resize(rgb, size), cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST)


def measure(pairs: list[Pair], segmenters: dict[str, Segmenter], match: ClassMatch) -> dict[str, Result]:
    """Send the frames through every fit, one after the other."""
    results = {fit: Result(len(match.classes)) for fit in segmenters}
    for index, (rgb, ids) in enumerate(pairs[:1] + pairs):
        truth = match.check_and_project_truth(ids)
        for fit, segmenter in segmenters.items():
            start_s = time.process_time()
            labels = segmenter.segment([rgb], confidence=False)[0].labels
            if index:  # the first is seen twice: it warms up
                results[fit].core_ms.append(1e3 * (time.process_time() - start_s))
                results[fit].add(truth, match.project(labels))
                results[fit].network = place(rgb.shape[:2], segmenter.model_folder.input_size, fit).network
    return results


def rows(name: str, pairs: list[Pair], segmenters: dict[str, Segmenter], match: ClassMatch) -> Iterator[str]:
    own = pairs[0][0].shape[:2]
    shapes = {own, *(seen_part(own, aspect, "crop").size for aspect in ASPECTS.values())}
    for size in sorted(shapes, key=lambda size: size[1] / size[0]):
        slices = seen_part(own, size, "crop").slices
        cut = [(np.ascontiguousarray(rgb[slices]), np.ascontiguousarray(ids[slices])) for rgb, ids in pairs]
        for fit, result in measure(cut, segmenters, match).items():
            share, there = result.seen
            seen = f"{100 * share:.0f} %, {100 * there:.1f}" if share < 1 else "all"
            network = f"{result.network[1]}x{result.network[0]}"
            core_ms = statistics.median(result.core_ms)
            frame = f"{cut[0][0].shape[1]}x{cut[0][0].shape[0]}"
            yield f"| {name} | {frame} | {fit} | {network} | {100 * result.miou:.1f} | {seen} | {core_ms:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="gain_nano_camvid")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--camvid", type=Path, metavar="D")
    parser.add_argument("--cityscapes", type=Path, metavar="D")
    parser.add_argument("--every", type=int, default=8, metavar="N", help="take every N-th frame of val; default 8")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    with contextlib.ExitStack() as stack:
        opened = {fit: open_segmenter(given.model, given.engine, "cpu", "fp32", 1, fit=fit) for fit in FITS}
        for segmenter in opened.values():
            stack.enter_context(segmenter)
        labels = opened["stretch"].model_folder.labels
        print("| frames | camera | fit | network | mIoU | seen, mIoU there | core-ms |\n|---|---|---|---|---|---|---|")
        for name, folder, read in (("camvid", given.camvid, camvid), ("cityscapes", given.cityscapes, cityscapes)):
            if folder is not None:
                for row in rows(name, list(read(folder, given.every)), opened, match_classes(labels, name)):
                    print(row, flush=True)


if __name__ == "__main__":
    main()
