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

"""Every frame of a bag through the Segmenter, as fast as it goes, scored against truth where there is some.

Reading and decoding happen in one thread, the network runs in two that take turns, so that the resizes and the score of
one batch overlap with the inference of the next; rows come out in the order of the bag. On a CPU each of the two has
the model and half of the cores to itself: a frame takes longer, but more of them get done. Nothing depends on timing:
the same bag, model, engine and batch size give the same numbers.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import numpy as np

from gain_ros.errors import SourceError
from gain_ros.evaluation.reader import Reader, ReadFrame
from gain_ros.evaluation.report.gallery import Gallery
from gain_ros.evaluation.result import BagScore, FrameRow
from gain_ros.evaluation.tally import ScoredMask, Tally, score_mask
from gain_ros.evaluation.truth import Truth, TruthOptions, open_truth
from gain_ros.labels import LabelSet
from gain_ros.runtime.engines import ENGINES, with_precisions
from gain_ros.runtime.opening import open_segmenter
from gain_ros.runtime.segmenter import Segmenter
from gain_ros.score import confusion_matrix
from gain_ros.sources.opening import open_source
from gain_ros.sources.prefetch import prefetch

_AT_ONCE = 2


@dataclass(frozen=True)
class Job:
    """What one bag needs, wherever it runs.

    ``against``: a second engine, or model, whose masks are compared. ``view``: ``fit``, ``roi`` and ``precision`` of
    open_segmenter, where they were asked for.
    """

    bag: str
    model: str
    engine: str
    truth: TruthOptions
    batch: int = 1
    against: str | None = None
    threads: int | None = None
    view: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BagOutcome:
    """One bag's result without its rows.

    ``frames`` is the number of rows. ``truth`` says how truth was found. ``against`` is int64 (C, C): rows the other's
    labels, columns the model's.
    """

    score: BagScore
    frames: int
    classes: LabelSet
    gallery: Gallery
    truth: dict[str, Any] | None
    against: np.ndarray | None


@dataclass(frozen=True)
class Models:
    """The model under test, the one it is compared with, and the first once more where two frames run at a time."""

    segmenter: Segmenter
    other: Segmenter | None
    twin: Segmenter | None = None


@contextlib.contextmanager
def open_models(job: Job) -> Iterator[Models]:
    """Open them. Raises what ``open_segmenter`` raises, and SourceError where the two have different classes."""
    cores = job.threads or len(os.sched_getaffinity(0))
    share = max(1, cores // _AT_ONCE)
    with contextlib.ExitStack() as stack:
        segmenter = stack.enter_context(open_segmenter(job.model, job.engine, threads=share, **job.view))
        other, twin = None, None
        if segmenter.info.device == "cpu" and cores > 1:
            same = job.view | {"precision": segmenter.info.precision}
            twin = stack.enter_context(open_segmenter(job.model, segmenter.info.engine, threads=share, **same))
        if job.against is not None:
            other = stack.enter_context(_open_other(job, job.against, share))
            if other.model_folder.labels.names != segmenter.model_folder.labels.names:
                raise SourceError(
                    f"{job.against!r} has classes {', '.join(other.model_folder.labels.names)}, the model "
                    f"{', '.join(segmenter.model_folder.labels.names)}; only models of the same classes can be compared"
                )
        yield Models(segmenter, other, twin)


def _open_other(job: Job, against: str, threads: int) -> Segmenter:
    """Open what is compared with: another engine in its own precision, or another model in the same engine."""
    if against not in ENGINES:
        return open_segmenter(against, job.engine, threads=threads, **job.view)
    ((_, precision),) = with_precisions([against])
    return open_segmenter(job.model, against, threads=threads, **job.view | {"precision": precision})


def evaluate_bag(
    job: Job, models: Models, write: Callable[[FrameRow], object], tick: Callable[[int, int | None], object]
) -> BagOutcome:
    """Evaluate one bag, folder, video or scene.

    Args:
        job: what to do.
        models: the job's, opened.
        write: takes each frame's row, in the order of the bag.
        tick: called after each frame with how many are done, and of how many (None: unknown).

    Raises SourceError where the bag cannot be opened. One that breaks off later gives what came before, with the error.

    """
    source = open_source(job.bag, job.truth.topic)
    if source.live:
        raise SourceError(f"{job.bag!r} is live and never shows the same frame twice; record a bag first")
    labels = models.segmenter.model_folder.labels
    against = None if models.other is None else np.zeros((len(labels),) * 2, np.int64)
    with contextlib.closing(Reader(source, open_truth(job.truth, source, labels))) as reader:
        truth, tally = reader.truth, Tally(job.bag, labels, reader.truth)
        for count, done in enumerate(_segmented(reader, models, job.batch), 1):
            write(tally.add(done.frame, "failed" if done.mask is None else "published", done.mask, done.stage_ms))
            if against is not None and done.against is not None:
                against += done.against
            tick(count, source.length)
        how = None if truth is None else truth.how
        return BagOutcome(tally.bag_score(reader), tally.frames, tally.classes, tally.gallery, how, against)


@dataclass(frozen=True)
class _Done:
    """A frame that went through the models; ``against`` counts the other's labels by the model's."""

    frame: ReadFrame
    stage_ms: dict[str, float]
    mask: ScoredMask | None = None
    against: np.ndarray | None = None


def _segmented(reader: Reader, models: Models, size: int) -> Iterator[_Done]:
    """Yield frames with their masks, in order."""
    turns = cycle((models.segmenter, models.twin or models.segmenter))

    def work(batch: list[ReadFrame], segmenter: Segmenter) -> list[_Done]:
        return _segment(batch, segmenter, models.other, reader.truth)

    pending: deque[Future[list[_Done]]] = deque()
    with ThreadPoolExecutor(_AT_ONCE, "segment") as pool, contextlib.closing(prefetch(reader)) as frames:
        for batch in _batches(frames, size):
            pending.append(pool.submit(work, batch, next(turns)))
            if len(pending) > _AT_ONCE:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()


def _batches(frames: Iterable[ReadFrame], size: int) -> Iterator[list[ReadFrame]]:
    """Yield lists with ``size`` readable frames each, and the unreadable ones between them."""
    batch: list[ReadFrame] = []
    for frame in frames:
        batch.append(frame)
        if sum(each.rgb is not None for each in batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _segment(batch: list[ReadFrame], segmenter: Segmenter, other: Segmenter | None, truth: Truth | None) -> list[_Done]:
    pictures = [frame.rgb for frame in batch if frame.rgb is not None]
    # Confidence costs several times as much as the labels: it is taken where nothing better is known.
    masks = iter(segmenter.segment(pictures, confidence=truth is None))
    others = iter(other.segment(pictures, confidence=False) if other is not None else ())
    classes = len(segmenter.model_folder.labels)
    done = []
    for frame in batch:
        if frame.rgb is None:
            done.append(_Done(frame, {"decode": frame.decode_ms}))
            continue
        mask, second = next(masks), next(others, None)
        against = None if second is None else confusion_matrix(second.labels, mask.labels, classes)
        start = time.perf_counter()
        scored = score_mask(mask.labels, frame, truth, mask.confidence)
        shared_ms = {stage: value / len(pictures) for stage, value in mask.stage_ms.items()}
        score_ms = 1e3 * (time.perf_counter() - start)
        done.append(_Done(frame, {"decode": frame.decode_ms, **shared_ms, "score": score_ms}, scored, against))
    return done
