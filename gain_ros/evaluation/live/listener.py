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

"""Listens in on a graph that runs already: frames and masks as they come, the node's counts, and what its ids mean."""

from __future__ import annotations

import json
import time
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from gain_ros.errors import GraphError, quoted
from gain_ros.evaluation.live.collector import Collector, stamp_of
from gain_ros.evaluation.live.replay import Sent
from gain_ros.labels import LabelSet

_DEPTH = 100


class Listener(Collector):
    """A collector that also notes each frame's stamp and when it came.

    Args:
        topic: the camera's, as the node subscribes to it.
        compressed: whether it carries CompressedImage.
        mask_topic: the node's.
        context: rclpy's.
        file: a file to make for the masks.

    """

    def __init__(self, topic: str, compressed: bool, mask_topic: str, context: Context, file: Path):
        super().__init__(mask_topic, context, file)
        self.frames: list[Sent] = []
        self.label_set: LabelSet | None = None
        self.history: list[tuple[int, dict[str, str]]] = []
        self.last_frame_s = time.monotonic()
        kind = CompressedImage if compressed else Image
        best_effort = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(kind, topic, self._on_frame, best_effort, raw=True)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        info_topic = f"{mask_topic.rpartition('/')[0]}/label_info_json"
        self.create_subscription(String, info_topic, self._on_label_info, latched)

    def _on_frame(self, serialized: bytes) -> None:
        self.frames.append(Sent(stamp_of(serialized), time.time_ns()))
        self.last_frame_s = time.monotonic()

    def _on_label_info(self, message: String) -> None:
        """Raise GraphError where somebody else publishes on the topic."""
        try:
            info = json.loads(message.data)
            names = tuple(str(each["name"]) for each in info["classes"])
            colors = tuple((int(r), int(g), int(b)) for r, g, b in (each["color"] for each in info["classes"]))
            groups = tuple(tuple(map(str, each.get("groups", ()))) for each in info["classes"])
            self.label_set = LabelSet(str(info["label_set"]), names, colors, groups if any(groups) else ())
            as_network = info.get("as_network", True)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise GraphError(
                f"label_info_json is {quoted(message.data)}; expected what segmentation_node publishes: "
                "is another node's topic remapped to it?"
            ) from error
        if not as_network:
            raise GraphError(
                "the node's masks are not in its model's classes, which are scored; set its parameters remap to "
                "['none'] and min_confidence to ['0'] while it is evaluated"
            )

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        before = self.diagnosed_s
        super()._on_diagnostics(message)
        if self.diagnosed_s != before:
            self.history.append((time.time_ns(), self.diagnostics))
