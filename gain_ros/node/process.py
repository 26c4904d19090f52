"""From a node class to a well-behaved process: arguments, signals, exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

Result = TypeVar("Result")

BAD_INPUT = 2


class ShutdownRequestedError(Exception):
    """The process was told to end while something long was under way."""


def run_node(make_node: Callable[[], Any], args: Sequence[str] | None = None) -> int:
    """Spin the node until SIGINT, SIGTERM or an outside shutdown, and tidy up.

    Args:
        make_node: makes the node; it has ``close() -> bool``, False when a thread of its own is still busy.
        args: command line, ``--ros-args`` included; None takes ``sys.argv``.

    Returns:
        Exit code: 0, or 2 where a parameter given at start is refused (one line on standard error).
    """
    # rclpy's own handlers end the context on both signals, from a thread of their own. Python's KeyboardInterrupt on
    # top would strike anywhere, in the tidying up too, so SIGINT is taken from it before rclpy chains to it.
    signal.signal(signal.SIGINT, _leave_to_rclpy)
    rclpy.init(args=args)
    try:
        node = make_node()
    except ParameterException as error:
        print(f"gain_ros: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return BAD_INPUT
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
    if not idle:
        # A thread inside an engine cannot be stopped, and taking down the interpreter under it may crash: leave
        # without.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def run_interruptible(work: Callable[[], Result], interrupted: Callable[[], bool]) -> Result:
    """Run ``work`` in a thread of its own and wait for it, so that a signal can end the wait.

    Raises:
        ShutdownRequestedError: ``interrupted`` became true first; the thread goes on alone.
        BaseException: whatever ``work`` raised.
    """
    outcome: dict[str, Any] = {}

    def body() -> None:
        try:
            outcome["result"] = work()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=body, name="load", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.05)
        if interrupted() and thread.is_alive():
            raise ShutdownRequestedError("the process was told to end")
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]


def _leave_to_rclpy(_signum: int, _frame: Any) -> None:
    """Do nothing: rclpy's handler has been called already."""
