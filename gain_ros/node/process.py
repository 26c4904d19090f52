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

"""From a node class to a well-behaved process: arguments, signals, exit code."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import stat
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Protocol

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.utilities import remove_ros_args

from gain_ros.signals import handle_signals, ignore_signals

BAD_INPUT = 2
_SEGMENT_LOCK = re.compile(r"fast(dds|rtps)_[0-9a-f]{16}_el")
_MAKING_S = 1.0  # a lock is taken just after its file is made


class SpinnableNode(Protocol):
    """A ROS node that tidies up after itself."""

    def close(self) -> bool:
        """Free everything; False when a thread of the node is still busy."""

    def destroy_node(self) -> None: ...


class BadArgumentsError(ValueError):
    """Arguments that ROS does not understand."""


class ShutdownRequestedError(Exception):
    """The process was ordered to end while something long was under way."""


def run_node(make_node: Callable[[], SpinnableNode], args: Sequence[str] | None = None) -> int:
    """Spin the node until SIGINT, SIGTERM or an outside shutdown, and tidy up.

    Args:
        make_node: makes the node once the graph is there.
        args: command line, ``--ros-args`` included; None takes ``sys.argv``.

    Returns:
        Exit code: 0, or 2 where an argument or a parameter is refused (one line on standard error). From then on
        signals are ignored: a second Ctrl-C while the interpreter ends must not spoil the exit code.

    """
    try:
        idle = _run(make_node, args)
    except (BadArgumentsError, ParameterException) as error:
        print(f"gain_ros: {error}", file=sys.stderr)
        return BAD_INPUT
    finally:
        ignore_signals()
    if not idle:
        # A thread inside an engine cannot be stopped, and the interpreter's end under it may crash: leave without.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def _run(make_node: Callable[[], SpinnableNode], args: Sequence[str] | None) -> bool:
    """Make the node and spin it; False when a thread of the node is still busy at the end."""
    _init(args)
    try:
        node = make_node()
    except ParameterException:
        raise
    except Exception:
        if rclpy.ok():  # otherwise a signal has taken the graph from under it
            raise
        return True
    return _spin(node)


def remove_dead_segments(folder: Path = Path("/dev/shm")) -> None:
    """Remove shared memory that Fast DDS made for processes of this user that were killed, up to 68 MB a node.

    As ``fastdds shm clean`` does: whoever uses a segment holds the lock of the file beside it.
    """
    for lock in folder.glob("fast*_el"):
        with contextlib.suppress(OSError):
            found = lock.lstat()
            ours = _SEGMENT_LOCK.fullmatch(lock.name) and stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid()
            if ours and time.time() - found.st_mtime > _MAKING_S:
                with lock.open("rb") as stream:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    lock.with_name(lock.name.removesuffix("_el")).unlink(missing_ok=True)
                    lock.unlink()


def _init(args: Sequence[str] | None) -> None:
    """Start the graph so that each of SIGNALS ends it, also one that comes before there is a graph to end.

    rclpy's own handlers do that, from a thread of their own. They call Python's afterwards, whose KeyboardInterrupt
    would strike anywhere, in the tidying up too; so Python's do nothing once there is a graph. rclpy knows no SIGHUP,
    which comes when a terminal closes: it is passed on as SIGTERM.
    """
    early: list[int] = []
    started = False

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if not started:
            early.append(number)
        elif number == signal.SIGHUP:
            os.kill(os.getpid(), signal.SIGTERM)

    handle_signals(on_signal)
    remove_dead_segments()
    try:
        rclpy.init(args=args)
    except RuntimeError as error:
        advice = "; set ROS_LOG_DIR to a folder that can be written" if "log directory" in str(error) else ""
        raise BadArgumentsError(f"{error}{advice}") from error
    started = True
    if early:
        rclpy.try_shutdown()
    if unknown := remove_ros_args(args)[1:]:
        raise BadArgumentsError(
            f"unknown arguments {' '.join(unknown)}; expected --ros-args -p NAME:=VALUE -r FROM:=TO"
        )


def _spin(node: SpinnableNode) -> bool:
    """Spin until the graph ends, then destroy the node; False when a thread of the node is still busy."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except ExternalShutdownException:
        pass
    except Exception:
        if rclpy.ok():  # otherwise a callback was under way when the signal took the graph from it
            raise
    finally:
        idle = node.close()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
        vars(node).clear()  # services of a lifecycle node keep its shared memory, and a busy thread keeps the node
    return idle
