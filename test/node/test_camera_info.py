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

"""The camera's CameraInfo beside the masks: when it goes out, and what is said where it does not fit."""

from types import SimpleNamespace

import pytest
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from gain_ros.node.camera_info import CameraInfoRelay, camera_info_topic


class Node:
    """As much of a node as the relay uses; names are resolved by the remappings given."""

    def __init__(self, **remapped):
        self.remapped, self.callbacks, self.warnings = remapped, {}, []

    def resolve_topic_name(self, name, *, only_expand=False):
        return f"/robot/{name}" if only_expand else self.remapped.get(name, f"/robot/{name}")

    def create_subscription(self, kind, topic, callback, qos, *, qos_overriding_options):
        self.callbacks[topic] = callback
        return topic

    def destroy_subscription(self, topic):
        del self.callbacks[topic]

    def get_logger(self):
        return SimpleNamespace(warning=self.warnings.append)


@pytest.fixture
def relayed():
    """A node, its relay, and what the relay's publisher, which has ``subscribers``, has sent."""
    node, sent = Node(), []
    publisher = SimpleNamespace(subscribers=1, publish=lambda message: sent.append((message.header.frame_id, message)))
    publisher.get_subscription_count = lambda: publisher.subscribers
    return SimpleNamespace(
        node=node, sent=sent, publisher=publisher, relay=CameraInfoRelay(node, "/camera/camera_info", publisher)
    )


@pytest.mark.parametrize(
    ("camera", "remapped", "topic"),
    [
        ("", {}, "/robot/camera_info"),
        ("", {"image": "/camera/color/image_raw"}, "/camera/color/camera_info"),
        ("", {"image": "/image_raw"}, "/camera_info"),
        ("", {"image": "/camera/image_raw", "camera_info": "/calibrated"}, "/calibrated"),
        ("left", {}, "/robot/left/camera_info"),
        ("left", {"left/image": "/l/image_raw", "camera_info": "/calibrated"}, "/l/camera_info"),
        ("left", {"left/image": "/l/image_raw", "left/camera_info": "/calibrated"}, "/calibrated"),
    ],
)
def test_it_comes_from_the_sibling_of_the_image_unless_it_is_remapped(camera, remapped, topic):
    assert camera_info_topic(Node(**remapped), camera) == topic


def test_it_goes_out_under_the_header_of_the_mask_once_there_is_one(relayed):
    relayed.relay.follow()
    relayed.relay.publish(Header(frame_id="early"), 4, 6)
    relayed.node.callbacks["/camera/camera_info"](CameraInfo(height=4, width=6, distortion_model="plumb_bob"))
    relayed.relay.publish(Header(frame_id="first"), 4, 6)
    relayed.relay.publish(Header(frame_id="second"), 4, 6)
    assert [frame_id for frame_id, _ in relayed.sent] == ["first", "second"]
    assert relayed.sent[0][1].distortion_model == "plumb_bob"
    assert not relayed.node.warnings


def test_it_is_listened_to_only_while_someone_subscribes(relayed):
    relayed.publisher.subscribers = 0
    relayed.relay.follow()
    assert not relayed.node.callbacks
    relayed.publisher.subscribers = 1
    relayed.relay.follow()
    relayed.relay.follow()
    relayed.node.callbacks["/camera/camera_info"](CameraInfo(height=4, width=6))
    relayed.publisher.subscribers = 0
    relayed.relay.publish(Header(), 4, 6)
    relayed.relay.follow()
    assert not relayed.node.callbacks
    relayed.publisher.subscribers = 1
    relayed.relay.publish(Header(), 4, 6)  # what was heard before may be of another camera by now
    assert not relayed.sent


def test_another_size_than_the_masks_is_said_once(relayed):
    relayed.relay.follow()
    relayed.node.callbacks["/camera/camera_info"](CameraInfo(height=720, width=1280))
    for _ in range(3):
        relayed.relay.publish(Header(), 360, 640)
    (warning,) = relayed.node.warnings
    assert "/camera/camera_info is for 1280x720, the masks are 640x360" in warning
    assert len(relayed.sent) == 3
