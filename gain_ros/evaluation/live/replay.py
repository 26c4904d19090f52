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

"""One recording played to the real node: player, node and collector, each a process or a thread of its own."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gain_ros.errors import GraphError
from gain_ros.evaluation.live.graph import Child, fastdds_profile, own_graph
from gain_ros.sources.source import OnProgress, Source

if TYPE_CHECKING:
    from gain_ros.evaluation.live.collector import Collector, Mask

IMAGE_TOPIC, MASK_TOPIC = "/camera/image_raw", "/segmentation/mask"
_START_TIMEOUT_S, _SETTLE_TIMEOUT_S, _SILENCE_TIMEOUT_S = 180.0, 20.0, 60.0
_MATCHING_S = 0.5  # both ends of a topic learn of each other at slightly different times
_DIAGNOSTICS_PERIOD_S = 1.0
_LOOK_S = 0.2  # between two looks at the processes, where no mask comes


@dataclass(frozen=True)
class Settings:
    """What is played to which node.

    ``limit`` is the most frames to play, ``clock`` plays recorded stamps and /clock to a node with use_sim_time,
    ``parameters`` are further ones of the node.
    """

    model: Path
    engine: str
    rate: float = 1.0
    limit: int | None = None
    clock: bool = False
    parameters: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """A frame as it was sent: its stamp, and when (``time.time_ns()``)."""

    stamp_ns: int
    sent_ns: int


@dataclass(frozen=True)
class Usage:
    """What a process took from the first frame to the last: seconds of wall and processor, and its most memory."""

    wall_s: float
    cpu_s: float
    memory_mb: float


@dataclass(frozen=True)
class Replay:
    """What was seen: frames sent by their number in the source, masks in order of arrival, the node's last account.

    ``trace`` holds, in order, what the node wrote of each frame (see :mod:`gain_ros.evaluation.live.traced_node`).
    """

    sent: dict[int, Sent]
    masks: list[Mask]
    diagnostics: dict[str, str]
    trace: list[dict[str, Any]]
    node: Usage
    collector_cpu_s: float


def run_replay(source: Source, settings: Settings, scratch: Path, report: OnProgress) -> Replay:
    """Play the source to the node, in a ROS graph of its own, and collect what comes out.

    Args:
        source: what to play; the player opens it again by its name.
        settings: how.
        scratch: folder for logs, masks and the frames of a live source; it has to live as long as the masks are read.
        report: called with what happens, how much of it is done, and of how much.

    Raises:
        GraphError: a process did not start or ended early; the text holds its last lines.

    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(own_graph(fastdds_profile()))
        node = _start_node(stack, source, settings, scratch)
        player = _start_player(stack, source, settings, scratch)
        collector, spin = _start_collector(stack, scratch)
        report("starting", 0, None)
        _wait_until_ready(collector, spin, node, player)
        before, own_before_s = _usage(node.process.pid), time.process_time()
        player.go()
        while not player.finished:
            spin()
            node.check()
            player.check()
            report("playing", len(player.sent), settings.limit or source.length)
        report("finishing", len(player.sent), None)
        _settle(collector, spin, node)
        own_s, after = time.process_time() - own_before_s, _usage(node.process.pid)
        used = Usage(after.wall_s - before.wall_s, after.cpu_s - before.cpu_s, after.memory_mb)
        trace = [json.loads(line) for line in (scratch / "trace").read_text(encoding="utf-8").splitlines()]
        return Replay(player.sent, collector.masks, collector.diagnostics, trace, used, own_s)


def _usage(pid: int) -> Usage:
    """Read what a process has taken so far (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    most_kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return Usage(time.monotonic(), cpu_s, int(most_kb) / 1024)


def _start_node(stack: contextlib.ExitStack, source: Source, settings: Settings, scratch: Path) -> Child:
    parameters = {
        "model": settings.model,
        "engine": settings.engine,
        "transport": "compressed" if source.compressed else "raw",
        "use_sim_time": str(settings.clock).lower(),
        # the network's own classes are what truth is held against
        "remap": '["none"]',
        "min_confidence": '["0"]',
        # one mask may wait for a busy collector
        f"qos_overrides.{MASK_TOPIC}.publisher.depth": 100,
        **settings.parameters,
    }
    arguments = ["gain_ros.evaluation.live.traced_node", str(scratch / "trace")]
    arguments += ["--ros-args", "-r", f"image:={IMAGE_TOPIC}"]
    for name, value in parameters.items():
        arguments += ["-p", f"{name}:={value}"]
    node = Child("node", arguments, scratch / "node.log")
    stack.callback(node.stop)
    return node


def _start_player(stack: contextlib.ExitStack, source: Source, settings: Settings, scratch: Path) -> _Player:
    arguments = ["gain_ros.evaluation.live.player", "--source", source.spec, "--topic", IMAGE_TOPIC]
    arguments += ["--rate", str(settings.rate)]
    if settings.limit is not None:
        arguments += ["--limit", str(settings.limit)]
    if settings.clock:
        arguments += ["--clock"]
    if source.live:
        arguments += ["--keep", str(scratch)]
    player = _Player(Child("player", arguments, scratch / "player.log", talks=True))
    stack.callback(player.child.stop)
    return player


def _start_collector(stack: contextlib.ExitStack, scratch: Path) -> tuple[Collector, Callable[[], None]]:
    """Start the collector; returns it and a function that lets it receive for a moment."""
    from gain_ros.evaluation.live.collector import Collector, spinning

    collector, spin = stack.enter_context(spinning(lambda context: Collector(MASK_TOPIC, context, scratch / "masks")))
    return collector, lambda: spin(_LOOK_S)


class _Player:
    """The player process, seen from here: what it has sent so far."""

    def __init__(self, child: Child):
        self.child = child
        self.sent: dict[int, Sent] = {}
        self.ready = self.finished = False
        self._last_line_s = time.monotonic()
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.child.lines():
            self._lines.put(line)

    def go(self) -> None:
        self.child.write("go\n")
        self._last_line_s = time.monotonic()

    def check(self) -> None:
        """Take in what it said. Raises GraphError when it ended or fell silent before its last frame."""
        while not self._lines.empty():
            line = json.loads(self._lines.get())
            self._last_line_s = time.monotonic()
            self.ready |= "ready" in line
            self.finished |= "sent" in line
            if "frame" in line:
                self.sent[line["frame"]] = Sent(line["stamp_ns"], line["sent_ns"])
        if self.finished:
            return
        if self._lines.empty():
            self.child.check()
        if self.ready and self.sent and time.monotonic() - self._last_line_s > _SILENCE_TIMEOUT_S:
            raise GraphError(f"the player has sent nothing for {_SILENCE_TIMEOUT_S:.0f} s:\n{self.child.last_words()}")


def _wait_until_ready(collector: Collector, spin: Callable[[], None], node: Child, player: _Player) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    matched_s = None
    while matched_s is None or time.monotonic() - matched_s < _MATCHING_S:
        spin()
        node.check()
        player.check()
        if collector.diagnostics.get("last_error"):
            raise GraphError(f"the node cannot work: {collector.diagnostics['last_error']}\n{node.last_words()}")
        if time.monotonic() > deadline_s:
            raise GraphError(f"the node was not active after {_START_TIMEOUT_S:.0f} s:\n{node.last_words()}")
        if matched_s is None and collector.sees_node and player.ready:
            matched_s = time.monotonic()


def _settle(collector: Collector, spin: Callable[[], None], node: Child) -> None:
    """Wait until the node has no frame in hand, says so after the last mask, and all its masks are here."""
    start_s = time.monotonic()
    while time.monotonic() - start_s < _SETTLE_TIMEOUT_S:
        spin()
        node.check()
        fresh = collector.diagnosed_s > start_s + _DIAGNOSTICS_PERIOD_S
        if fresh and not collector.count("in_flight") and collector.count("published") <= len(collector.masks):
            return
