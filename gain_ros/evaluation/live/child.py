# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""``python -m gain_ros.evaluation.live.child MODULE ...``: as ``python -m MODULE ...``, and it ends with its parent."""

import ctypes
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
