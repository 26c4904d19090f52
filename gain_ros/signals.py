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

"""How a process of ours ends: by a signal, which is never lost, and with its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN_S = 0.05
_SAME_S = 1.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Stopped(KeyboardInterrupt):
    """A signal ended the work; a shell knows it by an exit code of 128 and the signal's number."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def raise_on_signals() -> None:
    """Let each of SIGNALS raise Stopped in the main thread.

    Never inside an import: a C extension may swallow what is raised in its own. The signal comes again until the import
    is done. Of signals within a second of each other the first counts.
    """
    raised_s = -_SAME_S

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal raised_s
        if _importing(frame):
            threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number)).start()
        elif time.monotonic() - raised_s >= _SAME_S:
            raised_s = time.monotonic()
            raise Stopped(number)

    handle_signals(on_signal)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


def handle_signals(on_signal: Callable[[int, FrameType | None], None]) -> None:
    """Call ``on_signal`` at each of SIGNALS, but for one that is ignored already (nohup)."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, on_signal)


def ignore_signals() -> None:
    """Let none of SIGNALS spoil the exit code while the interpreter ends."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def end_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM when the thread that started this process ends; at once where ``parent`` is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)
