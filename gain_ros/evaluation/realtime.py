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

"""A recording played at its own pace to the real node, and what a robot would have got from it.

Each label is scored twice: against the mask of its own frame, and against the latest mask that was there at the label's
time, which is what a planner would have used. Afterwards every frame goes through the same engine offline, so the
difference can be told apart: frames that were dropped, masks that differ (there should be none), and age.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from gain_ros.errors import SourceError
from gain_ros.evaluation.live.replay import Replay, Sent, Settings, run_replay
from gain_ros.evaluation.reader import Reader, ReadFrame
from gain_ros.evaluation.report.gallery import Gallery
from gain_ros.evaluation.result import Evaluation, FrameRow, model_card
from gain_ros.evaluation.tally import ScoredMask, Tally, score_mask
from gain_ros.evaluation.truth import Truth, TruthOptions, open_truth
from gain_ros.files import scratch_folder
from gain_ros.labels import LabelSet
from gain_ros.model_folder import ModelFolder, find_model, read_model_folder
from gain_ros.runtime.opening import open_segmenter
from gain_ros.runtime.segmenter import Segmenter
from gain_ros.score import iou, mean_iou
from gain_ros.sources.opening import open_source
from gain_ros.sources.source import OnProgress, Source, SourceFrame

if TYPE_CHECKING:
    from gain_ros.evaluation.live.collector import Mask

LOST = "lost"  # an outcome besides those of the node: the frame never reached it
OnMask = Callable[[np.ndarray, np.ndarray], None]


@dataclass(frozen=True)
class LiveFrame:
    """One frame as the node had it: when it was sent, how it ended, what it cost, and its mask if one arrived.

    ``in_use`` is the latest mask that had arrived when the frame was sent.
    """

    sent: Sent
    outcome: str
    stage_ms: dict[str, float]
    mask: Mask | None = None
    in_use: Mask | None = None

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
    report: OnProgress,
    use_sim_time: bool = False,
    view: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Evaluation, list[FrameRow], Gallery]:
    """Play a bag (or another recorded source) to the node, score what it published, and tell what real time costs.

    Args:
        spec: the source, as for :func:`gain_ros.sources.opening.open_source`.
        model: model folder, or name of a shipped model.
        engine: name of an engine, or auto.
        truth: where the truth is.
        rate: speed of the replay; 1 is as recorded.
        report: called with what happens, how much of it is done, and of how much.
        use_sim_time: the node runs on recorded time (/clock) and frames keep their stamps; by default a frame's stamp
            is the moment it is sent, as a camera's.
        view: ``fit``, ``roi`` and ``precision`` of the node, where they were asked for.

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
        reader = stack.enter_context(contextlib.closing(Reader(source, open_truth(truth, source, model_folder.labels))))
        # Before the node: what is wrong with the engine is said in a line, and both run the same one.
        segmenter = stack.enter_context(open_segmenter(model_folder.path, engine, **view))
        same = {**view, "precision": segmenter.info.precision}
        settings = Settings(model_folder.path, segmenter.info.engine, rate, clock=use_sim_time, parameters=same)
        return play_and_score(reader, model_folder, settings, report, segmenter)


def play_and_score(
    reader: Reader,
    model_folder: ModelFolder,
    settings: Settings,
    report: OnProgress,
    segmenter: Segmenter | None = None,
    on_mask: OnMask | None = None,
) -> tuple[Evaluation, list[FrameRow], Gallery]:
    """Play a source to the node and score what it published.

    Args:
        reader: the source and its truth; of a live source the frames that were sent are read.
        model_folder: the model of ``settings``.
        settings: how to play.
        report: called with what happens, how much of it is done, and of how much.
        segmenter: the same model and engine without a node around it, to tell what real time costs; None: do not.
        on_mask: takes each frame that got a mask, RGB uint8 (H, W, 3), with the model's labels, uint8 (H, W).

    Raises GraphError where a process of the graph did not start or ended early.

    """
    source = reader.source
    with scratch_folder() as scratch:
        replay = run_replay(source, settings, scratch, report)
        if source.live:
            reader = Reader(_KeptFrames(source, replay, scratch), None)
        frames = live_frames(replay)
        tally = LiveTally(source.name, model_folder.labels, reader.truth, segmenter, on_mask)
        end = None if settings.limit is None or len(frames) < settings.limit else max(frames) + 1
        for index, frame in enumerate(itertools.islice(reader, end)):
            tally.add_live(frame, frames.get(index))
            report("scoring", index + 1, end or source.length)
    evaluation = tally.evaluation(
        reader,
        _replay_details(replay, frames),
        mode="realtime",
        model=model_folder.name,
        sha256=model_folder.digest,
        engine=replay.diagnostics["engine"],
        provider=replay.diagnostics["provider"],
        options={"rate": settings.rate, "use_sim_time": settings.clock, **settings.parameters},
        card=model_card(model_folder),
    )
    return evaluation, tally.rows, tally.gallery


class _KeptFrames(Source):
    """The frames of a live source that the player has kept; their stamps are those of sending."""

    def __init__(self, source: Source, replay: Replay, folder: Path):
        super().__init__(source.name, len(replay.sent), source.rate_hz)
        self._sent, self._folder = replay.sent, folder

    def frames(self) -> Iterator[SourceFrame]:
        for index, sent in sorted(self._sent.items()):
            yield SourceFrame(f"{index:06d}", np.load(self._folder / f"{index:06d}.npy"), sent.stamp_ns)


def live_frames(replay: Replay) -> dict[int, LiveFrame]:
    """Find what became of each frame sent, by its number in the source; stamps tell its mask and lines of the trace."""
    masks = {mask.stamp_ns: mask for mask in replay.masks}
    ends = {line["stamp_ns"]: line["outcome"] for line in replay.trace if "outcome" in line}
    times = {line["stamp_ns"]: line["stage_ms"] for line in replay.trace if "stage_ms" in line}
    order = sorted(replay.sent, key=lambda index: replay.sent[index].sent_ns)
    in_use = in_use_at([replay.sent[index].sent_ns for index in order], replay.masks)
    found = {}
    for index, latest in zip(order, in_use, strict=True):
        sent = replay.sent[index]
        stage_ms, mask = times.get(sent.stamp_ns, {}), masks.get(sent.stamp_ns)
        found[index] = LiveFrame(sent, ends.get(sent.stamp_ns, LOST), stage_ms, mask, latest)
    return found


def in_use_at(times_ns: Sequence[int], masks: Sequence[Mask]) -> list[Mask | None]:
    """Find the latest mask that had arrived at each of these rising times, None before the first."""
    found: list[Mask | None] = []
    latest, arrivals = None, deque(sorted(masks, key=lambda mask: mask.received_ns))
    for time_ns in times_ns:
        while arrivals and arrivals[0].received_ns <= time_ns:
            latest = arrivals.popleft()
        found.append(latest)
    return found


class LiveTally(Tally):
    """A tally of frames that went through a node, with what real time costs.

    Args:
        name: the source's.
        labels: the model's classes.
        truth: the source's, None where none was asked for.
        segmenter: the same engine without a node around it, to tell what real time costs; None where it is not at hand.
        on_mask: as for :func:`play_and_score`.

    """

    def __init__(
        self,
        name: str,
        labels: LabelSet,
        truth: Truth | None,
        segmenter: Segmenter | None = None,
        on_mask: OnMask | None = None,
    ):
        super().__init__(name, labels, truth)
        self._segmenter, self._on_mask = segmenter, on_mask
        self._in_use, self._offline, self._published = (self.no_pixels() for _ in range(3))
        self._no_mask_yet = self._compared = self._identical = 0
        self.rows: list[FrameRow] = []

    def add_live(self, frame: ReadFrame, seen: LiveFrame | None) -> None:
        """Take in one frame; None: it was never sent, because it failed already when it was read."""
        if seen is None:
            self.rows.append(self.add(replace(frame, error=frame.error or "never sent"), "failed", None, {}))
            return
        labels = None if seen.mask is None else seen.mask.labels()
        mask = None if labels is None else score_mask(labels, frame, self.truth)
        if frame.rgb is not None and self._segmenter is not None:
            self._add_offline(frame, self._segmenter.segment([frame.rgb], confidence=False)[0].labels, labels)
        if frame.rgb is not None and labels is not None and self._on_mask is not None:
            self._on_mask(frame.rgb, labels)
        in_use = self._score_in_use(frame, seen)
        self.rows.append(self.add(frame, seen.outcome, mask, seen.stage_ms, seen.age_ms, in_use))

    def _add_offline(self, frame: ReadFrame, offline: np.ndarray, labels: np.ndarray | None) -> None:
        """Compare labels of the engine without a node around it with those of the node, None where there are none."""
        confusion = score_mask(offline, frame, self.truth).confusion
        if confusion is not None:
            self._offline += confusion
        if labels is None:
            return
        if confusion is not None:
            self._published += confusion
        self._compared += 1
        self._identical += np.array_equal(offline, labels)

    def _score_in_use(self, frame: ReadFrame, seen: LiveFrame) -> ScoredMask | None:
        if frame.truth is None:
            return None
        if seen.in_use is None:
            self._no_mask_yet += 1
            return None
        scored = score_mask(seen.in_use.labels(), frame, self.truth)
        if scored.confusion is not None:
            self._in_use += scored.confusion
        return scored

    def evaluation(
        self, reader: Reader, live: dict[str, Any], card: dict[str, str] | None = None, **content: Any
    ) -> Evaluation:
        """Return all of it; ``live`` goes into result.json's realtime section, ``content`` into the Evaluation."""
        return Evaluation(
            classes=self.classes,
            bags=(self.bag_score(reader),),
            truth=None if self.truth is None else self.truth.how,
            details={"realtime": {**live, **self._in_use_and_offline()}, "model_card": card},
            **content,
        )

    def _in_use_and_offline(self) -> dict[str, Any]:
        offline = {
            "miou": mean_iou(self._offline),
            "miou_of_published": mean_iou(self._published),
            "compared": self._compared,
            "identical": int(self._identical),
        }
        return {
            "no_mask_yet": self._no_mask_yet,
            "miou_in_use": mean_iou(self._in_use),
            "per_class_iou_in_use": dict(zip(self.classes.names, iou(self._in_use).tolist(), strict=True)),
            "confusion_in_use": self._in_use.tolist(),
            "offline": None if self._segmenter is None else offline,
        }


def _replay_details(replay: Replay, frames: dict[int, LiveFrame]) -> dict[str, Any]:
    node = replay.node
    return {
        "sent": len(replay.sent),
        "lost_on_the_way": sum(each.outcome == LOST for each in frames.values()),
        "masks_received": len(replay.masks),
        "sent_hz": _rate_hz([sent.sent_ns for sent in replay.sent.values()]),
        "masks_hz": _rate_hz([mask.received_ns for mask in replay.masks]),
        "last_error": replay.diagnostics.get("last_error") or None,
        "node": {
            "cpu_cores": round(node.cpu_s / node.wall_s, 3),
            "cpu_ms_a_frame": round(1e3 * node.cpu_s / max(1, len(replay.sent)), 2),
            "memory_mb": round(node.memory_mb, 1),
        },
        "collector_cpu_cores": round(replay.collector_cpu_s / node.wall_s, 4),
    }


def _rate_hz(times_ns: Sequence[int]) -> float | None:
    """Return how many came a second, None for less than two."""
    seconds = (max(times_ns) - min(times_ns)) / 1e9 if times_ns else 0.0
    return round((len(times_ns) - 1) / seconds, 2) if seconds > 0 else None
