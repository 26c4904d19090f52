"""A recording played at its own pace to the real node, and what a robot would have got from it.

Each label is scored twice: against the mask of its own frame, and against the newest mask that was there at the label's
time, which is what a planner would have used. Afterwards every frame goes through the same engine offline, so the
difference can be told apart: frames that were dropped, masks that differ (there should be none), and age.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from gain_ros.errors import SourceError, TruthError
from gain_ros.evaluation import result
from gain_ros.evaluation.live.session import Sent, Session, Settings, run_session
from gain_ros.evaluation.offline import Reader, ReadFrame
from gain_ros.evaluation.report.gallery import Gallery
from gain_ros.evaluation.result import BagScore, Evaluation, FrameRow, model_card
from gain_ros.evaluation.stability import Unlabelled
from gain_ros.evaluation.truth import Truth, TruthOptions, open_truth, score
from gain_ros.labels import LabelSet
from gain_ros.model_folder import find_model, read_model_folder
from gain_ros.runtime.opening import open_segmenter
from gain_ros.runtime.segmenter import Segmenter
from gain_ros.score import iou, mean_iou
from gain_ros.sources.opening import open_source
from gain_ros.sources.source import Report, Source

LOST = "lost"  # an outcome besides those of the node: the frame never reached it


@dataclass(frozen=True)
class Replayed:
    """One frame of the session: when it was sent, how it ended, what it cost, and its mask if one arrived.

    ``in_use`` is the newest mask that had arrived when the frame was sent.
    """

    sent: Sent
    outcome: str
    stage_ms: dict[str, float]
    mask: Any = None
    in_use: Any = None

    @property
    def age_ms(self) -> float | None:
        """From sending the frame to the arrival of its mask."""
        return None if self.mask is None else (self.mask.received_ns - self.sent.sent_ns) / 1e6


def evaluate_realtime(
    spec: str,
    model: str,
    engine: str,
    truth: TruthOptions,
    rate: float,
    report: Report,
    use_sim_time: bool = False,
) -> tuple[Evaluation, list[FrameRow], Gallery]:
    """Play a bag (or another recorded source) to the node and score what it published.

    Args:
        spec: the source, as for :func:`gain_ros.sources.opening.open_source`.
        model: model folder, or name of a shipped model.
        engine: name of an engine, or auto.
        truth: where the truth is.
        rate: speed of the replay; 1 is as recorded.
        report: called with what happens, how much of it is done, and of how much.
        use_sim_time: the node runs on recorded time (/clock) and frames keep their stamps; by default a frame's stamp
            is the moment it is sent, as a camera's.

    Raises:
        SourceError: the source cannot be replayed, or the rate is no speed.
        GraphError: a process of the graph did not start or ended early.
        ModelFolderError, EngineUnavailable: the model or the engine cannot be had.
    """
    if not 0.01 <= rate <= 100:
        raise SourceError(f"a rate of {rate}; expected a speed from 0.01 to 100 times the recorded one")
    model_folder = read_model_folder(find_model(model))
    source = open_source(spec, truth.topic)
    if source.live:
        raise SourceError(f"{spec!r} is live and cannot be replayed; record a bag first")
    with contextlib.ExitStack() as stack:
        known = open_truth(truth, source, model_folder.labels)
        reader = stack.enter_context(contextlib.closing(Reader(source, known)))
        scratch = stack.enter_context(TemporaryDirectory(prefix="gain_realtime_"))
        # Before the node: what is wrong with the engine is told in a line, and both run the same one.
        segmenter = stack.enter_context(open_segmenter(model_folder.path, engine))
        settings = Settings(model_folder.path, segmenter.info.engine, rate, clock=use_sim_time)
        session = run_session(source, settings, Path(scratch), report)
        frames = replayed(session)
        tally = Tally(spec, model_folder.labels, known, segmenter)
        for index, frame in enumerate(reader):
            tally.add(frame, frames.get(index))
            report("scoring", index + 1, source.length)
        evaluation = tally.evaluation(
            source,
            reader,
            _session_details(session, frames),
            mode="realtime",
            model=model_folder.name,
            sha256=model_folder.digest,
            engine=segmenter.info.engine,
            provider=session.diagnostics["provider"],
            options={"rate": rate, "use_sim_time": use_sim_time},
            card=model_card(model_folder),
        )
        return evaluation, tally.rows, tally.gallery


def replayed(session: Session) -> dict[int, Replayed]:
    """What became of each frame sent, by its number in the source; stamps tell which mask and lines of the trace."""
    masks = {mask.stamp_ns: mask for mask in session.masks}
    ends = {line["stamp_ns"]: line["outcome"] for line in session.trace if "outcome" in line}
    times = {line["stamp_ns"]: line["stage_ms"] for line in session.trace if "stage_ms" in line}
    order = sorted(session.sent, key=lambda index: session.sent[index].sent_ns)
    in_use = in_use_at([session.sent[index].sent_ns for index in order], session.masks)
    found = {}
    for index, newest in zip(order, in_use, strict=True):
        sent = session.sent[index]
        stage_ms, mask = times.get(sent.stamp_ns, {}), masks.get(sent.stamp_ns)
        found[index] = Replayed(sent, ends.get(sent.stamp_ns, LOST), stage_ms, mask, newest)
    return found


def in_use_at(times_ns: Sequence[int], masks: Sequence[Any]) -> list[Any]:
    """The newest mask that had arrived at each of these rising times, None before the first."""
    found, newest, arrivals = [], None, deque(sorted(masks, key=lambda mask: mask.received_ns))
    for time_ns in times_ns:
        while arrivals and arrivals[0].received_ns <= time_ns:
            newest = arrivals.popleft()
        found.append(newest)
    return found


class Tally:
    """Adds up frames in the order of their source.

    Args:
        spec: name of the source.
        labels: the model's classes.
        truth: the source's, None where none was asked for.
        segmenter: the same engine without a node around it, to tell what real time costs; None where it is not at hand.
    """

    def __init__(self, spec: str, labels: LabelSet, truth: Truth | None, segmenter: Segmenter | None = None):
        self._spec, self._truth, self._segmenter = spec, truth, segmenter
        self._classes = labels if truth is None else truth.classes
        self._confusion = {
            each: np.zeros((len(self._classes),) * 2, np.int64) for each in ("own", "in_use", "offline", "published")
        }
        self._measures = Unlabelled(len(self._classes))
        self._no_mask_yet = self._compared = self._identical = 0
        self.rows: list[FrameRow] = []
        self.gallery = Gallery(self._classes, measure="agreement with the frame before" if truth is None else "mIoU")

    def add(self, frame: ReadFrame, seen: Replayed | None) -> None:
        """Score one frame; None: it was never sent, because it failed already when it was read."""
        if seen is None:
            self.rows.append(FrameRow(self._spec, frame.stamp_ns, "failed", error=frame.error or "never sent"))
            return
        try:
            self.rows.append(self._row(frame, seen))
        except TruthError as error:
            self.rows.append(self._plain_row(frame, seen, truth=result.REFUSED, error=str(error)))

    def _row(self, frame: ReadFrame, seen: Replayed) -> FrameRow:
        self._offline(frame, seen)
        miou_in_use = self._score_in_use(frame, seen)
        state = None if frame.truth_state == result.SCORED else frame.truth_state
        if seen.mask is None:
            return self._plain_row(frame, seen, truth=state, miou_in_use=miou_in_use, error=frame.error)
        labels = self._project(seen.mask.labels())
        confusion = self._count("own", frame.truth, labels)
        miou = None if confusion is None else mean_iou(confusion)
        measures = self._measures.add(labels)
        if frame.rgb is not None:
            steady = None if measures.changed is None else 1 - measures.changed
            self.gallery.add(frame.rgb, frame.truth, labels, steady if self._truth is None else miou, frame.stamp_ns)
        return self._plain_row(
            frame,
            seen,
            truth=frame.truth_state,
            miou=miou,
            miou_in_use=miou_in_use,
            changed=measures.changed,
            flicker=measures.flicker,
            class_share=measures.class_share,
            error=frame.error,
        )

    def _plain_row(self, frame: ReadFrame, seen: Replayed, **content: Any) -> FrameRow:
        age_ms = None if seen.age_ms is None else round(seen.age_ms, 3)
        return FrameRow(self._spec, frame.stamp_ns, seen.outcome, seen.stage_ms, age_ms, **content)

    def _offline(self, frame: ReadFrame, seen: Replayed) -> None:
        """The same frame through the same engine, without a node around it."""
        if self._segmenter is None or frame.rgb is None:
            return
        labels = self._segmenter.segment([frame.rgb], confidence=False)[0].labels
        confusion = self._count("offline", frame.truth, self._project(labels))
        if seen.mask is None:
            return
        if confusion is not None:
            self._confusion["published"] += confusion
        self._compared += 1
        self._identical += np.array_equal(labels, seen.mask.labels())

    def _score_in_use(self, frame: ReadFrame, seen: Replayed) -> float | None:
        if frame.truth is None:
            return None
        if seen.in_use is None:
            self._no_mask_yet += 1
            return None
        return mean_iou(self._count("in_use", frame.truth, self._project(seen.in_use.labels())))

    def _count(self, name: str, truth: np.ndarray | None, labels: np.ndarray) -> np.ndarray | None:
        if truth is None:
            return None
        confusion = score(truth, labels, len(self._classes))
        self._confusion[name] += confusion
        return confusion

    def _project(self, labels: np.ndarray) -> np.ndarray:
        return labels if self._truth is None else self._truth.project(labels)

    def evaluation(
        self, source: Source, reader: Reader, live: dict[str, Any], card: dict[str, str] | None = None, **content: Any
    ) -> Evaluation:
        """All of it; ``live`` goes into result.json's realtime section, ``content`` into the Evaluation itself."""
        bag = BagScore(
            self._spec,
            getattr(source, "topic", None),
            None if self._truth is None else self._confusion["own"],
            self._measures.counts,
            () if self._truth is None else self._truth.unmatched(),
            tuple(source.warnings),
            tuple(reader.errors),
        )
        return Evaluation(
            classes=self._classes,
            bags=(bag,),
            truth=None if self._truth is None else self._truth.how,
            details={"realtime": {**live, **self._in_use_and_offline()}, "model_card": card},
            **content,
        )

    def _in_use_and_offline(self) -> dict[str, Any]:
        in_use = self._confusion["in_use"]
        offline = {
            "miou": mean_iou(self._confusion["offline"]),
            "miou_of_published": mean_iou(self._confusion["published"]),
            "compared": self._compared,
            "identical": int(self._identical),
        }
        return {
            "no_mask_yet": self._no_mask_yet,
            "miou_in_use": mean_iou(in_use),
            "per_class_iou_in_use": dict(zip(self._classes.names, iou(in_use).tolist(), strict=True)),
            "confusion_in_use": in_use.tolist(),
            "offline": None if self._segmenter is None else offline,
        }


def _session_details(session: Session, frames: dict[int, Replayed]) -> dict[str, Any]:
    node = session.node
    return {
        "sent": len(session.sent),
        "lost_on_the_way": sum(each.outcome == LOST for each in frames.values()),
        "masks_received": len(session.masks),
        "last_error": session.diagnostics.get("last_error") or None,
        "node": {
            "cpu_cores": round(node.cpu_s / node.wall_s, 3),
            "cpu_ms_a_frame": round(1e3 * node.cpu_s / max(1, len(session.sent)), 2),
            "memory_mb": round(node.memory_mb, 1),
        },
        "collector_cpu_cores": round(session.collector_cpu_s / node.wall_s, 4),
    }
