"""The demo's consumer: receives masks as a robot's planner would, and listens to the node's diagnostics."""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

_DEPTH = 100


@dataclass(frozen=True)
class Mask:
    """A mask as received: when, and its class ids."""

    received_ns: int
    shape: tuple[int, int]
    packed: bytes

    def labels(self) -> np.ndarray:
        """uint8 (H, W)."""
        return np.frombuffer(zlib.decompress(self.packed), np.uint8).reshape(self.shape)


class Collector(Node):
    """Keeps every mask by its stamp, packed, and the node's latest diagnostics."""

    def __init__(self, mask_topic: str, context: Context):
        super().__init__("collector", context=context)
        self.masks: dict[int, Mask] = {}
        self.diagnostics: dict[str, str] = {}
        self.diagnosed_s = 0.0
        self._topic = mask_topic
        reliable = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        self.create_subscription(Image, mask_topic, self._on_mask, reliable)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, reliable)

    @property
    def sees_node(self) -> bool:
        """The node is active and its mask topic is known here."""
        return self.diagnostics.get("state") == "active" and self.count_publishers(self._topic) > 0

    def count(self, key: str) -> int:
        """A frame count from the diagnostics."""
        return int(self.diagnostics.get(key) or 0)

    def _on_mask(self, message: Image) -> None:
        received_ns = time.time_ns()
        stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        shape = (message.height, message.width)
        self.masks[stamp_ns] = Mask(received_ns, shape, zlib.compress(message.data, 1))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "segmentation":
                self.diagnostics = {item.key: item.value for item in status.values}
                self.diagnosed_s = time.monotonic()
