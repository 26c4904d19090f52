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

"""A camera made of a recording: a process that publishes a source's frames at the pace they were recorded.

It prepares frames before they are due, waits for "go" on standard input, publishes, and writes each frame on standard
output: ``{"frame": index, "stamp_ns": ..., "sent_ns": ...}`` and at last ``{"sent": n}``. A signal ends it.

Images of a bag go out as they were recorded, compressed ones too, so what the node cannot decode fails there. Frames of
anything else go out as rgb8. The stamp is the moment of sending, as a camera's; with --clock it is the recorded one,
and /clock runs along with it. No two frames have one stamp: a recorded one that was there before (in a loop, from a
camera that repeats itself) moves on by nanoseconds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from gain_ros.errors import ImageError, SourceError
from gain_ros.messages import fill_image
from gain_ros.signals import Stopped, ignore_signals, raise_on_signals
from gain_ros.sources.opening import open_source
from gain_ros.sources.source import Source, SourceFrame
from gain_ros.times import NS_PER_S

_PREPARED_BYTES = 256 << 20
_MATCH_TIMEOUT_S = 20.0
_LONGEST_WAIT_S = 2.0  # a pause in the recording is shortened to this
_CLOCK_PERIOD_S = 0.01


@dataclass(frozen=True)
class Outgoing:
    """A message about to be sent: its number in the source, its recorded stamp, and its size."""

    index: int
    stamp_ns: int
    message: Image | CompressedImage
    nbytes: int
    rgb: np.ndarray | None = None


def outgoing(source: Source) -> Iterator[Outgoing]:
    """Yield the source's frames as messages, a bag's own where it is one. What is no message at all is left out.

    A source that breaks off ends here; whoever scores it reads it again and says so.
    """
    with contextlib.suppress(SourceError):
        yield from _messages(source)


def _messages(source: Source) -> Iterator[Outgoing]:
    if source.topic is None:
        for index, frame in enumerate(source.frames()):
            if isinstance(frame, SourceFrame):
                message = fill_image(Image(), frame.rgb, Header(frame_id="camera"))
                yield Outgoing(index, frame.stamp_ns, message, frame.rgb.nbytes, frame.rgb)
        return
    for index, recorded in enumerate(source.messages()):
        try:
            message = _as_recorded(recorded.content())
        except ImageError:
            continue
        yield Outgoing(index, recorded.stamp_ns, message, len(message.data))


def _as_recorded(recorded: Any) -> Image | CompressedImage:
    """Make a message of rclpy from one of rosbags."""
    header = Header(frame_id=recorded.header.frame_id)
    data = array("B")  # the only type whose elements the setter does not look at one by one
    data.frombytes(np.ascontiguousarray(recorded.data, np.uint8).data)
    if hasattr(recorded, "format"):
        return CompressedImage(header=header, format=recorded.format, data=data)
    shape = {name: int(getattr(recorded, name)) for name in ("height", "width", "is_bigendian", "step")}
    return Image(header=header, encoding=recorded.encoding, data=data, **shape)


class Prefetched:
    """Messages prepared by a thread before they are due; at most _PREPARED_BYTES of them."""

    def __init__(self, frames: Iterator[Outgoing], limit: int | None):
        self._frames: queue.Queue[Outgoing | Exception | None] = queue.Queue()
        self._room = threading.Condition()
        self._held_bytes = 0
        self.prepared = threading.Event()
        threading.Thread(target=self._fill, args=(frames, limit), daemon=True).start()

    def _fill(self, frames: Iterator[Outgoing], limit: int | None) -> None:
        try:
            for count, frame in enumerate(frames):
                if count == limit:
                    break
                self._put(frame)
            self._frames.put(None)
        except Exception as error:  # raised again by the reader
            self._frames.put(error)
        self.prepared.set()

    def _put(self, frame: Outgoing) -> None:
        with self._room:
            while self._held_bytes > _PREPARED_BYTES:
                self.prepared.set()
                self._room.wait()
            self._held_bytes += frame.nbytes
        self._frames.put(frame)

    def __iter__(self) -> Iterator[Outgoing]:
        while (item := self._frames.get()) is not None:
            if isinstance(item, Exception):
                raise item
            with self._room:
                self._held_bytes -= item.nbytes
                self._room.notify()
            yield item


class RecordedClock:
    """/clock: the recorded time, running on between the frames at the replay's rate, never back but for a new lap."""

    def __init__(self, publish: Callable[[int], None], rate: float):
        self._publish, self._rate = publish, rate
        self._lock = threading.Lock()
        self._stamp_ns = self._shown_ns = 0
        self._since_s = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def reach(self, stamp_ns: int) -> None:
        """Note that a frame with this stamp is due now."""
        with self._lock:
            if stamp_ns < self._stamp_ns:
                self._shown_ns = 0
            self._stamp_ns, self._since_s = stamp_ns, time.monotonic()
            self._show(stamp_ns)
        if not self._thread.is_alive():
            self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_CLOCK_PERIOD_S):
            with self._lock:
                self._show(self._stamp_ns + round(1e9 * self._rate * (time.monotonic() - self._since_s)))

    def _show(self, time_ns: int) -> None:
        self._shown_ns = max(self._shown_ns, time_ns)
        self._publish(self._shown_ns)


def waits_s(rate: float, usual_s: float) -> Callable[[int], float]:
    """Make the wait before a frame from its recorded stamp: the recorded interval at the replay's rate.

    A stamp that does not move on (a loop, no stamp at all) takes the ``usual_s`` interval, and a pause is shortened.
    """
    last_ns: int | None = None

    def wait(stamp_ns: int) -> float:
        nonlocal last_ns
        first, interval_s = last_ns is None, (stamp_ns - (last_ns or 0)) / 1e9
        last_ns = stamp_ns
        if first:
            return 0.0
        return min(interval_s if interval_s > 0 else usual_s, _LONGEST_WAIT_S) / rate

    return wait


def play(
    frames: Iterator[Outgoing],
    publisher: Publisher,
    wait_s: Callable[[int], float],
    keep: Path | None = None,
    clock: RecordedClock | None = None,
) -> int:
    """Publish at the recorded pace; returns how many. A frame that comes late is not followed by a hurry."""
    due_s = time.monotonic()
    stamps_ns: set[int] = set()
    for frame in frames:
        due_s += wait_s(frame.stamp_ns)
        early_s = due_s - time.monotonic()
        if early_s > 0:
            time.sleep(early_s)
        else:
            due_s -= early_s
        if keep is not None and frame.rgb is not None:
            np.save(keep / f"{frame.index:06d}.npy", frame.rgb)
        if clock is not None:
            clock.reach(frame.stamp_ns)
        sent_ns = time.time_ns()
        stamp_ns = sent_ns if clock is None else frame.stamp_ns
        while stamp_ns in stamps_ns:
            stamp_ns += 1
        stamps_ns.add(stamp_ns)
        frame.message.header.stamp = _time(stamp_ns)
        publisher.publish(frame.message)
        write_line(frame=frame.index, stamp_ns=stamp_ns, sent_ns=sent_ns)
    return len(stamps_ns)


def _time(stamp_ns: int) -> Time:
    sec, nanosec = divmod(stamp_ns, NS_PER_S)
    return Time(sec=sec, nanosec=nanosec)


def write_line(**content: object) -> None:
    print(json.dumps(content), flush=True)


def _await_subscriber(publisher: Publisher, topic: str) -> bool:
    deadline_s = time.monotonic() + _MATCH_TIMEOUT_S
    while not publisher.get_subscription_count():
        if time.monotonic() > deadline_s:
            print(f"nobody subscribes to {topic}", file=sys.stderr)
            return False
        time.sleep(0.02)
    return True


def _make_clock(node: Node, rate: float) -> RecordedClock:
    from rosgraph_msgs.msg import Clock

    publisher = node.create_publisher(Clock, "/clock", QoSProfile(depth=1))
    return RecordedClock(lambda stamp_ns: publisher.publish(Clock(clock=_time(stamp_ns))), rate)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--limit", type=int, help="most frames to publish")
    parser.add_argument("--keep", type=Path, help="folder for the frames of a live source: they cannot be read again")
    parser.add_argument("--clock", action="store_true", help="recorded stamps, and /clock")
    args = parser.parse_args()
    raise_on_signals()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        return _run(args)
    except Stopped:
        return 0
    finally:  # a process that just ends leaves its shared memory behind
        ignore_signals()
        rclpy.shutdown()


def _run(args: argparse.Namespace) -> int:
    source = open_source(args.source)
    frames = Prefetched(outgoing(source), args.limit)
    node = rclpy.create_node("player")
    topic, kind = (f"{args.topic}/compressed", CompressedImage) if source.compressed else (args.topic, Image)
    publisher = node.create_publisher(kind, topic, QoSProfile(depth=10))
    clock = _make_clock(node, args.rate) if args.clock else None
    if not source.live:
        frames.prepared.wait()
    write_line(ready=True)
    if sys.stdin.readline().strip() != "go":
        return 0
    if not _await_subscriber(publisher, topic):
        return 1
    wait_s = (lambda _: 0.0) if source.live else waits_s(args.rate, 1 / source.rate_hz)
    try:
        write_line(sent=play(iter(frames), publisher, wait_s, args.keep, clock))
        sys.stdin.read()  # the last frame lives in our shared memory until it is read
    finally:
        if clock is not None:
            clock.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
