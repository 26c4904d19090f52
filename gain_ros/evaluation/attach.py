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

"""A node that runs already, in whatever graph, scored while somebody plays a bag to it (``ros2 bag play``)."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gain_ros.errors import GraphError, SourceError
from gain_ros.evaluation.live.replay import MASK_TOPIC, Sent
from gain_ros.evaluation.reader import Reader
from gain_ros.evaluation.realtime import LOST, LiveFrame, LiveTally, in_use_at
from gain_ros.evaluation.report.gallery import Gallery
from gain_ros.evaluation.result import Evaluation, FrameRow
from gain_ros.evaluation.truth import TruthOptions, open_truth
from gain_ros.files import scratch_folder
from gain_ros.sources.opening import open_source
from gain_ros.sources.source import OnProgress

if TYPE_CHECKING:
    from gain_ros.evaluation.live.collector import Mask
    from gain_ros.evaluation.live.listener import Listener

_FIRST_FRAME_TIMEOUT_S, _SILENCE_S = 60.0, 5.0
_DROPS = ("failed", "stale", "superseded")


def evaluate_attached(
    spec: str, truth: TruthOptions, report: OnProgress, mask_topic: str = MASK_TOPIC
) -> tuple[Evaluation, list[FrameRow], Gallery]:
    """Listen until no frame has come for five seconds, or Ctrl-C, and score what the node published.

    Frames are found in the bag by their stamps, so it has to be played with the stamps it has; in a loop each lap
    counts. Frames of which nothing was heard here are not the node's and left out. Of a frame without a mask the reason
    is known from the node's counts, which come once a second: where several reasons fall into one second their numbers
    are right, which frame had which is not.

    Args:
        spec: the bag that is being played.
        truth: where the truth is.
        report: called with what happens and how much of it is done.
        mask_topic: the node's.

    Raises:
        SourceError: not a bag.
        GraphError: no frame or no node was heard of.

    """
    source = open_source(spec, truth.topic)
    if source.topic is None:
        raise SourceError(f"{spec!r} is no bag; give the bag that is played to the node")
    with scratch_folder() as scratch:
        listener = _listen(source.topic, source.compressed, mask_topic, scratch / "masks", report)
        if listener.label_set is None:
            raise GraphError(f"nothing on {mask_topic.rpartition('/')[0]}/label_info_json; is the node a gain_ros one?")
        known = open_truth(truth, source, listener.label_set)
        with contextlib.closing(Reader(source, known)) as reader:
            left = _by_stamp(observed(listener.frames, listener.masks, listener.history))
            tally = LiveTally(spec, listener.label_set, known)
            for index, frame in enumerate(reader):
                for each in left.pop(frame.stamp_ns, ()):
                    tally.add_live(frame, each)
                report("scoring", index + 1, source.length)
            not_in_bag = sum(map(len, left.values()))
            return _evaluation(tally, reader, listener, not_in_bag), tally.rows, tally.gallery


def observed(
    frames: Sequence[Sent], masks: Sequence[Mask], history: Sequence[tuple[int, dict[str, str]]]
) -> list[LiveFrame]:
    """Return what became of each frame, in the order in which they came.

    A mask belongs to the last frame of its stamp that came before it. ``history`` holds the node's counts and when they
    came (``time.time_ns()``).
    """
    mask_of: dict[int, Mask] = {}
    by_stamp: dict[int, list[int]] = defaultdict(list)
    for index, frame in enumerate(frames):
        by_stamp[frame.stamp_ns].append(index)
    for mask in masks:
        before = [index for index in by_stamp[mask.stamp_ns] if frames[index].sent_ns <= mask.received_ns]
        if before:
            mask_of[before[-1]] = mask
    without = [index for index in range(len(frames)) if index not in mask_of]
    reasons = dict(zip(without, _reasons([frames[index] for index in without], history), strict=True))
    in_use = in_use_at([frame.sent_ns for frame in frames], masks)
    return [
        LiveFrame(frame, reasons.get(index, "published"), {}, mask_of.get(index), latest)
        for index, (frame, latest) in enumerate(zip(frames, in_use, strict=True))
    ]


def _reasons(frames: Sequence[Sent], history: Sequence[tuple[int, dict[str, str]]]) -> Iterator[str]:
    """Find why each frame got no mask, by how far the node's counts grew while it could have ended."""
    left: dict[str, int] = dict.fromkeys(_DROPS, 0)
    reports, before = iter(history), dict.fromkeys(_DROPS, 0)
    if history:
        before = {each: int(history[0][1].get(each) or 0) for each in _DROPS}
    counted_ns = 0
    for frame in frames:
        while counted_ns <= frame.sent_ns and (entry := next(reports, None)) is not None:
            counted_ns, now = entry[0], {each: int(entry[1].get(each) or 0) for each in _DROPS}
            for each in _DROPS:
                left[each] += now[each] - before[each]
            before = now
        reason = next((each for each in _DROPS if left[each] > 0), LOST)
        if reason != LOST:
            left[reason] -= 1
        yield reason


def _by_stamp(frames: Sequence[LiveFrame]) -> dict[int, list[LiveFrame]]:
    found: dict[int, list[LiveFrame]] = defaultdict(list)
    for frame in frames:
        found[frame.sent.stamp_ns].append(frame)
    return found


def _listen(topic: str, compressed: bool, mask_topic: str, file: Path, report: OnProgress) -> Listener:
    """Listen until after the last frame."""
    from gain_ros.evaluation.live.collector import spinning
    from gain_ros.evaluation.live.listener import Listener

    listening = spinning(lambda context: Listener(topic, compressed, mask_topic, context, file))
    with listening as (listener, spin), contextlib.suppress(KeyboardInterrupt):
        while _goes_on(listener):
            spin(0.2)
            report("listening" if listener.frames else "waiting for frames", len(listener.masks), None)
    if not listener.frames:
        raise GraphError(f"no frame on {topic}; play the bag (ros2 bag play) in this ROS domain")
    if not listener.diagnostics:
        raise GraphError("no node on /diagnostics; start the segmentation node in this ROS domain")
    return listener


def _goes_on(listener: Listener) -> bool:
    silent_s = time.monotonic() - listener.last_frame_s
    return silent_s < (_SILENCE_S if listener.frames else _FIRST_FRAME_TIMEOUT_S)


def _evaluation(tally: LiveTally, reader: Reader, listener: Listener, not_in_bag: int) -> Evaluation:
    known = listener.diagnostics
    details = {
        "heard": len(listener.frames),
        "not_in_bag": not_in_bag,
        "masks_received": len(listener.masks),
        "last_error": known.get("last_error") or None,
    }
    return tally.evaluation(
        reader,
        details,
        mode="attach",
        model=known.get("model", ""),
        sha256="",
        engine=known.get("engine", ""),
        provider=known.get("provider", ""),
        options={"mask_topic": listener.mask_topic},
    )
