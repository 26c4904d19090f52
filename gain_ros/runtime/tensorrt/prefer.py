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

"""Serve now, and faster as soon as possible: TensorRT for the frames it has an engine for, the next best else."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gain_ros.errors import EngineUnavailable
from gain_ros.frames import Frame, check_frame, describe
from gain_ros.model_folder import ModelFolder
from gain_ros.runtime.segmenter import EngineSegmenter, Mask, Segmenter
from gain_ros.runtime.tensorrt.progress import BuildProgress

if TYPE_CHECKING:
    from gain_ros.runtime.tensorrt.engine import TensorRtEngine

_logger = logging.getLogger("gain_ros.tensorrt")
_CLOSE_TIMEOUT_S = 1.0
_PENDING, _READY = "pending", "ready"


class PreferTensorRt(Segmenter):
    """Sends each frame to TensorRT where its shape has an engine, else to ``other``.

    The engine of a new shape is loaded, or built with ``build``, in a thread of its own meanwhile; without ``build`` it
    is loaded at once or not at all. The change comes between two calls, so no frame is lost. ``info`` tells what
    served the latest frames. Without ``other``, frames that TensorRT is not ready for raise EngineUnavailable.
    """

    def __init__(
        self,
        model_folder: ModelFolder,
        tensorrt: TensorRtEngine,
        other: Segmenter | None,
        build: BuildProgress | None,
        reason: str,
    ):
        self.model_folder = model_folder
        self._fast = EngineSegmenter(model_folder, tensorrt, reason)
        self._tensorrt, self._other, self._build, self._reason = tensorrt, other, build, reason
        self._states: dict[tuple[int, ...], str] = {}
        self._deciding = threading.Lock()
        self._wanted: queue.SimpleQueue[tuple[int, ...] | None] = queue.SimpleQueue()
        self._closed = False
        self._show(other or self._fast)
        self._thread = threading.Thread(target=self._prepare_wanted, name="tensorrt", daemon=True)
        if build is not None:
            self._thread.start()

    def segment(self, frames: Sequence[Frame], confidence: bool = True) -> list[Mask]:
        for frame in frames:
            check_frame(frame)
        ready = [self._is_ready(frame.shape) for frame in frames]
        results: dict[int, Mask] = {}
        for fast in (True, False):
            places = [place for place, is_fast in enumerate(ready) if is_fast is fast]
            if places:
                run = self._run_fast if fast else self._run_other
                results.update(zip(places, run([frames[place] for place in places], confidence), strict=True))
        return [results[place] for place in range(len(frames))]

    def warm_up(self, batch: int) -> None:
        if self._other is not None:
            self._other.warm_up(batch)

    def close(self) -> None:
        """Free the models and cancel a build. One that cannot be cancelled (TensorRT 8.6) goes on alone."""
        self._closed = True
        if self._build is not None:
            self._build.cancel()
            self._wanted.put(None)
            self._thread.join(_CLOSE_TIMEOUT_S)
        with contextlib.ExitStack() as stack:
            if self._other is not None:
                stack.callback(self._other.close)
            if not self._thread.is_alive():
                stack.callback(self._fast.close)

    def _show(self, used: Segmenter, failure: str = "") -> None:
        self.info = replace(used.info, reason=self._reason, failure=failure)

    def _is_ready(self, shape: tuple[int, ...]) -> bool:
        with self._deciding:
            if shape not in self._states:
                self._states[shape] = _PENDING
                if self._build is None:
                    self._prepare(shape)
                else:
                    self._wanted.put(shape)
            return self._states[shape] == _READY

    def _run_fast(self, frames: Sequence[Frame], confidence: bool) -> list[Mask]:
        try:
            results = self._fast.segment(frames, confidence)
        except Exception as error:  # a GPU may fail in any way; the frames need not
            if self._other is None or self._closed:
                raise
            _logger.error("tensorrt failed, %s takes its frames from now on: %s", self._other.info.engine, error)
            self._states.update((frame.shape, str(error) or repr(error)) for frame in frames)
            return self._run_other(frames, confidence)
        self._show(self._fast)
        return results

    def _run_other(self, frames: Sequence[Frame], confidence: bool) -> list[Mask]:
        if self._other is None:
            states = sorted({self._states[frame.shape] for frame in frames})
            now = self._build.text if self._build else ""
            raise EngineUnavailable(f"tensorrt is not ready and no other engine is installed: {now or states[0]}")
        results = self._other.segment(frames, confidence)
        failures = {self._states[frame.shape] for frame in frames} - {_PENDING, _READY}
        self._show(self._other, "; ".join(sorted(failures)))
        return results

    def _prepare_wanted(self) -> None:
        while (shape := self._wanted.get()) is not None and not self._closed:
            self._prepare(shape)
        if self._closed:
            self._fast.close()

    def _prepare(self, shape: tuple[int, ...]) -> None:
        try:
            self._tensorrt.prepare(shape, self._build, self._other)
        except Exception as error:  # whatever it is, the other engine goes on serving
            self._states[shape] = str(error) or repr(error)
            if not self._closed:
                _logger.warning("no TensorRT for frames of %s: %s", describe(shape), error)
        else:
            self._states[shape] = _READY
            _logger.info("frames of %s go to TensorRT from now on", describe(shape))
