"""The demo's camera: a process that publishes a source's frames at the source's rate.

It draws or decodes ahead, waits for "go" on standard input, publishes, and tells each frame on standard output:
``{"frame": index, "stamp_ns": ...}`` and at last ``{"sent": n}``. It ends when standard input closes.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from gain_ros.node.images import fill_image
from gain_ros.replay.sources import Source, SourceFrame, open_source

_AHEAD_BYTES = 256 << 20
_MATCH_TIMEOUT_S = 20.0


class Prefetched:
    """A source's frames, prepared by a thread before they are due; at most _AHEAD_BYTES of them."""

    def __init__(self, source: Source, limit: int):
        self._frames: queue.Queue[SourceFrame | Exception | None] = queue.Queue()
        self._room = threading.Condition()
        self._held_bytes = 0
        self.prepared = threading.Event()
        threading.Thread(target=self._fill, args=(source, limit), daemon=True).start()

    def _fill(self, source: Source, limit: int) -> None:
        try:
            for index, frame in enumerate(source):
                if index == limit:
                    break
                self._put(frame)
            self._frames.put(None)
        except Exception as error:  # raised again by the reader
            self._frames.put(error)
        self.prepared.set()

    def _put(self, frame: SourceFrame) -> None:
        with self._room:
            while self._held_bytes > _AHEAD_BYTES:
                self.prepared.set()
                self._room.wait()
            self._held_bytes += frame.rgb.nbytes
        self._frames.put(frame)

    def __iter__(self) -> Iterator[SourceFrame]:
        while (item := self._frames.get()) is not None:
            if isinstance(item, Exception):
                raise item
            with self._room:
                self._held_bytes -= item.rgb.nbytes
                self._room.notify()
            yield item


def play(frames: Iterator[SourceFrame], publisher: Any, rate_hz: float, keep: Path | None) -> int:
    """Publish at the rate; returns how many. A frame that comes late is not followed by a hurry."""
    due_s, sent = time.monotonic(), 0
    for frame in frames:
        wait_s = due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        else:
            due_s -= wait_s
        due_s += 1 / rate_hz
        if keep is not None:
            np.save(keep / f"{sent:06d}.npy", frame.rgb)
        message = fill_image(Image(), frame.rgb, Header(frame_id="camera"))
        stamp_ns = time.time_ns()
        message.header.stamp = Time(sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000)
        publisher.publish(message)
        tell(frame=sent, stamp_ns=stamp_ns)
        sent += 1
    return sent


def tell(**content: Any) -> None:
    print(json.dumps(content), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--limit", type=int, required=True, help="most frames to publish")
    parser.add_argument("--keep", type=Path, help="folder for the frames of a live source: they cannot be read again")
    args = parser.parse_args()
    source = open_source(args.source)
    frames = Prefetched(source, args.limit)
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("player")
    publisher = node.create_publisher(Image, args.topic, QoSProfile(depth=10))
    if not source.live:
        frames.prepared.wait()
    tell(ready=True)
    if sys.stdin.readline().strip() != "go":
        return 0
    deadline_s = time.monotonic() + _MATCH_TIMEOUT_S
    while not publisher.get_subscription_count():
        if time.monotonic() > deadline_s:
            print(f"nobody subscribes to {args.topic}", file=sys.stderr)
            return 1
        time.sleep(0.02)
    tell(sent=play(iter(frames), publisher, source.rate_hz, args.keep))
    sys.stdin.read()  # the last frame lives in our shared memory until it is read
    rclpy.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
