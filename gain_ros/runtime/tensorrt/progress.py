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

"""How far a build is: written by the thread that builds, read and cancelled by others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class BuildProgress:
    """The state of one build; safe to use from several threads. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._phases: dict[str, _Phase] = {}
        self._what = ""
        self._since = 0.0
        self._share: float | None = None

    def begin(self, what: str) -> None:
        """Note that a build starts; ``what`` names it."""
        with self._lock:
            self._phases, self._what, self._since, self._share = {}, what, self._clock(), None

    def end(self) -> None:
        with self._lock:
            self._what = ""

    def start_phase(self, name: str, parent: str | None, steps: int) -> None:
        with self._lock:
            self._phases[name] = _Phase(parent, max(1, steps))
            self._update()

    def complete_step(self, name: str, step: int) -> bool:
        """Step ``step`` of a phase is done; False where the build is to end."""
        with self._lock:
            if name in self._phases:
                self._phases[name].done = step + 1
            self._update()
        return not self.cancelled

    def finish_phase(self, name: str) -> None:
        with self._lock:
            self._phases.pop(name, None)

    def cancel(self) -> None:
        """Ask the build to end; it does so after its current step, where its library can."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def share(self) -> float | None:
        """Share of the steps that are done, 0 to 1; None where the library tells nothing."""
        with self._lock:
            return self._share

    @property
    def text(self) -> str:
        """One line for logs; empty while nothing is built."""
        with self._lock:
            if not self._what:
                return ""
            share = "" if self._share is None else f"{100 * self._share:.0f} %, "
            return f"building {self._what}: {share}{self._clock() - self._since:.0f} s"

    def _update(self) -> None:
        """Update the share, which never goes back: libraries revise their counts.

        A phase's steps contain its child phases.
        """
        share = sum(self._weight(name) * each.done / each.steps for name, each in self._phases.items())
        self._share = min(1.0, max(self._share or 0.0, share))

    def _weight(self, name: str) -> float:
        weight, phase = 1.0, self._phases[name]
        while phase.parent in self._phases:
            phase = self._phases[phase.parent]
            weight /= phase.steps
        return weight
