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

"""Two processes of this machine, camera frames from one to the other: as a module this is one end.

The frames are raw images published best effort at 30 Hz, as cameras do. Each end prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

FRAME_SIZE = (720, 960)
RATE_HZ = 30.0
_FRAMES, _TOPIC, _TIMEOUT_S, _DRAIN_S = 75, "/gain_ros_loopback", 30.0, 0.5


def _send() -> None:
    import numpy as np
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header

    from gain_ros.messages import fill_image

    node, qos = _node("loopback_send")
    publisher = node.create_publisher(Image, _TOPIC, qos)
    message = fill_image(Image(), np.zeros((*FRAME_SIZE, 3), np.uint8), Header())
    deadline_s = time.monotonic() + _TIMEOUT_S
    while not publisher.get_subscription_count():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"no receiver within {_TIMEOUT_S:.0f} s")
        time.sleep(0.02)
    time.sleep(_DRAIN_S)
    due_s = time.monotonic()
    for _ in range(_FRAMES):
        time.sleep(max(0.0, due_s - time.monotonic()))
        due_s += 1 / RATE_HZ
        sec, nanosec = divmod(time.time_ns(), 1_000_000_000)
        message.header.stamp.sec, message.header.stamp.nanosec = sec, nanosec
        publisher.publish(message)
    print(json.dumps({"sent": _FRAMES}), flush=True)
    sys.stdin.read()  # what is on its way lives in this process


def _receive() -> None:
    import select
    import statistics

    import rclpy
    from sensor_msgs.msg import Image

    node, qos = _node("loopback_receive")
    latencies_ms: list[float] = []

    def on_image(message: Image) -> None:
        stamp = message.header.stamp
        latencies_ms.append((time.time_ns() - stamp.sec * 1_000_000_000 - stamp.nanosec) / 1e6)

    node.create_subscription(Image, _TOPIC, on_image, qos)
    while not select.select([sys.stdin], [], [], 0)[0]:
        rclpy.spin_once(node, timeout_sec=0.05)
    median_ms = round(statistics.median(latencies_ms), 2) if latencies_ms else None
    print(json.dumps({"received": len(latencies_ms), "latency_ms": median_ms}), flush=True)


def _node(name: str) -> tuple[Any, Any]:
    import rclpy
    from rclpy.qos import QoSProfile, ReliabilityPolicy

    rclpy.init(args=[])
    return rclpy.create_node(name), QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("end", choices=("send", "receive"))
    {"send": _send, "receive": _receive}[parser.parse_args().end]()
