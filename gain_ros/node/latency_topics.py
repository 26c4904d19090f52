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

"""What each mask has cost, as topics that Autoware's tools plot: names and types are those of its DebugPublisher."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rclpy.qos import QoSProfile
from std_msgs.msg import Float64

from gain_ros.node.qos import OVERRIDABLE
from gain_ros.times import NODE_STAGES

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode, LifecyclePublisher

    from gain_ros.node.worker import FrameTimes

_TOPICS = ("pipeline_latency", "cyclic_time", "processing_time", *(f"processing_time/{stage}" for stage in NODE_STAGES))


class LatencyTopics:
    """Publish times of one camera's masks below ``~/debug``, in milliseconds, each while someone subscribes.

    ``pipeline_latency_ms`` is from the frame's stamp to the mask's publication by the node's clock, and left out for
    frames without a stamp; ``cyclic_time_ms`` from one mask to the next; ``processing_time_ms`` the sum of all stages
    but waiting; ``processing_time/<stage>_ms`` one of them. The type is Float64Stamped of
    ``autoware_internal_debug_msgs``, stamped with the time of publication, where that is installed, else
    ``std_msgs/Float64``.

    Args:
        node: the lifecycle node they belong to; they publish only while it is active.
        camera: its name, part of the topics; may be empty.

    """

    def __init__(self, node: LifecycleNode, camera: str) -> None:
        self._node = node
        self._type = _message_type()
        self._before_ns: int | None = None
        self._publishers: dict[str, LifecyclePublisher[Any]] = {}
        try:
            for topic in _TOPICS:
                self._publishers[topic] = self._publisher(f"~/debug/{camera}/{topic}_ms".replace("//", "/"))
        except Exception:  # a QoS override that is wrong, say: leave nothing half made behind
            self.destroy()
            raise

    def _publisher(self, topic: str) -> LifecyclePublisher[Any]:
        return self._node.create_lifecycle_publisher(
            self._type, topic, QoSProfile(depth=1), qos_overriding_options=OVERRIDABLE
        )

    def published(self, times: FrameTimes) -> None:
        """Publish the times of the mask that has just gone out; from the worker's thread."""
        for topic, value_ms in self._values_ms(times):
            publisher = self._publishers[topic]
            if value_ms is not None and publisher.is_activated and publisher.get_subscription_count():
                publisher.publish(self._message(value_ms))

    def destroy(self) -> None:
        """Take the publishers off the graph."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)

    def _values_ms(self, times: FrameTimes) -> Iterator[tuple[str, float | None]]:
        before_ns, self._before_ns = self._before_ns, times.end_ns
        yield "pipeline_latency", times.stamp_age_ms
        yield "cyclic_time", None if before_ns is None else (times.end_ns - before_ns) / 1e6
        yield "processing_time", sum(value_ms for stage, value_ms in times.stage_ms.items() if stage != "wait")
        for stage, value_ms in times.stage_ms.items():
            yield f"processing_time/{stage}", value_ms

    def _message(self, value_ms: float) -> Any:
        message = self._type(data=value_ms)
        if self._type is not Float64:
            message.stamp = self._node.get_clock().now().to_msg()
        return message


def _message_type() -> type:
    try:
        from autoware_internal_debug_msgs.msg import Float64Stamped
    except ImportError:
        return Float64
    return Float64Stamped
