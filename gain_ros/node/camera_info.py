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

"""The camera's own CameraInfo, sent again beside each mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from gain_ros.node.qos import OVERRIDABLE

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
    from rclpy.subscription import Subscription
    from std_msgs.msg import Header


def camera_info_topic(node: LifecycleNode, camera: str) -> str:
    """Return where a camera's CameraInfo comes from: ``camera_info`` where that name is remapped, else its sibling.

    The sibling is what image_transport takes: the resolved image topic with ``camera_info`` for its last name.
    """
    below = f"{camera}/" if camera else ""
    own = node.resolve_topic_name(f"{below}camera_info")
    if own != node.resolve_topic_name(f"{below}camera_info", only_expand=True):
        return own
    return node.resolve_topic_name(f"{below}image").rpartition("/")[0] + "/camera_info"


class CameraInfoRelay:
    """Publish the latest CameraInfo of one camera under the headers of its masks, while someone subscribes.

    Args:
        node: whose subscription it is.
        topic: where the camera's own comes from.
        publisher: where it goes.

    """

    def __init__(self, node: LifecycleNode, topic: str, publisher: LifecyclePublisher[CameraInfo]) -> None:
        self._node = node
        self._topic = topic
        self._publisher = publisher
        self._subscription: Subscription[CameraInfo] | None = None
        self._latest: CameraInfo | None = None
        self._warned = False
        node.destroy_subscription(self._subscribe())  # a wrong QoS override is to refuse configure, not to come later

    def follow(self) -> None:
        """Subscribe or unsubscribe, as it is wanted now; for the executor's thread alone."""
        wanted = self._publisher.get_subscription_count() > 0
        if wanted and self._subscription is None:
            self._subscription = self._subscribe()
        elif not wanted:
            self.leave()

    def leave(self) -> None:
        """Unsubscribe and forget; for the executor's thread alone."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = self._latest = None

    def publish(self, header: Header, height: int, width: int) -> None:
        """Publish what the camera said last, if it has, for a mask of this size; from the worker's thread."""
        message = self._latest
        if message is None or not self._publisher.get_subscription_count():
            return
        if (message.height, message.width) != (height, width) and not self._warned:
            self._warned = True
            self._node.get_logger().warning(
                f"{self._topic} is for {message.width}x{message.height}, the masks are {width}x{height}: it is sent as "
                "it is; give the camera_info of this image topic by remapping camera_info"
            )
        message.header = header
        self._publisher.publish(message)

    def _subscribe(self) -> Subscription[CameraInfo]:
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        return self._node.create_subscription(
            CameraInfo, self._topic, self._on_camera_info, qos, qos_overriding_options=OVERRIDABLE
        )

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._latest = message
