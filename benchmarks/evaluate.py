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

"""What gain evaluate costs: offline throughput against the raw engine, the score of a frame, the report of a long bag.

    python benchmarks/evaluate.py [--engine onnxruntime] [--frames 60] [--rounds 5]

The bag holds a drawn street at 480x360 as JPEG, with truth. Engine, Segmenter and evaluation take turns, so that their
ratio holds even on a busy machine; core-ms are processor time, which other load hardly touches. Medians, as Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gain_ros.evaluation.offline import Job, Models, evaluate_bag, open_models
from gain_ros.evaluation.report.page import write_report
from gain_ros.evaluation.result import BagScore, Evaluation, FrameRow, write_result
from gain_ros.evaluation.truth import TruthOptions
from gain_ros.labels import CAMVID
from gain_ros.resize import resize_input
from gain_ros.runtime.engines import LogitsEngine, open_engine
from gain_ros.runtime.opening import open_segmenter
from gain_ros.score import confusion_matrix, mean_iou
from gain_ros.sources.opening import open_source
from gain_ros.sources.recording import LABEL_TOPIC, write_bag
from training.scenes import StreetScene

CLASSES = len(CAMVID)
LONG_BAG = 10_000


def nothing(*_: Any) -> None:
    pass


def make_bag(folder: Path, frames: int) -> Path:
    """Write a street as a folder of JPEG files with masks beside it, and from there a bag."""
    scene = StreetScene(6)
    for name in ("street", "streetannot"):
        (folder / name).mkdir()
    for index in range(frames):
        rgb, labels = scene.frame(index / 15)
        cv2.imwrite(str(folder / f"street/{index:04d}.jpg"), rgb[..., ::-1])
        cv2.imwrite(str(folder / f"streetannot/{index:04d}.png"), labels)
    write_bag(open_source(folder / "street"), folder / "bag", 15.0, nothing)
    return folder / "bag"


def candidates(job: Job, models: Models) -> dict[str, Callable[[], Any]]:
    """Each goes once through all frames of the bag."""
    segmenter = open_segmenter(job.model, models.segmenter.info.engine, precision=models.segmenter.info.precision)
    pictures = [frame.rgb for frame in open_source(job.bag, LABEL_TOPIC)]
    images = [np.ascontiguousarray(resize_input(rgb, segmenter.model_folder.input_size))[None] for rgb in pictures]
    engine = open_engine(segmenter.info.engine, segmenter.model_folder, precision=segmenter.info.precision)
    if not isinstance(engine, LogitsEngine):
        raise SystemExit(f"engine {engine.name} on {engine.device} gives whole masks; name one that gives logits")
    whole = [(job.truth, "evaluation, with truth"), (TruthOptions(), "evaluation, without truth")]
    calls = {
        "engine": lambda: [engine.logits(image) for image in images],
        "Segmenter": lambda: [segmenter.segment([rgb], confidence=False) for rgb in pictures],
    }
    for truth, name in whole:
        bag = job.bag if truth.topic else f"{job.bag}:/camera/image_raw/compressed"
        each = Job(bag, job.model, job.engine, truth)
        calls[name] = partial(evaluate_bag, each, models, nothing, nothing)
    return calls


def throughput(job: Job, frames: int, rounds: int) -> None:
    with open_models(job) as models:
        calls = candidates(job, models)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
        for turn in range(rounds + 1):
            for name, call in calls.items():
                start_s, cpu_s = time.perf_counter(), time.process_time()
                call()
                if turn:  # the first warms up
                    times[name].append((time.perf_counter() - start_s, time.process_time() - cpu_s))
        engine = models.segmenter.info.engine
    print(f"| {engine}, {job.model} | frames/s | of the engine | core-ms a frame |\n|---|---|---|---|")
    for name, values in times.items():
        wall_s, cpu_s = (statistics.median(column) for column in zip(*values, strict=True))
        ratio = statistics.median(a[0] / b[0] for a, b in zip(times["engine"], values, strict=True))
        print(f"| {name} | {frames / wall_s:.1f} | {ratio:.3f} | {1e3 * cpu_s / frames:.1f} |")


def score_ms(rounds: int) -> float:
    """Time scoring a street at 1080x1920 against the same street a little later; one thread."""
    scene = StreetScene(6, (1080, 1920))
    (_, truth), (_, labels) = scene.frame(1.0), scene.frame(1.1)
    cv2.setNumThreads(1)
    times = []
    for _ in range(10 * rounds):
        start_s = time.perf_counter()
        mean_iou(confusion_matrix(truth, labels, CLASSES))
        times.append(1e3 * (time.perf_counter() - start_s))
    return statistics.median(times)


def report(folder: Path) -> tuple[float, float]:
    """Seconds and megabytes of the report of a long bag."""
    rng = np.random.default_rng(0)
    share = tuple(np.full(CLASSES, 1 / CLASSES).tolist())
    stages = ("decode", "pre", "infer", "post", "score")
    rows = (
        FrameRow("bag", 66_000_000 * index, "published", dict(zip(stages, rng.uniform(1, 9, 5).tolist(), strict=True)),
                 truth="scored", miou=float(rng.uniform(0.5, 0.7)), changed=0.05, flicker=0.01, class_share=share)
        for index in range(LONG_BAG)
    )  # fmt: skip
    confusion = rng.integers(1, 1000, (CLASSES, CLASSES))
    bag = BagScore("bag", confusion=confusion)
    write_result(folder, Evaluation("offline", "model", "0", "engine", "cpu", CAMVID, (bag,)), rows)
    start_s = time.perf_counter()
    size = write_report(folder).stat().st_size
    return time.perf_counter() - start_s, size / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="gain_nano_camvid")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bag = make_bag(Path(folder), given.frames)
        truth = TruthOptions(topic=LABEL_TOPIC)
        throughput(Job(str(bag), given.model, given.engine, truth), given.frames, given.rounds)
        print(f"\nscore of a 1080x1920 frame: {score_ms(given.rounds):.2f} ms")
        seconds, megabytes = report(Path(folder))
        print(f"report of {LONG_BAG} frames: {seconds:.1f} s, {megabytes:.2f} MB")


if __name__ == "__main__":
    main()
