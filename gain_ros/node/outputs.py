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

"""What one camera gets published: masks, pictures drawn from them, CameraInfo and the meaning of the ids."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header, String

from gain_ros.class_file import class_entries
from gain_ros.class_output import ClassOutput
from gain_ros.frames import Frame, as_rgb
from gain_ros.labels import UNLABELLED
from gain_ros.messages import fill_compressed_ids, fill_image
from gain_ros.node.camera_info import CameraInfoRelay
from gain_ros.node.qos import OVERRIDABLE
from gain_ros.runtime.drawing import colorize, overlay

try:
    from rclpy.event_handler import PublisherEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, UnsupportedEventTypeError

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
    from vision_msgs.msg import LabelInfo

    from gain_ros.runtime.segmenter import Mask


class CameraOutputs:
    """The publishers of one camera, below ``prefix``; usable from any thread once created.

    Args:
        node: the lifecycle node they belong to; they publish only while it is active.
        prefix: topic prefix, relative: ``segmentation`` or ``segmentation/<camera>``.
        camera_info: topic of the camera's own CameraInfo.
        on_matched: called by the executor when a subscriber of a result comes or goes, where ``tells_matches``.

    Attributes:
        tells_matches: whether the middleware and rclpy tell of subscribers; otherwise ``wanted`` has to be asked.

    """

    def __init__(
        self, node: LifecycleNode, prefix: str, camera_info: str, on_matched: Callable[[], None] = lambda: None
    ) -> None:
        self._node = node
        self._classes: ClassOutput | None = None
        self._publishers: list[LifecyclePublisher] = []
        self._results: list[LifecyclePublisher] = []
        self._on_matched = on_matched
        self.tells_matches = True
        try:
            self._create(prefix, camera_info)
        except Exception:  # a QoS override that is wrong, say: leave nothing half made behind
            self.destroy()
            raise

    def _create(self, prefix: str, camera_info: str) -> None:
        self._mask = self._publisher(Image, f"{prefix}/mask")
        self._compressed = self._publisher(CompressedImage, f"{prefix}/mask/compressed")
        self._confidence = self._publisher(Image, f"{prefix}/confidence")
        self._color = self._publisher(Image, f"{prefix}/color")
        self._overlay = self._publisher(Image, f"{prefix}/overlay")
        self._camera_info = CameraInfoRelay(
            self._node, camera_info, self._publisher(CameraInfo, f"{prefix}/camera_info")
        )
        self._label_info_json = self._publisher(String, f"{prefix}/label_info_json", latched=True)
        try:
            from vision_msgs.msg import LabelInfo
        except ImportError:
            self._label_info = None
        else:
            self._label_info = self._publisher(LabelInfo, f"{prefix}/label_info", latched=True)

    def _publisher(self, message_type: type, topic: str, latched: bool = False) -> LifecyclePublisher:
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=1,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        if latched:
            publisher = self._node.create_lifecycle_publisher(
                message_type, topic, qos, qos_overriding_options=OVERRIDABLE
            )
        else:
            publisher = self._result_publisher(message_type, topic, qos)
            self._results.append(publisher)
        self._publishers.append(publisher)
        return publisher

    def _result_publisher(self, message_type: type, topic: str, qos: QoSProfile) -> LifecyclePublisher:
        create = functools.partial(
            self._node.create_lifecycle_publisher, message_type, topic, qos, qos_overriding_options=OVERRIDABLE
        )
        try:
            return create(event_callbacks=PublisherEventCallbacks(matched=lambda _: self._on_matched()))
        except (TypeError, UnsupportedEventTypeError):  # Humble knows no such event, nor does every middleware
            self.tells_matches = False
            return create()

    @property
    def wanted(self) -> bool:
        """Whether someone subscribes to any of the camera's results; the latched meaning of ids does not count."""
        return any(publisher.get_subscription_count() for publisher in self._results)

    @property
    def wants_confidence(self) -> bool:
        """Whether someone subscribes to the confidence."""
        return self._confidence.get_subscription_count() > 0

    def follow_camera_info(self) -> None:
        """Subscribe to the camera's CameraInfo while someone wants it here; for the executor's thread alone."""
        self._camera_info.follow()

    def leave_camera_info(self) -> None:
        """Unsubscribe from the camera's CameraInfo; for the executor's thread alone."""
        self._camera_info.leave()

    def publish_label_info(self, classes: ClassOutput) -> None:
        """Publish what the ids mean; latched, so it reaches subscribers that come later too."""
        self._classes = classes
        self._label_info_json.publish(String(data=label_info_json(classes)))
        if self._label_info is not None:
            self._label_info.publish(self._label_info_message(classes))

    def publish_mask(self, header: Header, segmentation: Mask, classes: ClassOutput) -> None:
        """Publish the class ids (mono8) under the camera's own header, and before them what they mean, where it is new.

        Raises RuntimeError once deactivated.
        """
        if not self._mask.is_activated:
            raise RuntimeError("the node was deactivated while the engine was at this frame")
        if classes is not self._classes:
            self.publish_label_info(classes)
        self._mask.publish(fill_image(Image(), segmentation.labels, header))

    def publish_extras(
        self, header: Header, picture: Frame, segmentation: Mask, classes: ClassOutput, alpha: float
    ) -> None:
        """Publish CameraInfo, the compressed mask, confidence, colours and overlay, each only if someone subscribes.

        Args:
            header: the camera's header.
            picture: the camera's image, RGB uint8 H×W×3 or a YuvFrame.
            segmentation: its mask.
            classes: what the ids in the mask mean.
            alpha: weight of the colours in the overlay, 0..1.

        """
        self._camera_info.publish(header, *segmentation.labels.shape)
        if self._compressed.get_subscription_count():
            self._compressed.publish(fill_compressed_ids(CompressedImage(), segmentation.labels, header))
        if segmentation.confidence is not None and self.wants_confidence:
            self._confidence.publish(fill_image(Image(), segmentation.confidence, header))
        if self._color.get_subscription_count():
            self._color.publish(fill_image(Image(), colorize(segmentation.labels, classes.labels), header))
        if self._overlay.get_subscription_count():
            blended = overlay(as_rgb(picture), segmentation.labels, classes.labels, alpha)
            self._overlay.publish(fill_image(Image(), blended, header))

    def destroy(self) -> None:
        """Take the publishers off the graph."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()
        self._results.clear()

    def _label_info_message(self, classes: ClassOutput) -> LabelInfo:
        from vision_msgs.msg import LabelInfo, VisionClass

        message = LabelInfo(threshold=_lowest_threshold(classes))
        message.header.stamp = self._node.get_clock().now().to_msg()
        names = enumerate(classes.labels.names)
        message.class_map = [VisionClass(class_id=index, class_name=name) for index, name in names if name]
        return message


def label_info_json(classes: ClassOutput) -> str:
    """Return the content of ``segmentation/label_info_json``: what LabelInfo says, colours, groups and thresholds."""
    entries = zip(class_entries(classes.labels), classes.thresholds, strict=True)
    listed = [
        {"id": index, **entry, **({"min_confidence": threshold} if threshold else {})}
        for index, (entry, threshold) in enumerate(entries)
        if entry["name"]
    ]
    return json.dumps(
        {
            "label_set": classes.labels.name,
            "classes": listed,
            "unlabelled_id": UNLABELLED,
            "threshold": _lowest_threshold(classes),
            "as_network": classes.as_network,
        }
    )


def _lowest_threshold(classes: ClassOutput) -> float:
    """Return the confidence that a labelled pixel has at least, whatever its class."""
    named = zip(classes.labels.names, classes.thresholds, strict=True)
    return min(threshold for name, threshold in named if name)
