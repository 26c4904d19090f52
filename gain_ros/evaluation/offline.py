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
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from gain_ros.errors import SourceError, TruthError
from gain_ros.evaluation import result
from gain_ros.evaluation.report.gallery import Gallery
from gain_ros.evaluation.result import BagScore, FrameRow
from gain_ros.evaluation.stability import Unlabelled
from gain_ros.evaluation.truth import SourceTruth, Truth, TruthOptions, open_truth, score
from gain_ros.labels import LabelSet
from gain_ros.runtime.engines import ENGINES
from gain_ros.runtime.opening import open_segmenter
from gain_ros.runtime.segmenter import Segmenter
from gain_ros.score import confusion_matrix, mean_iou
from gain_ros.sources.opening import open_source
from gain_ros.sources.prefetch import prefetch
from gain_ros.sources.source import BadFrame, Source

_AT_ONCE = 2


@dataclass(frozen=True)
class Job:
    """What one bag needs, wherever it runs. ``against``: a second engine, or model, whose masks are compared."""

    bag: str
    model: str
    engine: str
    truth: TruthOptions
    batch: int = 1
    against: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Outcome:
    """One bag's result without its rows; no gallery where nothing could be read.

    ``frames`` is the number of rows. ``truth`` says how truth was found. ``against`` is int64 (C, C): rows the other's
    labels, columns the model's.
    """

    score: BagScore
    frames: int = 0
    classes: LabelSet | None = None
    gallery: Gallery | None = None
    truth: dict[str, Any] | None = None
    against: np.ndarray | None = None


@dataclass(frozen=True)
class Models:
    """The model under test, the one it is compared with, and the first once more where two frames run at a time."""

    segmenter: Segmenter
    other: Segmenter | None
    twin: Segmenter | None = None


@contextlib.contextmanager
def open_models(job: Job) -> Iterator[Models]:
    """Raises what ``open_segmenter`` raises, and SourceError where the two have different classes."""
    cores = job.threads or len(os.sched_getaffinity(0))
    share = max(1, cores // _AT_ONCE)
    with contextlib.ExitStack() as stack:
        segmenter, other, twin = stack.enter_context(open_segmenter(job.model, job.engine, threads=share)), None, None
        if segmenter.info.device == "cpu" and cores > 1:
            twin = stack.enter_context(open_segmenter(job.model, segmenter.info.engine, threads=share))
        if job.against is not None:
            model, engine = (job.model, job.against) if job.against in ENGINES else (job.against, job.engine)
            other = stack.enter_context(open_segmenter(model, engine, threads=share))
            if other.model_folder.labels.names != segmenter.model_folder.labels.names:
                raise SourceError(
                    f"{job.against!r} has classes {', '.join(other.model_folder.labels.names)}, the model "
                    f"{', '.join(segmenter.model_folder.labels.names)}; only models of the same classes can be compared"
                )
        yield Models(segmenter, other, twin)


def evaluate_bag(
    job: Job, models: Models, write: Callable[[FrameRow], Any], tick: Callable[[int, int | None], Any]
) -> Outcome:
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
    with contextlib.closing(
        Reader(source, open_truth(job.truth, source, models.segmenter.model_folder.labels))
    ) as reader:
        tally = _Tally(job.bag, models, reader.truth)
        for count, done in enumerate(_segmented(reader, models, job.batch), 1):
            write(tally.row(done))
            tick(count, source.length)
        return tally.outcome(source, reader)


@dataclass(frozen=True)
class ReadFrame:
    """A frame that was read: ``error`` and no pixels where that failed; its truth, or why there is none."""

    stamp_ns: int
    decode_ms: float
    rgb: np.ndarray | None = None
    truth: np.ndarray | None = None
    truth_state: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class _Done:
    """A frame with its mask in the scored classes, and what was counted on it."""

    frame: ReadFrame
    labels: np.ndarray | None = None
    confidence: np.ndarray | None = None
    confusion: np.ndarray | None = None
    against: np.ndarray | None = None
    stage_ms: dict[str, float] | None = None
    refused: str | None = None


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

    def _truth(self, index: int, frame: Any) -> tuple[np.ndarray | None, str | None, str | None]:
        if self.truth is None:
            return None, None, None
        if isinstance(self.truth, SourceTruth):
            self.truth.offer(getattr(frame, "labels", None))
        try:
            labels = self.truth.labels_at(index, frame.stamp_ns)
        except TruthError as error:
            return None, result.REFUSED, str(error)
        return labels, result.UNMATCHED if labels is None else result.SCORED, None

    def close(self) -> None:
        if self.truth is not None:
            self.truth.close()


def _segmented(reader: Reader, models: Models, size: int) -> Iterator[_Done]:
    """Frames with their masks, in order."""

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
    """Lists with ``size`` readable frames each, and the unreadable ones between them."""
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
            done.append(_Done(frame))
            continue
        mask, second = next(masks), next(others, None)
        against = None if second is None else confusion_matrix(second.labels, mask.labels, classes)
        shared_ms = {stage: value / len(pictures) for stage, value in mask.stage_ms.items()}
        done.append(_scored(frame, mask.labels, mask.confidence, against, shared_ms, truth))
    return done


def _scored(
    frame: ReadFrame,
    labels: np.ndarray,
    confidence: np.ndarray | None,
    against: np.ndarray | None,
    stage_ms: dict[str, float],
    truth: Truth | None,
) -> _Done:
    start = time.perf_counter()
    confusion = refused = None
    if truth is not None:
        labels = truth.project(labels)
    if truth is not None and frame.truth is not None:
        try:
            confusion = score(frame.truth, labels, len(truth.classes))
        except TruthError as error:
            refused = str(error)
    stage_ms = {"decode": frame.decode_ms, **stage_ms, "score": 1e3 * (time.perf_counter() - start)}
    return _Done(frame, labels, confidence, confusion, against, stage_ms, refused)


class _Tally:
    """Adds up a bag's frames, in order."""

    def __init__(self, bag: str, models: Models, truth: Truth | None):
        labels = models.segmenter.model_folder.labels
        self._classes = labels if truth is None else truth.classes
        self._bag, self._truth = bag, truth
        self._confusion = None if truth is None else np.zeros((len(self._classes),) * 2, np.int64)
        self._against = None if models.other is None else np.zeros((len(labels),) * 2, np.int64)
        self._measures = Unlabelled(len(self._classes))
        self._frames = 0
        measure = "agreement with the frame before" if truth is None else "mIoU"
        self._gallery = Gallery(self._classes, measure=measure)

    def row(self, done: _Done) -> FrameRow:
        frame = done.frame
        self._frames += 1
        if done.labels is None:
            stage_ms = {"decode": round(frame.decode_ms, 3)}
            return FrameRow(self._bag, frame.stamp_ns, "failed", stage_ms, error=frame.error)
        measures = self._measures.add(done.labels, done.confidence)
        miou = None
        if done.confusion is not None:
            self._confusion += done.confusion
            miou = mean_iou(done.confusion)
        if done.against is not None:
            self._against += done.against
        stable = None if measures.changed is None else 1 - measures.changed
        self._gallery.add(frame.rgb, frame.truth, done.labels, stable if self._truth is None else miou, frame.stamp_ns)
        return FrameRow(
            self._bag,
            frame.stamp_ns,
            "published",
            {stage: round(value, 3) for stage, value in done.stage_ms.items()},
            truth=frame.truth_state if done.refused is None else result.REFUSED,
            miou=miou,
            changed=measures.changed,
            flicker=measures.flicker,
            low_confidence=measures.low_confidence,
            class_share=measures.class_share,
            error=done.refused or frame.error,
        )

    def outcome(self, source: Source, reader: Reader) -> Outcome:
        bag = BagScore(
            self._bag,
            getattr(source, "topic", None),
            self._confusion,
            self._measures.counts,
            self._truth.unmatched() if self._truth is not None else (),
            tuple(source.warnings),
            tuple(reader.errors),
        )
        how = self._truth.how if self._truth is not None else None
        return Outcome(bag, self._frames, self._classes, self._gallery, how, self._against)
