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

"""A model from the order to open it to its end, in threads beside the one that serves. Imports no ROS."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gain_ros.runtime.tensorrt.progress import BuildProgress

if TYPE_CHECKING:
    from gain_ros.class_output import ClassOutput
    from gain_ros.runtime.segmenter import Segmenter


class Loading:
    """A model that is opened and warmed up in a thread of its own.

    Args:
        opening: the parameters it is opened with, by name.
        open_segmenter: opens it with them; what it gives is freed here unless :meth:`take` hands it on.
        on_end: called by the thread when it has ended, unless abandoned; it has to be quick.

    """

    def __init__(
        self,
        opening: Mapping[str, Any],
        open_segmenter: Callable[[Mapping[str, Any], BuildProgress], Segmenter],
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.opening = opening
        self.build = BuildProgress()
        self._since = time.monotonic()
        self._open, self._on_end = open_segmenter, on_end
        self._lock = threading.Lock()
        self._abandoned = False
        self._segmenter: Segmenter | None = None
        self._error: BaseException | None = None
        self._ended = threading.Event()
        # A daemon: what a library does while it loads cannot be stopped.
        threading.Thread(target=self._run, name="load", daemon=True).start()

    @property
    def loading_s(self) -> float:
        """How long it has been loading."""
        return time.monotonic() - self._since

    def ended(self, timeout_s: float = 0.0) -> bool:
        """Whether opening has ended, well or not, within ``timeout_s``."""
        return self._ended.wait(timeout_s)

    def take(self) -> Segmenter:
        """Hand on what was opened, once, after the end. Raises what opening has raised."""
        if self._error is not None:
            raise self._error
        assert self._segmenter is not None
        segmenter, self._segmenter = self._segmenter, None
        return segmenter

    def abandon(self) -> None:
        """Give it up: what was opened, or still will be, is freed."""
        self.build.cancel()
        with self._lock:
            self._abandoned = True
            segmenter, self._segmenter = self._segmenter, None
        if segmenter is not None:
            segmenter.close()

    def _run(self) -> None:
        try:
            segmenter = self._open(self.opening, self.build)
        except BaseException as error:  # whatever a library raises is for whoever takes the model
            self._error = error
        else:
            with self._lock:
                abandoned = self._abandoned
                self._segmenter = None if abandoned else segmenter
            if abandoned:
                segmenter.close()
        self._ended.set()
        with self._lock:
            if not self._abandoned:
                self._on_end()


@dataclass(eq=False)
class Model:
    """A model that serves, or has served.

    Attributes:
        opening: the parameters it was opened with, by name.
        segmenter: what makes the masks.
        build: the progress of engines that are built for it.
        class_output: remap and min_confidence, and what masks hold by them.

    """

    opening: Mapping[str, Any]
    segmenter: Segmenter
    build: BuildProgress
    class_output: tuple[tuple[tuple[str, ...], tuple[str, ...]], ClassOutput]
    _closing: threading.Thread | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        return self.segmenter.model_folder.name

    def close_after(self, wait_unused: Callable[[], None]) -> None:
        """Free it, in a thread of its own, once ``wait_unused`` has returned."""

        def close() -> None:
            wait_unused()
            self.segmenter.close()

        self._closing = threading.Thread(target=close, name="retire", daemon=True)
        self._closing.start()

    def closed(self, timeout_s: float = 0.0) -> bool:
        """Whether nothing of it is at work any more; waits up to ``timeout_s`` for :meth:`close_after`."""
        if self._closing is not None:
            self._closing.join(timeout_s)
        return not self.build.text and (self._closing is None or not self._closing.is_alive())
