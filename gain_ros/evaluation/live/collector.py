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

"""Receives masks as a robot's planner would, and listens to what the node says about itself."""

from __future__ import annotations

import contextlib
import os
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from gain_ros.errors import GraphError
from gain_ros.times import NS_PER_S

_DEPTH = 100
_STAMP = struct.Struct("<iI")  # behind the encapsulation of CDR, little-endian on every machine ROS 2 runs on
_ENCAPSULATION_BYTES = 4


@dataclass(frozen=True)
class Mask:
    """A mask as received: the frame's stamp, when it came (``time.time_ns()``), and where its message is kept."""

    stamp_ns: int
    received_ns: int
    file: BinaryIO
    offset: int
    runs: int

    def labels(self) -> np.ndarray:
        """Read the mask, uint8 (H, W)."""
        size = np.dtype(np.uint32).itemsize * self.runs
        data = os.pread(self.file.fileno(), size + self.runs, self.offset)
        ends, values = np.frombuffer(data[:size], np.uint32), np.frombuffer(data[size:], np.uint8)
        serialized = np.repeat(values, np.diff(ends, prepend=np.uint32(0)))
        message = deserialize_message(serialized.tobytes(), Image)
        return np.frombuffer(message.data, np.uint8).reshape(message.height, -1)[:, : message.width]


class MaskFile:
    """Serialized masks on disk as runs of equal bytes: a tenth of their size for a tenth of a millisecond each.

    Args:
        path: a file to make; it lives as long as its folder.

    """

    def __init__(self, path: Path):
        self._file = path.open("w+b", buffering=0)
        self._end = 0

    def add(self, serialized: bytes, received_ns: int) -> Mask:
        """Keep one message of type Image as it came. Raises GraphError where the disk refuses it."""
        flat = np.frombuffer(serialized, np.uint8)
        ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
        data = ends.astype(np.uint32).tobytes() + flat[ends - 1].tobytes()
        try:
            self._file.write(data)
        except OSError as error:
            raise GraphError(
                f"{self._file.name} cannot hold the masks: {error.strerror}; free space or set TMPDIR"
            ) from error
        mask = Mask(stamp_of(serialized), received_ns, self._file, self._end, len(ends))
        self._end += len(data)
        return mask


def stamp_of(serialized: bytes) -> int:
    """Return the stamp, in nanoseconds, of a serialized message that begins with a header."""
    sec, nanosec = _STAMP.unpack_from(serialized, _ENCAPSULATION_BYTES)
    return sec * NS_PER_S + nanosec


class Collector(Node):
    """Keeps every mask in order of arrival, and the node's latest diagnostics.

    Args:
        mask_topic: where masks come.
        context: rclpy's.
        file: a file to make for the masks.

    """

    def __init__(self, mask_topic: str, context: Context, file: Path):
        # Whatever else a node offers costs the executor time at every message.
        super().__init__("collector", context=context, start_parameter_services=False, enable_rosout=False)
        self.masks: list[Mask] = []
        self.diagnostics: dict[str, str] = {}
        self.diagnosed_s = 0.0
        self.mask_topic, self._file = mask_topic, MaskFile(file)
        reliable = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        self.create_subscription(Image, mask_topic, self._on_mask, reliable, raw=True)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, reliable)

    @property
    def sees_node(self) -> bool:
        """Tell whether the node is active and its mask topic is known here."""
        return self.diagnostics.get("state") == "active" and self.count_publishers(self.mask_topic) > 0

    def count(self, key: str) -> int:
        """Return a frame count from the diagnostics."""
        return int(self.diagnostics.get(key) or 0)

    def _on_mask(self, serialized: bytes) -> None:
        received_ns = time.time_ns()
        self.masks.append(self._file.add(serialized, received_ns))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "segmentation":
                self.diagnostics = {item.key: item.value for item in status.values}
                self.diagnosed_s = time.monotonic()


SomeCollector = TypeVar("SomeCollector", bound=Collector)


@contextlib.contextmanager
def spinning(make: Callable[[Context], SomeCollector]) -> Iterator[tuple[SomeCollector, Callable[[float], None]]]:
    """Make a collector on a context of its own, and a function that lets it receive for so many seconds at most."""
    try:  # wakes at events, for two thirds of what the other takes to look at each entity
        from rclpy.experimental import EventsExecutor as Executor
    except ImportError:  # Humble
        from rclpy.executors import SingleThreadedExecutor as Executor

    context = Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    collector = make(context)
    executor = Executor(context=context)
    executor.add_node(collector)
    try:
        yield collector, lambda timeout_s: executor.spin_once(timeout_sec=timeout_s)
    finally:
        executor.shutdown()
        collector.destroy_node()
        rclpy.try_shutdown(context=context)
