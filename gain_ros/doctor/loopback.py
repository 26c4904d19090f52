"""How many camera frames arrive between two processes of this machine? ``measure`` asks; as a module this is one end.

The frames are raw images published best effort at 30 Hz, as cameras do.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FRAME_SIZE = (720, 960)
_RATE_HZ, _FRAMES = 30.0, 75
_TOPIC, _TIMEOUT_S, _DRAIN_S = "/gain_ros_loopback", 30.0, 0.5


@dataclass(frozen=True)
class Loopback:
    """Frames sent and received, and the median time on the way in milliseconds (None where nothing arrived)."""

    sent: int
    received: int
    latency_ms: float | None


def measure(profile: Path | None) -> Loopback:
    """Send 2.5 seconds of frames between two processes on a domain of their own.

    Args:
        profile: Fast DDS profile for both ends, or None for the middleware's defaults.

    Raises:
        GraphError: an end did not start.
    """
    from gain_ros.errors import GraphError
    from gain_ros.evaluation.live.graph import Child, environment, graph_variables, own_domain

    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gain_loopback_")))
        domain = stack.enter_context(own_domain())
        stack.enter_context(environment(graph_variables(domain, profile)))
        ends = {}
        for name in ("receive", "send"):
            ends[name] = Child(name, ["gain_ros.doctor.loopback", name], scratch / f"{name}.log", talks=True)
            stack.callback(ends[name].stop)
        sent = _answer(ends["send"].process.stdout.readline())
        time.sleep(_DRAIN_S)
        ends["receive"].process.stdin.close()
        received = _answer(ends["receive"].process.stdout.readline())
        for told, child in ((sent, ends["send"]), (received, ends["receive"])):
            if told is None:
                raise GraphError(f"the {child.name} end of the loopback failed:\n{child.last_words()}")
        return Loopback(sent["sent"], received["received"], received["latency_ms"])


def _answer(line: str) -> dict | None:
    return json.loads(line) if line else None


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
        due_s += 1 / _RATE_HZ
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
