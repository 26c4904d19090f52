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

"""Entry point of the node's process. Imports next to nothing before a signal can end it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from gain_ros.signals import Stopped, ignore_signals, raise_on_signals


def main(args: Sequence[str] | None = None) -> int:
    """Run the segmentation node; returns the exit code: 0 on a signal to end, 2 for a parameter that is refused.

    Args:
        args: command line, ``--ros-args`` included; None takes ``sys.argv``.

    """
    raise_on_signals()
    try:
        from gain_ros.node.process import run_node
        from gain_ros.node.segmentation_node import SegmentationNode

        return run_node(SegmentationNode, args)
    except Stopped:  # there is no graph to leave yet
        return 0
    finally:
        ignore_signals()


if __name__ == "__main__":
    sys.exit(main())
