# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""``python -m gain_ros.evaluation.live.child PARENT MODULE ...``: ``python -m MODULE ...``, ended with its parent."""

import runpy
import sys

from gain_ros.signals import end_with_parent


def main() -> None:
    end_with_parent(int(sys.argv[1]))
    del sys.argv[:2]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
