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

"""A ROS graph of its own on this machine: a domain nobody uses, localhost only, children that never outlive us."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gain_ros.errors import GraphError
from gain_ros.files import scratch_folder
from gain_ros.shipped import homes

# RTPS 2.5, 9.6.1.1: a domain has 250 UDP ports from 7400 on; the first is discovery's, number 10 the first process's.
_FIRST_PORT, _PORTS_A_DOMAIN, _PARTICIPANT_PORTS = 7400, 250, (0, 10, 11, 12, 13)
_RESERVED_PORT = 249  # no participant of a small graph reaches it
_DOMAINS = range(1, 102)  # beyond, the ports meet those that Linux hands out
_STOP_S = 5.0


@contextlib.contextmanager
def own_domain() -> Iterator[int]:
    """Reserve a domain id that no process on this machine uses, also against others that reserve at the same time.

    Raises:
        GraphError: every domain is taken.

    """
    for domain in random.sample(_DOMAINS, len(_DOMAINS)):
        base = _FIRST_PORT + _PORTS_A_DOMAIN * domain
        reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            reservation.bind(("127.0.0.1", base + _RESERVED_PORT))
        except OSError:
            reservation.close()
            continue
        with reservation:
            if all(_is_free(base + port) for port in _PARTICIPANT_PORTS):
                yield domain
                return
    raise GraphError("every ROS domain from 1 to 101 is in use on this machine; stop another ROS graph first")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def fastdds_profile() -> Path | None:
    """Find the shipped Fast DDS profile."""
    return next((home / "fastdds.xml" for home in homes("config") if (home / "fastdds.xml").is_file()), None)


def graph_variables(domain: int, profile: Path | None) -> dict[str, str | None]:
    """Return the environment of every process in the graph; None removes a variable."""
    distro = os.environ.get("ROS_DISTRO")
    file = str(profile) if profile else None
    before_kilted = distro in ("humble", "iron", "jazzy")  # Fast DDS 2 reads the first name, Fast DDS 3 the second
    return {
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOCALHOST_ONLY": "1" if distro == "humble" else None,  # the only one of the two that Humble knows
        "FASTRTPS_DEFAULT_PROFILES_FILE": file if before_kilted else None,
        "FASTDDS_DEFAULT_PROFILES_FILE": None if before_kilted else file,
        "FASTDDS_BUILTIN_TRANSPORTS": None,
        "PYTHONUNBUFFERED": "1",
    }


@contextlib.contextmanager
def environment(variables: dict[str, str | None]) -> Iterator[None]:
    """Set variables for this process and its children; put the old values back afterwards."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


@contextlib.contextmanager
def own_graph(profile: Path | None) -> Iterator[None]:
    """Give this process and its children a domain of their own; their logs go where they are removed.

    Raises GraphError where every domain is taken.
    """
    with (
        own_domain() as domain,
        scratch_folder() as logs,
        environment({**graph_variables(domain, profile), "ROS_LOG_DIR": str(logs)}),
    ):
        yield


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


class Child:
    """A Python module run as a process; ended with us, whatever ends us.

    Args:
        name: for messages.
        arguments: module and its arguments.
        log: file for what it writes.
        talks: its standard output comes to us instead.

    """

    def __init__(self, name: str, arguments: Sequence[str], log: Path, talks: bool = False):
        self.name, self._log = name, log
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gain_ros.evaluation.live.child", str(os.getpid()), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if talks else errors,
                stderr=errors,
                text=True,
                start_new_session=True,  # Ctrl-C reaches us alone, and we end it in order
                env={**os.environ, "PYTHONPATH": _with_checkout()},
            )

    def write(self, text: str) -> None:
        """Give it something to read."""
        assert self.process.stdin is not None  # a pipe
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def lines(self) -> Iterator[str]:
        """Yield what one that talks writes, line by line, until it ends."""
        assert self.process.stdout is not None  # a pipe
        return iter(self.process.stdout)

    def check(self) -> None:
        """Raise GraphError when it has ended by itself."""
        code = self.process.poll()
        if code is not None:
            raise GraphError(f"the {self.name} ended with code {code}:\n{self.last_words()}")

    def last_words(self, lines: int = 12) -> str:
        """Return the end of what it has written."""
        text = self._log.read_text(errors="replace").strip()
        return "\n".join(text.splitlines()[-lines:]) or "(it wrote nothing)"

    def stop(self) -> None:
        """End it in order, so that it gives its shared memory back, then by force."""
        for end in (self.process.terminate, self.process.kill):
            if self.process.poll() is None:
                end()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(_STOP_S)
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()


def _with_checkout() -> str:
    """Return the PYTHONPATH by which a child finds this very package, from whatever folder we were started."""
    here = str(Path(__file__).resolve().parents[3])
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
