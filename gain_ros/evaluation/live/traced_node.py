"""The segmentation node as it is, telling a file how each frame ended and what it cost.

``python -m gain_ros.evaluation.live.traced_node FILE --ros-args ...``. A line for each frame that ended, with
``stamp_ns`` and ``outcome``; after it, where a mask went out, one with ``stamp_ns`` and ``stage_ms``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from gain_ros.node.latest_frames import Frame, Outcome
from gain_ros.node.process import run_node
from gain_ros.node.segmentation_node import SegmentationNode
from gain_ros.node.worker import FrameTimes


class Trace:
    """What the node tells about its frames, as lines of a file."""

    def __init__(self, file: Path):
        self._stream = file.open("w", buffering=1, encoding="utf-8")

    def ended(self, frame: Frame, outcome: Outcome) -> None:
        stamp = frame.message.header.stamp
        self._tell(stamp_ns=stamp.sec * 1_000_000_000 + stamp.nanosec, outcome=outcome.value)

    def timed(self, times: FrameTimes) -> None:
        stage_ms = {stage: round(value, 3) for stage, value in times.stage_ms.items()}
        self._tell(stamp_ns=times.stamp_ns, stage_ms=stage_ms)

    def _tell(self, **content: Any) -> None:
        self._stream.write(json.dumps(content) + "\n")


def main() -> int:
    file = Path(sys.argv.pop(1))
    return run_node(lambda: SegmentationNode(observer=Trace(file)), sys.argv)


if __name__ == "__main__":
    sys.exit(main())
