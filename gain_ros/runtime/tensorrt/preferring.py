"""Serve now, and better as soon as possible: TensorRT for the frames it has an engine for, the next best else."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gain_ros.errors import EngineNotBuilt, EngineUnavailable
from gain_ros.frames import Frame, check_frame, describe
from gain_ros.model_folder import ModelFolder
from gain_ros.runtime.engines import available_engines
from gain_ros.runtime.segmenter import Segmentation, Segmenter
from gain_ros.runtime.tensorrt.progress import BuildProgress

if TYPE_CHECKING:
    from gain_ros.runtime.tensorrt.engine import TensorRtEngine

_logger = logging.getLogger("gain_ros.tensorrt")
_CLOSE_TIMEOUT_S = 1.0
_PENDING, _READY = "pending", "ready"


def open_with_tensorrt(
    model_folder: ModelFolder,
    open_base: Callable[[], Segmenter],
    open_tensorrt: Callable[[], TensorRtEngine],
    must: bool,
    build: BuildProgress | None,
) -> Segmenter:
    """A Segmenter that prefers TensorRT to the engine of ``open_base``.

    ``must``: TensorRT was asked for by name, so a machine that lacks it is an error, and without ``build`` nothing else
    serves. Raises EngineUnavailable; EngineNotBuilt where no engine of this model was built and ``build`` is None.
    """
    if not must and "tensorrt" not in available_engines():
        return open_base()
    try:
        engine = open_tensorrt()
        shapes = engine.store.built_shapes()
        if build is None and not shapes:
            raise EngineNotBuilt(
                f"no TensorRT engine of {model_folder.name} was built here; run `gain build {model_folder.name}`"
            )
    except EngineUnavailable as error:
        if must:
            raise
        base = open_base()
        base.reason += f"; tensorrt left out: {error}"
        return base
    fast = Segmenter(model_folder, engine, "as asked")
    if must and build is None:
        return fast
    try:
        base = open_base()
    except EngineUnavailable as error:
        if build is None:
            return fast
        _logger.warning("no other engine can serve while TensorRT builds: %s", error)
        base = None
    return UpgradingSegmenter(base, fast, engine, build, shapes)


class UpgradingSegmenter(Segmenter):
    """Sends each frame to TensorRT (``fast``) where its shape has an engine, else to ``base``.

    The engine of a new shape is loaded, or built with ``build``, in a thread of its own meanwhile; without ``build`` it
    is loaded at once or not at all. The change comes between two calls, so no frame is lost. ``engine``, ``provider``
    and ``device`` tell what served the latest frames.
    """

    def __init__(
        self,
        base: Segmenter | None,
        fast: Segmenter,
        engine: TensorRtEngine,
        build: BuildProgress | None,
        built: Sequence[tuple[int, ...]],
    ):
        self.model_folder = fast.model_folder
        self._base, self._fast, self._tensorrt, self._build = base, fast, engine, build
        self._states: dict[tuple[int, ...], str] = {}
        self._deciding = threading.Lock()
        self._wanted: queue.SimpleQueue[tuple[int, ...] | None] = queue.SimpleQueue()
        self._closed = False
        self._show(base or fast)
        shapes = ", ".join(map(describe, built)) or "none yet"
        other = f"{base.engine} until then: {base.reason}" if base else "no other engine until then"
        self.reason = f"tensorrt is preferred for frames that it has an engine for ({shapes}); {other}"
        self._thread = threading.Thread(target=self._prepare_wanted, name="tensorrt", daemon=True)
        if build is not None:
            self._thread.start()

    def segment(self, frames: Sequence[Frame], confidence: bool = True) -> list[Segmentation]:
        for frame in frames:
            check_frame(frame)
        ready = [self._is_ready(frame.shape) for frame in frames]
        results: dict[int, Segmentation] = {}
        for fast in (True, False):
            places = [place for place, is_fast in enumerate(ready) if is_fast is fast]
            if places:
                run = self._run_fast if fast else self._run_base
                results.update(zip(places, run([frames[place] for place in places], confidence), strict=True))
        return [results[place] for place in range(len(frames))]

    def warm_up(self, batch: int) -> None:
        if self._base is not None:
            self._base.warm_up(batch)

    def close(self) -> None:
        """Frees the models and cancels a build. One that cannot be cancelled (TensorRT 8.6) goes on alone."""
        self._closed = True
        if self._build is not None:
            self._build.cancel()
            self._wanted.put(None)
            self._thread.join(_CLOSE_TIMEOUT_S)
        if self._base is not None:
            self._base.close()
        if not self._thread.is_alive():
            self._fast.close()

    def _show(self, used: Segmenter) -> None:
        self.engine, self.engine_version = used.engine, used.engine_version
        self.provider, self.device = used.provider, used.device

    def _is_ready(self, shape: tuple[int, ...]) -> bool:
        with self._deciding:
            if shape not in self._states:
                self._states[shape] = _PENDING
                if self._build is None:
                    self._prepare(shape)
                else:
                    self._wanted.put(shape)
            return self._states[shape] == _READY

    def _run_fast(self, frames: Sequence[Frame], confidence: bool) -> list[Segmentation]:
        try:
            results = self._fast.segment(frames, confidence)
        except Exception as error:  # a GPU may fail in any way; the frames need not
            if self._base is None or self._closed:
                raise
            _logger.error("tensorrt failed, %s takes its frames from now on: %s", self._base.engine, error)
            self._states.update((frame.shape, str(error)) for frame in frames)
            return self._run_base(frames, confidence)
        self._show(self._fast)
        return results

    def _run_base(self, frames: Sequence[Frame], confidence: bool) -> list[Segmentation]:
        if self._base is None:
            states = sorted({self._states[frame.shape] for frame in frames})
            now = self._build.text if self._build else ""
            raise EngineUnavailable(f"tensorrt is not ready and no other engine is installed: {now or states[0]}")
        results = self._base.segment(frames, confidence)
        self._show(self._base)
        return results

    def _prepare_wanted(self) -> None:
        while (shape := self._wanted.get()) is not None and not self._closed:
            self._prepare(shape)
        if self._closed:
            self._fast.close()

    def _prepare(self, shape: tuple[int, ...]) -> None:
        reference = None if self._base is None else self._reference
        try:
            self._tensorrt.prepare(shape, self._build, reference)
        except Exception as error:  # whatever it is, the base goes on serving
            self._states[shape] = str(error)
            if not self._closed:
                _logger.warning("no TensorRT for frames of %s: %s", describe(shape), error)
        else:
            self._states[shape] = _READY
            _logger.info("frames of %s go to TensorRT from now on", describe(shape))

    def _reference(self, frame: Frame) -> np.ndarray:
        return self._base.segment([frame], confidence=False)[0].labels
