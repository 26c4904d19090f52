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

"""The segmentation node as it is, and a file with how each frame ended and what it cost.

``python -m gain_ros.evaluation.live.traced_node FILE --ros-args ...``. A line for each frame that ended, with
``stamp_ns`` and ``outcome``; after it, where a mask went out, one with ``stamp_ns`` and ``stage_ms``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gain_ros.node.latest_frames import Outcome, ReceivedFrame
from gain_ros.node.process import run_node
from gain_ros.node.segmentation_node import SegmentationNode
from gain_ros.node.worker import FrameTimes


class Trace:
    """Write what becomes of the node's frames as lines of a file."""

    def __init__(self, file: Path):
        self._stream = file.open("w", buffering=1, encoding="utf-8")

    def ended(self, frame: ReceivedFrame, outcome: Outcome) -> None:
        self._write(stamp_ns=frame.stamp_ns, outcome=outcome.value)

    def timed(self, times: FrameTimes) -> None:
        stage_ms = {stage: round(value, 3) for stage, value in times.stage_ms.items()}
        self._write(stamp_ns=times.stamp_ns, stage_ms=stage_ms)

    def _write(self, **content: object) -> None:
        self._stream.write(json.dumps(content) + "\n")


def main() -> int:
    file = Path(sys.argv.pop(1))
    return run_node(lambda: SegmentationNode(observer=Trace(file)), sys.argv)


if __name__ == "__main__":
    sys.exit(main())
