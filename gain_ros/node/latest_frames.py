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

"""Latest frame wins: one waiting place per camera, and a count of how every frame ended. Imports no ROS.

A frame that has been received ends as exactly one :class:`Outcome`. Until then it is in flight (waiting, or with the
worker), so at any moment ``received = published + superseded + stale + failed + in_flight``.
"""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gain_ros.times import NS_PER_S, to_ns

if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage, Image

# A camera whose latest frame is older sends nothing that could claim a share.
_SENDING_NS = NS_PER_S
# A quarter more than its share is let pass, so that cameras of like cost stay together in one network call.
_CHARGED = 0.8
# Of a rate that is next to nothing: beyond it waiting overflows.
_LONGEST_PERIOD_NS = 86_400 * NS_PER_S


class Outcome(enum.Enum):
    """How a received frame ended."""

    PUBLISHED = "published"
    """Its mask was published."""
    SUPERSEDED = "superseded"
    """It made way while waiting: for a later frame, or for an order to stop."""
    STALE = "stale"
    """It was older than ``max_frame_age`` when its turn came."""
    FAILED = "failed"
    """It was not an image, or the engine or the publisher failed on it."""


@dataclass(frozen=True, eq=False)
class ReceivedFrame:
    """One camera message as received; equal to itself alone.

    Attributes:
        camera: which camera, one of those :class:`LatestFrames` was made for.
        message: the message itself, not yet decoded.
        received_ns: ``time.monotonic_ns()`` at receipt.

    """

    camera: str
    message: Image | CompressedImage
    received_ns: int

    @property
    def stamp_ns(self) -> int:
        """Return the message's stamp in nanoseconds; 0 where the camera sets none."""
        return to_ns(self.message.header.stamp)


@dataclass(frozen=True)
class FrameCounts:
    """Frames of one camera, counted since configuration."""

    received: int
    published: int
    superseded: int
    stale: int
    failed: int
    over_rate: int = 0
    """Of those superseded, the ones that made way while their camera's turn by ``max_rate`` had not come."""

    @property
    def in_flight(self) -> int:
        return self.received - self.published - self.superseded - self.stale - self.failed


class LatestFrames:
    """The waiting places between the thread that receives and the one that works; safe to use from both.

    Cameras are served together: :meth:`take` hands out the latest frame of every camera that has one. One whose frames
    take longer than its share of the worker's time (an n-th of it, where n cameras send) waits until the others had
    theirs. That is the generic cell rate algorithm, with a burst of one frame. :meth:`limit_rate` bounds each camera's
    frames a second besides.

    Args:
        cameras: their names.
        on_end: called with every frame that ends and its outcome, by whichever thread ends it; it has to be quick.
        clock_ns: ``time.monotonic_ns``, or a test's.

    """

    def __init__(
        self,
        cameras: Iterable[str],
        on_end: Callable[[ReceivedFrame, Outcome], None] | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._on_end = on_end
        self._clock_ns = clock_ns
        self._condition = threading.Condition()
        self._waiting: dict[str, ReceivedFrame] = {}
        self._received = dict.fromkeys(cameras, 0)
        self._ended = {camera: dict.fromkeys(Outcome, 0) for camera in self._received}
        self._latest_ns: dict[str, int] = {}
        self._paid_until_ns = dict.fromkeys(self._received, 0)
        self._due_ns = dict.fromkeys(self._received, 0)
        self._over_rate = dict.fromkeys(self._received, 0)
        self._period_ns = 0
        self._slot_ns: dict[str, int] = {}
        self._taken_ns: int | None = None
        self._closed = False

    def put(self, frame: ReceivedFrame) -> None:
        """Let ``frame`` wait; the frame of its camera that was waiting is superseded.

        After :meth:`close` it is superseded itself.
        """
        with self._condition:
            self._received[frame.camera] += 1
            self._latest_ns[frame.camera] = frame.received_ns
            if self._closed or frame.camera in self._waiting:
                self._over_rate[frame.camera] += not self._closed and self._clock_ns() < self._slot_due_ns(frame.camera)
                self._end(frame if self._closed else self._waiting[frame.camera], Outcome.SUPERSEDED)
            if not self._closed:
                self._waiting[frame.camera] = frame
                self._condition.notify_all()

    def take(self) -> list[ReceivedFrame]:
        """Wait for frames and hand out those whose camera is due, at most one a camera; empty once closed."""
        with self._condition:
            self._taken_ns = None
            self._condition.notify_all()
            while not self._closed and (wait_s := self._until_due_s()) != 0:
                self._condition.wait(wait_s)
            now_ns = self._clock_ns()
            due = [camera for camera in self._waiting if self._due(camera) <= now_ns]
            self._taken_ns = now_ns if due else None
            for camera in due:
                # A turn that began late does not shift those that follow, unless it was late by half a period.
                self._slot_ns[camera] = max(self._slot_due_ns(camera), now_ns - self._period_ns // 2)
            return [self._waiting.pop(camera) for camera in due]

    def limit_rate(self, rate_hz: float) -> None:
        """Hand out no more than ``rate_hz`` frames a second of each camera, from now on; 0 is no limit.

        The newest frame is handed out when its camera's turn comes; those before it are superseded.
        """
        with self._condition:
            self._period_ns = round(min(NS_PER_S / rate_hz, _LONGEST_PERIOD_NS)) if rate_hz else 0
            self._condition.notify_all()

    def charge(self, camera: str, busy_ns: int) -> None:
        """Note how long the frames that were taken last kept the worker busy for the sake of one camera."""
        with self._condition:
            now_ns = self._clock_ns()
            sending = sum(now_ns - latest_ns < _SENDING_NS for latest_ns in self._latest_ns.values())
            started_ns = now_ns if self._taken_ns is None else self._taken_ns
            paid_ns = round(_CHARGED * max(1, sending) * busy_ns)
            self._paid_until_ns[camera] = max(self._paid_until_ns[camera], started_ns) + paid_ns
            self._due_ns[camera] = self._paid_until_ns[camera] - busy_ns

    def busy_s(self) -> float:
        """Return for how long the worker has been at the frames it took last; 0 while it waits for some."""
        with self._condition:
            return 0.0 if self._taken_ns is None else (self._clock_ns() - self._taken_ns) / NS_PER_S

    def settle(self, frame: ReceivedFrame, outcome: Outcome) -> None:
        """Record how a frame that was taken has ended; to be called once for each."""
        with self._condition:
            self._end(frame, outcome)

    def drop_waiting(self, cameras: Iterable[str] | None = None) -> None:
        """Give up the frames of ``cameras`` (None: of all) that wait; they are superseded."""
        with self._condition:
            for camera in tuple(self._waiting if cameras is None else cameras):
                if camera in self._waiting:
                    self._end(self._waiting.pop(camera), Outcome.SUPERSEDED)
            self._condition.notify_all()

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing waits and the worker has come back for more.

        False when that took longer than ``timeout_s``.
        """
        with self._condition:
            return self._condition.wait_for(lambda: not self._waiting and self._taken_ns is None, timeout_s)

    def close(self) -> None:
        """Drop what waits and let :meth:`take` return empty from now on."""
        with self._condition:
            self._closed = True
            self.drop_waiting()

    def counts(self, camera: str) -> FrameCounts:
        """Return the counts of one camera, all of one moment."""
        with self._condition:
            ended = {outcome.value: count for outcome, count in self._ended[camera].items()}
            return FrameCounts(received=self._received[camera], over_rate=self._over_rate[camera], **ended)

    def _until_due_s(self) -> float | None:
        """Seconds until a frame that waits is due; None where none waits."""
        due_ns = min(map(self._due, self._waiting), default=None)
        return None if due_ns is None else max(0, due_ns - self._clock_ns()) / NS_PER_S

    def _due(self, camera: str) -> int:
        """When the camera's turn comes, by its share and by the rate."""
        return max(self._due_ns[camera], self._slot_due_ns(camera))

    def _slot_due_ns(self, camera: str) -> int:
        return self._slot_ns[camera] + self._period_ns if camera in self._slot_ns else 0

    def _end(self, frame: ReceivedFrame, outcome: Outcome) -> None:
        self._ended[frame.camera][outcome] += 1
        if self._on_end is not None:
            self._on_end(frame, outcome)
