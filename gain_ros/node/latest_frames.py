# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Latest frame wins: one waiting place per camera, and a count of how every frame ended. Imports no ROS.

A frame that has been received ends as exactly one :class:`Outcome`. Until then it is in flight (waiting, or with the
worker), so at any moment ``received = published + superseded + stale + failed + in_flight``.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gain_ros.times import to_ns

if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage, Image


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

    @property
    def in_flight(self) -> int:
        return self.received - self.published - self.superseded - self.stale - self.failed


class LatestFrames:
    """The waiting places between the thread that receives and the one that works; safe to use from both.

    Cameras are served together: :meth:`take` hands out the latest frame of every camera that has one, so none can
    starve another.

    Args:
        cameras: their names.
        on_end: called with every frame that ends and its outcome, by whichever thread ends it; it has to be quick.

    """

    def __init__(self, cameras: Iterable[str], on_end: Callable[[ReceivedFrame, Outcome], None] | None = None) -> None:
        self._on_end = on_end
        self._condition = threading.Condition()
        self._waiting: dict[str, ReceivedFrame] = {}
        self._received = dict.fromkeys(cameras, 0)
        self._ended = {camera: dict.fromkeys(Outcome, 0) for camera in self._received}
        self._working = False
        self._closed = False

    def put(self, frame: ReceivedFrame) -> None:
        """Let ``frame`` wait; the frame of its camera that was waiting is superseded.

        After :meth:`close` it is superseded itself.
        """
        with self._condition:
            self._received[frame.camera] += 1
            if self._closed or frame.camera in self._waiting:
                self._end(frame if self._closed else self._waiting[frame.camera], Outcome.SUPERSEDED)
            if not self._closed:
                self._waiting[frame.camera] = frame
                self._condition.notify_all()

    def take(self) -> list[ReceivedFrame]:
        """Wait for frames and hand out every one that waits, at most one a camera; empty once closed."""
        with self._condition:
            self._working = False
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._waiting or self._closed)
            frames = list(self._waiting.values())
            self._waiting.clear()
            self._working = bool(frames)
            return frames

    def settle(self, frame: ReceivedFrame, outcome: Outcome) -> None:
        """Record how a frame that was taken has ended; to be called once for each."""
        with self._condition:
            self._end(frame, outcome)

    def drop_waiting(self) -> None:
        """Give up the frames that wait; they are superseded."""
        with self._condition:
            for frame in self._waiting.values():
                self._end(frame, Outcome.SUPERSEDED)
            self._waiting.clear()
            self._condition.notify_all()

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing waits and the worker has come back for more.

        False when that took longer than ``timeout_s``.
        """
        with self._condition:
            return self._condition.wait_for(lambda: not self._waiting and not self._working, timeout_s)

    def close(self) -> None:
        """Drop what waits and let :meth:`take` return empty from now on."""
        with self._condition:
            self._closed = True
            self.drop_waiting()

    def counts(self, camera: str) -> FrameCounts:
        """Return the counts of one camera, all of one moment."""
        with self._condition:
            ended = {outcome.value: count for outcome, count in self._ended[camera].items()}
            return FrameCounts(received=self._received[camera], **ended)

    def _end(self, frame: ReceivedFrame, outcome: Outcome) -> None:
        self._ended[frame.camera][outcome] += 1
        if self._on_end is not None:
            self._on_end(frame, outcome)
