"""One run of the demo: player, node and collector on a graph of their own; what came out as plain values."""

from __future__ import annotations

import contextlib
import json
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gain_ros.demo.graph import Child, GraphError, environment, fastdds_profile, graph_variables, own_domain
from gain_ros.replay.sources import Source

IMAGE_TOPIC, MASK_TOPIC = "/camera/image_raw", "/segmentation/mask"
MOST_SECONDS, LIVE_SECONDS = 30.0, 10.0
_START_TIMEOUT_S, _SETTLE_TIMEOUT_S, _SILENCE_TIMEOUT_S = 180.0, 20.0, 60.0
_MATCHING_S = 0.5  # both ends of a topic learn of each other at slightly different times
_DIAGNOSTICS_PERIOD_S = 1.0

Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class DemoRun:
    """What was seen: frame index to stamp as sent, stamp to mask as received, and the node's own last account."""

    sent: dict[int, int]
    masks: dict[int, Any]
    diagnostics: dict[str, str]
    live_frames: dict[int, np.ndarray]

    @property
    def published(self) -> int:
        return int(self.diagnostics.get("published") or 0)

    def latency_ms(self) -> np.ndarray:
        """From publishing a frame to receiving its mask, in the order sent; float64 (received,)."""
        stamps = [stamp for stamp in self.sent.values() if stamp in self.masks]
        return np.array([(self.masks[stamp].received_ns - stamp) / 1e6 for stamp in stamps])


def run_demo(source: Source, model: Path, engine: str, report: Report) -> DemoRun:
    """Play the source through the real node. Takes the source's first MOST_SECONDS (LIVE_SECONDS of a webcam).

    Args:
        source: what to play; the player opens it again by its name.
        model: model folder.
        engine: name of an engine, or auto.
        report: called with what happens, how much of it is done, and of how much.

    Raises:
        GraphError: a process did not start or ended early; the text holds its last lines.
    """
    limit = round(source.rate_hz * (LIVE_SECONDS if source.live else MOST_SECONDS))
    expected = min(limit, source.length or limit)
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gain_demo_")))
        domain = stack.enter_context(own_domain())
        stack.enter_context(environment(graph_variables(domain, fastdds_profile())))
        node = _start_node(stack, model, engine, scratch)
        player = _start_player(stack, source, limit, scratch)
        collector, spin = stack.enter_context(_collecting())
        report("starting", 0, None)
        _wait_until_ready(collector, spin, node, player)
        player.go()
        while not player.finished:
            spin()
            node.check()
            player.check()
            report("playing", len(collector.masks), expected)
        report("finishing", len(collector.masks), None)
        _settle(collector, spin, node)
        kept = {int(path.stem): np.load(path) for path in sorted(scratch.glob("*.npy"))}
        return DemoRun(player.sent, collector.masks, collector.diagnostics, kept)


def _start_node(stack: contextlib.ExitStack, model: Path, engine: str, scratch: Path) -> Child:
    parameters = {
        "model": str(model),
        "engine": engine,
        # one mask may wait for a busy collector
        f"qos_overrides.{MASK_TOPIC}.publisher.depth": "100",
    }
    arguments = ["gain_ros", "node", "--ros-args", "-r", f"image:={IMAGE_TOPIC}"]
    for name, value in parameters.items():
        arguments += ["-p", f"{name}:={value}"]
    node = Child("node", arguments, scratch / "node.log")
    stack.callback(node.stop)
    return node


def _start_player(stack: contextlib.ExitStack, source: Source, limit: int, scratch: Path) -> _Player:
    arguments = ["gain_ros.demo.player", "--source", source.name, "--topic", IMAGE_TOPIC, "--limit", str(limit)]
    if source.live:
        arguments += ["--keep", str(scratch)]
    player = _Player(Child("player", arguments, scratch / "player.log", talks=True))
    stack.callback(player.child.stop)
    return player


class _Player:
    """The player process, seen from here: what it has sent so far."""

    def __init__(self, child: Child):
        self.child = child
        self.sent: dict[int, int] = {}
        self.ready = self.finished = False
        self._heard_s = time.monotonic()
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.child.process.stdout:
            self._lines.put(line)

    def go(self) -> None:
        self.child.process.stdin.write("go\n")
        self.child.process.stdin.flush()
        self._heard_s = time.monotonic()

    def check(self) -> None:
        """Take in what it said. Raises GraphError when it ended or fell silent before its last frame."""
        while not self._lines.empty():
            told = json.loads(self._lines.get())
            self._heard_s = time.monotonic()
            self.ready |= "ready" in told
            self.finished |= "sent" in told
            if "frame" in told:
                self.sent[told["frame"]] = told["stamp_ns"]
        if self.finished:
            return
        if self._lines.empty():
            self.child.check()
        if self.ready and self.sent and time.monotonic() - self._heard_s > _SILENCE_TIMEOUT_S:
            raise GraphError(f"the player has sent nothing for {_SILENCE_TIMEOUT_S:.0f} s:\n{self.child.last_words()}")


@contextlib.contextmanager
def _collecting() -> Iterator[tuple[Any, Callable[[], None]]]:
    """The collector, and a function that lets it receive for a moment."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    from gain_ros.demo.collector import Collector

    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    collector = Collector(MASK_TOPIC, context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(collector)
    try:
        yield collector, lambda: executor.spin_once(timeout_sec=0.05)
    finally:
        executor.shutdown()
        collector.destroy_node()
        rclpy.try_shutdown(context=context)


def _wait_until_ready(collector: Any, spin: Callable[[], None], node: Child, player: _Player) -> None:
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


def _settle(collector: Any, spin: Callable[[], None], node: Child) -> None:
    """Wait until the node has no frame in hand, says so after the last mask, and all its masks are here."""
    start_s = time.monotonic()
    while time.monotonic() - start_s < _SETTLE_TIMEOUT_S:
        spin()
        node.check()
        fresh = collector.diagnosed_s > start_s + _DIAGNOSTICS_PERIOD_S
        if fresh and not collector.count("in_flight") and collector.count("published") <= len(collector.masks):
            return
