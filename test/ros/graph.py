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

"""A tester on a ROS graph of its own: publishes frames, collects what comes back, waits without sleeping longer than
needed."""

from __future__ import annotations

import contextlib
import threading
import time
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool

from gain_ros.node.segmentation_node import SegmentationNode

# Generous: only a test that fails ever waits for it, and a loaded machine takes long to start a process.
DEADLINE_S = 60.0

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def eventually(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Wait until ``condition`` gives something true and return that; fail after the deadline."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s:g} s: {what}")
        time.sleep(0.005)
    return value


class Spinner:
    """Spins nodes in a thread until closed."""

    def __init__(self, context: Any, *nodes: Any) -> None:
        self.executor = SingleThreadedExecutor(context=context)
        for node in nodes:
            self.executor.add_node(node)
        self.thread = threading.Thread(target=self._spin, daemon=True)
        self.thread.start()

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self.executor.spin()

    def close(self) -> None:
        self.executor.shutdown()
        self.thread.join(5)


class Graph:
    """One domain with a tester node in it, and whatever nodes under test are started.

    Args:
        domain_id: the ROS domain.
    """

    def __init__(self, domain_id: int) -> None:
        self.domain_id = domain_id
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.node = rclpy.create_node("tester", context=self.context)
        self.received: dict[str, list[Any]] = {}
        self._spinner = Spinner(self.context, self.node)
        self._under_test: list[tuple[SegmentationNode, Spinner]] = []
        self._publishers: dict[str, Any] = {}
        self.listen(DiagnosticArray, "/diagnostics", RELIABLE)

    def close(self) -> None:
        for node, spinner in self._under_test:
            node.close()
            spinner.close()
            node.destroy_node()
            vars(node).clear()  # its lifecycle services would be on the graph of the next test until they are collected
        self._spinner.close()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def start(
        self, open_segmenter: Callable[..., Any], *, arguments: list[str] | None = None, **parameters: Any
    ) -> SegmentationNode:
        """Start a node under test in this process; it comes up by itself unless ``autostart=False``.

        It is always on unless ``always_on=False``, so that a test may look at its frames without subscribing.
        """
        parameters = {"always_on": True} | parameters
        node = SegmentationNode(
            open_segmenter,
            context=self.context,
            cli_args=arguments,
            parameter_overrides=[Parameter(name, value=value) for name, value in parameters.items()],
        )
        self._under_test.append((node, Spinner(self.context, node)))
        return node

    def listen(self, message_type: type, topic: str, qos: QoSProfile = RELIABLE) -> list[Any]:
        """Subscribe and collect; the list grows as messages come."""
        messages = self.received.setdefault(topic, [])
        self.node.create_subscription(message_type, topic, messages.append, qos)
        return messages

    def publisher(
        self,
        topic: str = "image",
        message_type: type = Image,
        qos: QoSProfile = RELIABLE,
        deadline_s: float = DEADLINE_S,
    ) -> Any:
        """A publisher that already has its subscriber."""
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(message_type, topic, qos)
        publisher = self._publishers[topic]
        eventually(publisher.get_subscription_count, f"a subscriber of {topic}", deadline_s)
        return publisher

    def pause(self, seconds: float) -> None:
        """Let time pass where nothing can be waited for."""
        time.sleep(seconds)

    def status(self, name: str = "segmentation") -> dict[str, str]:
        """The latest diagnostics under ``name`` as a dict, with ``level`` (int) and ``message``; empty before the
        first."""
        for array_message in reversed(self.received["/diagnostics"]):
            for status in array_message.status:
                if status.name == name:
                    level = status.level[0] if isinstance(status.level, bytes) else status.level
                    values = {value.key: value.value for value in status.values}
                    return values | {"level": level, "message": status.message, "hardware_id": status.hardware_id}
        return {}

    def _ready_client(self, service_type: type, name: str) -> Any:
        """Return a client that sees its service, else None: now and then Fast DDS leaves one blind, not the next."""
        client = self.node.create_client(service_type, name)
        try:
            return eventually(client.service_is_ready, name, deadline_s=10) and client
        except AssertionError:
            self.node.destroy_client(client)
            return None

    def call(self, service_type: type, name: str, request: Any) -> Any:
        """Call a service and give its response."""
        client = eventually(lambda: self._ready_client(service_type, name), f"service {name}")
        future = client.call_async(request)
        eventually(future.done, f"answer of {name}")
        self.node.destroy_client(client)
        return future.result()


def change_state(graph: Graph, transition_id: int) -> bool:
    """Whether the node takes the transition."""
    request = ChangeState.Request(transition=Transition(id=transition_id))
    return graph.call(ChangeState, "segmentation_node/change_state", request).success


def set_parameter(graph: Graph, name: str, value: Any) -> SetParametersResult:
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    return graph.call(SetParameters, "segmentation_node/set_parameters", request).results[0]


def enable(graph: Graph, value: bool) -> SetBool.Response:
    return graph.call(SetBool, "segmentation_node/enable", SetBool.Request(data=value))


def picture(height: int = 6, width: int = 8, seed: int = 0) -> np.ndarray:
    """uint8 H×W×3 noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def image(rgb: np.ndarray, stamp_ns: int = 1, frame_id: str = "camera") -> Image:
    """An rgb8 message."""
    message = Image(height=rgb.shape[0], width=rgb.shape[1], encoding="rgb8", step=rgb.shape[1] * 3)
    message.data = array("B", rgb.tobytes())
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    message.header.frame_id = frame_id
    return message


def pixels(message: Image) -> np.ndarray:
    """The array of a mono8 or rgb8 message."""
    channels = {"mono8": 1, "rgb8": 3}[message.encoding]
    array_ = np.asarray(message.data, np.uint8).reshape(message.height, message.width, channels)
    return array_[..., 0] if channels == 1 else array_


def stamp_ns(message: Image) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
