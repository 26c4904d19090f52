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

"""The one thread that turns waiting frames into published masks.

Imports no ROS: clock, settings and outputs are handed in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gain_ros.errors import ImageError
from gain_ros.frames import Frame, size_of
from gain_ros.node.latest_frames import LatestFrames, Outcome, ReceivedFrame
from gain_ros.runtime.segmenter import Mask, Segmenter

if TYPE_CHECKING:
    from std_msgs.msg import Header

    from gain_ros.class_output import ClassOutput


@dataclass(frozen=True)
class LiveSettings:
    """What one round works with: the model that serves, and parameters that take effect with the next frame.

    Attributes:
        segmenter: what makes the masks; stays open until the worker comes back for more frames.
        max_frame_age_s: age of a frame's stamp above which it is stale; 0 is off.
        max_pixels, max_side: largest image accepted.
        overlay_alpha: weight of the colours in the overlay.
        class_output: what the ids of masks mean, and how the network's labels become them.

    """

    segmenter: Segmenter
    max_frame_age_s: float
    max_pixels: int
    max_side: int
    overlay_alpha: float
    class_output: ClassOutput


class Outputs(Protocol):
    """Where one camera's results go; see :class:`gain_ros.node.outputs.CameraOutputs`."""

    @property
    def wants_confidence(self) -> bool: ...

    def publish_mask(self, header: Header, segmentation: Mask, classes: ClassOutput) -> None: ...

    def publish_extras(
        self, header: Header, picture: Frame, segmentation: Mask, classes: ClassOutput, alpha: float
    ) -> None: ...


@dataclass(frozen=True)
class FrameTimes:
    """The times of one published mask.

    Attributes:
        end_ns: ``time.monotonic_ns()`` when the frame was done.
        mask_age_ms: from receipt of the frame to the mask's publication.
        stamp_age_ms: from the frame's stamp to the mask's publication by the node's clock; None without a stamp.
        stage_ms: wait, decode, pre, infer, post, publish.
        stamp_ns: the frame's stamp.

    """

    end_ns: int
    mask_age_ms: float
    stamp_age_ms: float | None
    stage_ms: Mapping[str, float]
    stamp_ns: int = 0


@dataclass
class _Job:
    """One frame on its way; ``stage_ms`` fills up as it goes, and ``busy_ms`` is what it has cost so far."""

    received: ReceivedFrame
    picture: Frame
    stage_ms: dict[str, float] = field(default_factory=dict)
    busy_ms: float = 0.0

    @property
    def pixels(self) -> int:
        height, width = size_of(self.picture.shape)
        return height * width


class Worker:
    """Take the latest frames, decode, segment and publish them, and settle each exactly once.

    Args:
        frames: where they come from.
        decode: message, pixel bound and bound of each side to RGB uint8 H×W×3 or a YuvFrame; raises ImageError.
        outputs: for every camera.
        settings: read once a round, after its frames were taken.
        clock_ns: the node's clock, for stamps.
        on_published: called with the camera and the times of every frame whose mask went out.
        on_error: called with the camera and the reason where a frame failed, or an output besides its mask.

    """

    def __init__(
        self,
        frames: LatestFrames,
        decode: Callable[[Any, int, int], Frame],
        outputs: Mapping[str, Outputs],
        *,
        settings: Callable[[], LiveSettings],
        clock_ns: Callable[[], int],
        on_published: Callable[[str, FrameTimes], None],
        on_error: Callable[[str, str], None],
    ) -> None:
        self._frames = frames
        self._decode = decode
        self._outputs = outputs
        self._settings = settings
        self._clock_ns = clock_ns
        self._on_published = on_published
        self._on_error = on_error
        self._unsettled: list[ReceivedFrame] = []
        # A daemon: an engine that hangs in native code must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="segmentation", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Close the frames and wait for the thread; False when it is still busy after ``timeout_s``."""
        self._frames.close()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while frames := self._frames.take():
            self._unsettled = list(frames)
            try:
                self._process(frames)
            except Exception as error:  # whatever an engine or the graph raises costs these frames, not the worker
                for frame in tuple(self._unsettled):
                    self._fail(frame, f"{type(error).__name__}: {error}")

    def _process(self, frames: list[ReceivedFrame]) -> None:
        settings = self._settings()
        jobs = [job for frame in frames if (job := self._prepare(frame, settings)) is not None]
        pairs = self._segment(jobs, settings) if jobs else []
        published = [pair for pair in pairs if self._publish_mask(*pair, settings.class_output)]
        for job, result in published:
            self._publish_extras(job, result, settings)
        for job, _ in pairs:
            self._frames.charge(job.received.camera, round(1e6 * job.busy_ms))

    def _segment(self, jobs: list[_Job], settings: LiveSettings, wasted_ms: float = 0.0) -> list[tuple[_Job, Mask]]:
        """Segment frames together; where that fails each by itself, so that only the frame to blame fails.

        That frame is charged for the ``wasted_ms`` of the failure too.
        """
        start_ns, classes = time.monotonic_ns(), settings.class_output
        try:
            wanted = any(self._outputs[job.received.camera].wants_confidence for job in jobs)
            confidence = wanted or classes.needs_confidence
            results = settings.segmenter.segment([job.picture for job in jobs], confidence=confidence)
            pairs = list(zip(jobs, _in_classes(results, classes), strict=True))
        except Exception as error:  # whatever an engine or the graph raises
            wasted_ms += _ms_since(start_ns)
            if len(jobs) > 1:
                return [pair for job in jobs for pair in self._segment([job], settings, wasted_ms)]
            self._fail(jobs[0].received, f"{type(error).__name__}: {error}")
            self._frames.charge(jobs[0].received.camera, round(1e6 * wasted_ms))
            return []
        pixels = sum(job.pixels for job in jobs)
        for job, result in pairs:
            resizes_ms = result.stage_ms["pre"] + result.stage_ms["post"]
            job.busy_ms += resizes_ms * job.pixels / pixels + result.stage_ms["infer"] / len(jobs)
        return pairs

    def _prepare(self, frame: ReceivedFrame, settings: LiveSettings) -> _Job | None:
        start_ns = time.monotonic_ns()
        stamp_age_ms = self._stamp_age_ms(frame)
        if settings.max_frame_age_s and stamp_age_ms is not None and stamp_age_ms > 1e3 * settings.max_frame_age_s:
            self._settle(frame, Outcome.STALE)
            return None
        try:
            picture = self._decode(frame.message, settings.max_pixels, settings.max_side)
        except Exception as error:  # one camera's message must not cost the others' frames
            self._fail(
                frame, str(error) if isinstance(error, ImageError) else f"image: {type(error).__name__}: {error}"
            )
            self._frames.charge(frame.camera, time.monotonic_ns() - start_ns)
            return None
        wait_ms, decode_ms = (start_ns - frame.received_ns) / 1e6, _ms_since(start_ns)
        return _Job(frame, picture, {"wait": wait_ms, "decode": decode_ms}, decode_ms)

    def _publish_mask(self, job: _Job, result: Mask, classes: ClassOutput) -> bool:
        start_ns = time.monotonic_ns()
        try:
            self._outputs[job.received.camera].publish_mask(job.received.message.header, result, classes)
        except Exception as error:
            self._fail(job.received, f"publish: {type(error).__name__}: {error}")
            return False
        end_ns = time.monotonic_ns()
        job.stage_ms.update(result.stage_ms, publish=(end_ns - start_ns) / 1e6)
        job.busy_ms += job.stage_ms["publish"]
        self._settle(job.received, Outcome.PUBLISHED)
        age_ms = (end_ns - job.received.received_ns) / 1e6
        times = FrameTimes(end_ns, age_ms, self._stamp_age_ms(job.received), job.stage_ms, job.received.stamp_ns)
        self._on_published(job.received.camera, times)
        return True

    def _publish_extras(self, job: _Job, result: Mask, settings: LiveSettings) -> None:
        start_ns, header = time.monotonic_ns(), job.received.message.header
        try:
            self._outputs[job.received.camera].publish_extras(
                header, job.picture, result, settings.class_output, settings.overlay_alpha
            )
        except Exception as error:  # the mask is out already: the frame stays published
            self._on_error(job.received.camera, f"publish: {type(error).__name__}: {error}")
        job.busy_ms += _ms_since(start_ns)

    def _fail(self, frame: ReceivedFrame, reason: str) -> None:
        self._settle(frame, Outcome.FAILED)
        self._on_error(frame.camera, reason)

    def _settle(self, frame: ReceivedFrame, outcome: Outcome) -> None:
        self._unsettled.remove(frame)
        self._frames.settle(frame, outcome)

    def _stamp_age_ms(self, frame: ReceivedFrame) -> float | None:
        return (self._clock_ns() - frame.stamp_ns) / 1e6 if frame.stamp_ns else None


def _in_classes(results: Sequence[Mask], classes: ClassOutput) -> Sequence[Mask]:
    """Return the masks of a call in the classes that are published; the time is part of its ``post``."""
    if classes.as_network:
        return results
    start_ns = time.monotonic_ns()
    labels = [classes.apply(result.labels, result.confidence) for result in results]
    took_ms = _ms_since(start_ns)
    return [
        Mask(mask, result.confidence, {**result.stage_ms, "post": result.stage_ms["post"] + took_ms})
        for mask, result in zip(labels, results, strict=True)
    ]


def _ms_since(start_ns: int) -> float:
    return (time.monotonic_ns() - start_ns) / 1e6
