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

"""Camera frames between two processes of this machine: how many arrive, and how late."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gain_ros.doctor.finding import Finding
from gain_ros.doctor.loopback_ends import FRAME_SIZE, RATE_HZ
from gain_ros.errors import GraphError
from gain_ros.files import scratch_folder
from gain_ros.libraries import has_module

_ENOUGH = 0.97  # of the frames sent
_DRAIN_S = 0.5  # for what is on its way


@dataclass(frozen=True)
class Loopback:
    """Frames sent and received, and the median time on the way in milliseconds (None where nothing arrived)."""

    sent: int
    received: int
    latency_ms: float | None


def check_loopback() -> Finding:
    """With the middleware as it is and with the shipped profile. Broken where no frame arrives at all."""
    if not has_module("rclpy"):
        return Finding("loopback", None, ["not measured: no ROS"], "install ROS first")
    from gain_ros.evaluation.live.graph import fastdds_profile

    profile = fastdds_profile()
    try:
        seen = {"default": measure(None)}
        if profile is not None:
            seen["profile"] = measure(profile)
    except GraphError as error:
        advice = "two processes do not find each other: is multicast on lo blocked?"
        return Finding("loopback", None, str(error).splitlines(), advice, ok=False)
    lines = [_line(name, each) for name, each in seen.items()]
    found = {name: asdict(each) for name, each in seen.items()}
    arrived = any(each.received for each in seen.values())
    return Finding("loopback", found, lines, _advice(seen, profile), ok=arrived)


def measure(profile: Path | None) -> Loopback:
    """Send 2.5 seconds of frames between two processes on a domain of their own.

    Args:
        profile: Fast DDS profile for both ends, or None for the middleware's defaults.

    Raises:
        GraphError: an end did not start.

    """
    from gain_ros.evaluation.live.graph import Child, own_graph

    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder())
        stack.enter_context(own_graph(profile))

        def start(end: str) -> Child:
            child = Child(end, ["gain_ros.doctor.loopback_ends", end], scratch / f"{end}.log", talks=True)
            stack.callback(child.stop)
            return child

        receiver, sender = start("receive"), start("send")
        sent = _answer(sender)
        time.sleep(_DRAIN_S)
        if receiver.process.stdin:
            receiver.process.stdin.close()
        received = _answer(receiver)
        return Loopback(sent["sent"], received["received"], received["latency_ms"])


def _answer(child: Any) -> dict[str, Any]:
    """Read the JSON object that an end prints. Raises GraphError where it ends without one."""
    line = child.process.stdout.readline()
    if not line:
        raise GraphError(f"the {child.name} end of the loopback failed:\n{child.last_words()}")
    return json.loads(line)


def _line(name: str, seen: Loopback) -> str:
    time_text = "nothing arrived" if seen.latency_ms is None else f"{seen.latency_ms:.1f} ms"
    size = f"{FRAME_SIZE[1]}x{FRAME_SIZE[0]}"
    return f"{name:8} {seen.received} of {seen.sent} frames of {size} at {RATE_HZ:.0f} Hz, {time_text}"


def _advice(seen: dict[str, Loopback], profile: Path | None) -> str:
    share = {name: each.received / each.sent for name, each in seen.items()}
    active = os.environ.get("FASTDDS_DEFAULT_PROFILES_FILE") or os.environ.get("FASTRTPS_DEFAULT_PROFILES_FILE")
    if share["default"] >= _ENOUGH:
        return "fine"
    if active:
        return f"frames are lost with the defaults; this shell sets {active}: set it for the camera's driver too"
    if share.get("profile", 0) > share["default"]:
        return f"for camera driver and node: export FASTDDS_DEFAULT_PROFILES_FILE={profile} (docs/transport.md)"
    return "large frames are lost; docs/transport.md tells what to set for your middleware"
