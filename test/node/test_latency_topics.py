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

"""Times of masks as topics: names, types and values, and that nothing is sent to nobody."""

import sys
import types
from types import SimpleNamespace

import pytest
from std_msgs.msg import Float64

from gain_ros.node.latency_topics import LatencyTopics
from gain_ros.node.worker import FrameTimes

STAGES = {"wait": 1.0, "decode": 2.0, "pre": 4.0, "infer": 8.0, "post": 16.0, "publish": 32.0}


class Publisher:
    def __init__(self, kind):
        self.kind, self.sent, self.subscribers, self.is_activated = kind, [], 1, True

    def publish(self, message):
        self.sent.append(message)

    def get_subscription_count(self):
        return self.subscribers


class Node:
    """As much of a lifecycle node as the topics use; ``refused`` cannot be created."""

    def __init__(self, refused=None):
        self.publishers, self.refused = {}, refused

    def create_lifecycle_publisher(self, kind, topic, qos, *, qos_overriding_options):
        if topic == self.refused:
            raise RuntimeError("Unexpected QoS override")
        self.publishers[topic] = Publisher(kind)
        return self.publishers[topic]

    def destroy_lifecycle_publisher(self, publisher):
        self.publishers = {topic: each for topic, each in self.publishers.items() if each is not publisher}

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=lambda: "now"))

    def sent(self):
        return {topic: [message.data for message in each.sent] for topic, each in self.publishers.items() if each.sent}


def times(end_ms, stamp_age_ms=100.0):
    return FrameTimes(int(1e6 * end_ms), 63.0, stamp_age_ms, STAGES)


def test_each_topic_has_its_own_time():
    node = Node()
    topics = LatencyTopics(node, "")
    topics.published(times(1000))
    topics.published(times(1050, stamp_age_ms=None))
    assert node.sent() == {
        "~/debug/pipeline_latency_ms": [100.0],
        "~/debug/cyclic_time_ms": [50.0],
        "~/debug/processing_time_ms": [62.0, 62.0],
        **{f"~/debug/processing_time/{stage}_ms": [value, value] for stage, value in STAGES.items()},
    }
    topics.destroy()
    assert not node.publishers


def test_a_camera_has_topics_of_its_own():
    node = Node()
    LatencyTopics(node, "front")
    assert all(topic.startswith("~/debug/front/") for topic in node.publishers)


@pytest.mark.parametrize("silenced", [{"subscribers": 0}, {"is_activated": False}], ids=["nobody", "inactive"])
def test_nothing_is_sent_to_nobody_or_while_inactive(silenced):
    node = Node()
    topics = LatencyTopics(node, "")
    vars(node.publishers["~/debug/processing_time_ms"]).update(silenced)
    topics.published(times(1000))
    assert "~/debug/processing_time_ms" not in node.sent()


def test_a_publisher_that_is_refused_leaves_none_behind():
    node = Node(refused="~/debug/processing_time/infer_ms")
    with pytest.raises(RuntimeError, match="QoS"):
        LatencyTopics(node, "")
    assert not node.publishers


def test_the_type_is_autowares_where_that_is_installed(monkeypatch):
    class Float64Stamped:
        def __init__(self, data):
            self.data = data

    module = types.ModuleType("autoware_internal_debug_msgs.msg")
    module.Float64Stamped = Float64Stamped
    for installed, kind in ((None, Float64), (module, Float64Stamped)):
        monkeypatch.setitem(sys.modules, "autoware_internal_debug_msgs", installed)
        monkeypatch.setitem(sys.modules, "autoware_internal_debug_msgs.msg", installed)
        node = Node()
        LatencyTopics(node, "").published(times(1000))
        publisher = node.publishers["~/debug/pipeline_latency_ms"]
        assert publisher.kind is kind
        assert publisher.sent[0].data == 100.0
    assert publisher.sent[0].stamp == "now"
