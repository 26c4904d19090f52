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

"""The real node inside this process, with a camera and a subscriber beside it: what `gain bench` measures."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import LoggingSeverity
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from gain_ros.bench.rounds import Pace
from gain_ros.messages import fill_image
from gain_ros.node.segmentation_node import SegmentationNode

_ANSWER_S, _START_S = 10.0, 30.0
_TAKEN_S = 0.005  # a frame is at work by then, and the next one waits instead of taking its place
_SUPERSEDED_S = 0.5  # a mask that is not here by then never comes: a newer frame took the place of its own


class InProcessGraph:
    """A ROS context with one spinning thread a node, as separate processes would have."""

    def __init__(self, pace: Pace):
        self._pace = pace
        self._context = rclpy.Context()
        self._spinning: list[tuple[SingleThreadedExecutor, threading.Thread]] = []
        self._made = 0

    def __enter__(self) -> InProcessGraph:
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        return self

    def __exit__(self, *_: object) -> None:
        rclpy.try_shutdown(context=self._context)
        for executor, thread in self._spinning:
            thread.join()
            executor.shutdown()

    @contextlib.contextmanager
    def node(self, segmenter: Any, frames: Sequence[np.ndarray]) -> Iterator[NodeUnderTest]:
        """Put a node around a Segmenter that stays ours, in a namespace of its own."""
        self._made += 1
        space = f"/bench_{self._made}"
        parameters = [
            Parameter("model", value=str(segmenter.model_folder.path)),
            Parameter("engine", value=segmenter.info.engine),
        ]
        node = SegmentationNode(
            open_segmenter=lambda *_, **__: _Borrowed(segmenter),
            context=self._context, namespace=space, parameter_overrides=parameters,
        )  # fmt: skip
        node.get_logger().set_level(LoggingSeverity.ERROR)  # it would warn of no frame while others are measured
        peer = rclpy.create_node("bench", context=self._context, namespace=space)
        under_test = NodeUnderTest(node, peer, frames, self._pace)
        for each in (node, peer):
            self._spin(each)
        try:
            yield under_test
        finally:
            node.close()

    def _spin(self, node: Any) -> None:
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(node)

        def spin() -> None:
            while self._context.ok():
                with contextlib.suppress(rclpy.executors.ExternalShutdownException):
                    executor.spin_once(timeout_sec=0.2)

        thread = threading.Thread(target=spin, daemon=True)
        thread.start()
        self._spinning.append((executor, thread))


class _Borrowed:
    """A Segmenter that its borrower cannot close."""

    def __init__(self, segmenter: Any):
        self._segmenter = segmenter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._segmenter, name)

    def close(self) -> None:
        """Left to the owner."""


class NodeUnderTest:
    """Publishes frames to the node and waits for their masks."""

    def __init__(self, node: Any, peer: Any, frames: Sequence[np.ndarray], pace: Pace):
        self._node, self._peer, self._pace = node, peer, pace
        self._messages = [fill_image(Image(), frame, Header(frame_id="bench")) for frame in frames]
        self._answers = threading.Semaphore(0)
        self._diagnosed = threading.Event()
        self._values: dict[str, str] = {}
        self._sent = 0
        qos = QoSProfile(depth=10)
        self._publisher = peer.create_publisher(Image, "image", qos)
        peer.create_subscription(Image, "segmentation/mask", lambda _: self._answers.release(), qos)
        peer.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos)

    def warm_up(self) -> None:
        """Wait until node and peer know each other, then a few frames.

        Raises:
            TimeoutError: they do not meet, or no mask comes back.

        """
        deadline_s = time.monotonic() + _START_S
        while not (self._publisher.get_subscription_count() and self._peer.count_publishers("segmentation/mask")):
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"the node is not active after {_START_S:.0f} s")
            time.sleep(0.02)
        time.sleep(0.3)
        self._one_by_one(0.0)

    def measure(self) -> dict[str, float]:
        """p50_ms, p95_ms, p99_ms from a frame's arrival to its published mask, frame by frame.

        Raises:
            TimeoutError: no mask comes back.

        """
        self._one_by_one(self._pace.round_s)
        return self._ages()

    def rate_hz(self) -> float:
        """Masks a second while there is always a frame waiting at the node."""
        self._publish()
        time.sleep(_TAKEN_S)
        self._publish()
        start_s, masks, elapsed_s = time.perf_counter(), 0, 0.0
        while masks < self._pace.fewest_frames or elapsed_s < self._pace.round_s:
            if self._answers.acquire(timeout=_SUPERSEDED_S):
                masks, elapsed_s = masks + 1, time.perf_counter() - start_s
            elif time.perf_counter() - start_s > elapsed_s + _ANSWER_S:
                raise TimeoutError(f"no mask within {_ANSWER_S:.0f} s")
            self._publish()
        while self._answers.acquire(timeout=_SUPERSEDED_S):
            pass
        return masks / elapsed_s

    def _one_by_one(self, seconds: float) -> None:
        end_s, masks = time.perf_counter() + seconds, 0
        while masks < self._pace.fewest_frames or time.perf_counter() < end_s:
            self._publish()
            if not self._answers.acquire(timeout=_ANSWER_S):
                raise TimeoutError(f"no mask within {_ANSWER_S:.0f} s")
            masks += 1

    def _publish(self) -> None:
        self._publisher.publish(self._messages[self._sent % len(self._messages)])
        self._sent += 1

    def _ages(self) -> dict[str, float]:
        self._diagnosed.clear()
        self._node.publish_diagnostics()
        if not self._diagnosed.wait(_ANSWER_S):
            raise TimeoutError(f"no diagnostics within {_ANSWER_S:.0f} s")
        return {f"p{rank}_ms": float(self._values[f"mask_age_ms_p{rank}"]) for rank in (50, 95, 99)}

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        values = {item.key: item.value for item in message.status[0].values}
        if values.get("topic") == self._publisher.topic_name:
            self._values = values
            self._diagnosed.set()
