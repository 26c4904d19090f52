"""Receives masks as a robot's planner would, and listens to what the node says about itself."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

_DEPTH = 100


@dataclass(frozen=True)
class Mask:
    """A mask as received: the frame's stamp, when it came, and where its class ids are kept."""

    stamp_ns: int
    received_ns: int
    shape: tuple[int, int]
    file: BinaryIO
    offset: int
    runs: int

    def labels(self) -> np.ndarray:
        """uint8 (H, W)."""
        size = np.dtype(np.uint32).itemsize * self.runs
        data = os.pread(self.file.fileno(), size + self.runs, self.offset)
        starts, values = np.frombuffer(data[:size], np.uint32), np.frombuffer(data[size:], np.uint8)
        pixels = self.shape[0] * self.shape[1]
        return np.repeat(values, np.diff(starts, append=pixels)).reshape(self.shape)


class MaskFile:
    """Masks on disk as runs of equal pixels: a tenth of their size for a tenth of a millisecond each.

    Args:
        path: a file to make; it lives as long as its folder.
    """

    def __init__(self, path: Path):
        self._file = path.open("w+b", buffering=0)
        self._end = 0

    def add(self, stamp_ns: int, received_ns: int, labels: np.ndarray) -> Mask:
        """Keep the class ids, uint8 (H, W), of one mask."""
        flat = labels.reshape(-1)
        starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1)).astype(np.uint32)
        data = starts.tobytes() + flat[starts].tobytes()
        self._file.write(data)
        mask = Mask(stamp_ns, received_ns, labels.shape, self._file, self._end, len(starts))
        self._end += len(data)
        return mask


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
        self.create_subscription(Image, mask_topic, self._on_mask, reliable)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, reliable)

    @property
    def sees_node(self) -> bool:
        """The node is active and its mask topic is known here."""
        return self.diagnostics.get("state") == "active" and self.count_publishers(self.mask_topic) > 0

    def count(self, key: str) -> int:
        """A frame count from the diagnostics."""
        return int(self.diagnostics.get(key) or 0)

    def _on_mask(self, message: Image) -> None:
        received_ns = time.time_ns()
        stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        labels = np.frombuffer(message.data, np.uint8).reshape(message.height, -1)[:, : message.width]
        self.masks.append(self._file.add(stamp_ns, received_ns, labels))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "segmentation":
                self.diagnostics = {item.key: item.value for item in status.values}
                self.diagnosed_s = time.monotonic()


@contextlib.contextmanager
def spinning(make: Callable[[Context], Collector]) -> Iterator[tuple[Collector, Callable[[float], None]]]:
    """A collector on a context of its own, and a function that lets it receive for so many seconds at most."""
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
