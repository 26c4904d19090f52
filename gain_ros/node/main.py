# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Entry point of the node's process. Imports next to nothing before it can be interrupted without a traceback."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType


def main(args: Sequence[str] | None = None) -> None:
    """Run the segmentation node; ends by ``sys.exit``: 0 on a signal to end, 2 for a parameter that is refused.

    Args:
        args: command line, ``--ros-args`` included; None takes ``sys.argv``.

    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)

    from gain_ros.node.process import run_node
    from gain_ros.node.segmentation_node import SegmentationNode

    sys.exit(run_node(SegmentationNode, args))


def _leave(_number: int, _frame: FrameType | None) -> None:
    """There is no graph to leave yet: just end."""
    sys.exit(0)


if __name__ == "__main__":
    main()
