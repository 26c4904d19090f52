"""Frames in, masks out: one model in one engine, with the resizes around it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gain_ros.errors import EngineUnavailable, GoldenMismatch
from gain_ros.frames import Frame, YuvFrame, as_array, as_rgb, check_frame
from gain_ros.model_folder import ModelFolder
from gain_ros.resize import labels_from_logits, resize_input
from gain_ros.runtime.engines import Engine, TensorRtOptions

__all__ = ["EngineUnavailable", "GoldenMismatch", "Segmentation", "Segmenter", "TensorRtOptions", "YuvFrame"]

GOLDEN_AGREEMENT = 0.999


@dataclass(frozen=True)
class Segmentation:
    """The mask of one frame, at the frame's size. The arrays belong to whoever holds this.

    ``labels`` is uint8 (H, W), class ids; ``confidence`` is uint8 (H, W), the label's probability in 1/255, or None
    where it was not asked for. ``stage_ms`` holds "pre", "infer" and "post": the milliseconds that the call spent in
    each stage, for all its frames together; waiting for another thread's call is in none of them.
    """

    labels: np.ndarray
    confidence: np.ndarray | None
    stage_ms: dict[str, float]


class Segmenter:
    """A model that is loaded, tested and warm. Make it with
    :func:`gain_ros.runtime.opening.open_segmenter`; several threads may share it.

    ``model_folder`` is the model folder; ``engine``, ``provider`` and ``device`` are what runs; ``reason`` is why
    "auto" took this engine, or "as asked".
    """

    def __init__(self, model_folder: ModelFolder, engine: Engine, reason: str):
        self.model_folder = model_folder
        self.engine = engine.name
        self.engine_version = engine.version
        self.provider = engine.provider
        self.device = engine.device
        self.reason = reason
        self._does_whole_step = engine.whole_step
        self._engine: Engine | None = engine
        self._lock = threading.Lock()

    def warm_up(self, batch: int) -> None:
        """Runs batches of up to ``batch`` frames, which engines prepare for on first use; opening has run one frame."""
        rgb, _ = self.model_folder.golden()
        for frames in range(2, batch + 1):
            self.segment([rgb] * frames)

    def segment(self, frames: Sequence[Frame], confidence: bool = True) -> list[Segmentation]:
        """Masks of frames, RGB uint8 (H, W, 3) or :class:`YuvFrame`; sizes may differ, the engine sees one batch.

        Raises ValueError for anything else, RuntimeError after ``close``.
        """
        if not frames:
            return []
        for frame in frames:
            check_frame(frame)
        return self._whole_step(frames, confidence) if self._does_whole_step else self._steps(frames, confidence)

    def close(self) -> None:
        """Frees the model. May be called again."""
        with self._lock:
            engine, self._engine = self._engine, None
            if engine is not None:
                engine.close()

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _running(self) -> Iterator[Engine]:
        """The engine, for one thread at a time. Raises RuntimeError once closed, also by another thread."""
        with self._lock:
            if self._engine is None:
                raise RuntimeError("this Segmenter is closed; open another one")
            yield self._engine

    def _steps(self, frames: Sequence[Frame], confidence: bool) -> list[Segmentation]:
        start = time.perf_counter()
        pictures = [as_rgb(frame) for frame in frames]
        images = [resize_input(picture, self.model_folder.input_size) for picture in pictures]
        batch = np.stack(images) if len(images) > 1 else np.ascontiguousarray(images[0])[None]
        resized = time.perf_counter()
        with self._running() as engine:
            running = time.perf_counter()
            logits = engine.logits(batch)
        inferred = time.perf_counter()
        masks = [
            labels_from_logits(each, picture.shape[:2], confidence)
            for each, picture in zip(logits, pictures, strict=True)
        ]
        stage_ms = _stage_ms(start + (running - resized), running, inferred, time.perf_counter())
        return [Segmentation(*mask, stage_ms) for mask in masks]

    def _whole_step(self, frames: Sequence[Frame], confidence: bool) -> list[Segmentation]:
        """For engines that do conversion and resizes themselves: one batch for each shape of frames."""
        start = time.perf_counter()
        arrays = [as_array(frame) for frame in frames]
        places: dict[tuple[int, ...], list[int]] = {}
        for place, array in enumerate(arrays):
            places.setdefault(array.shape, []).append(place)
        batches = [(group, _batch([arrays[place] for place in group])) for group in places.values()]
        stacked = time.perf_counter()
        masks = {}
        with self._running() as engine:
            running = time.perf_counter()
            for group, batch in batches:
                masks.update(zip(group, zip(*engine.labels(batch), strict=True), strict=True))
        stage_ms = _stage_ms(start + (running - stacked), running, (end := time.perf_counter()), end)
        return [
            Segmentation(masks[place][0], masks[place][1] if confidence else None, stage_ms)
            for place in range(len(frames))
        ]

    def check_golden(self) -> None:
        """Raise GoldenMismatch unless the model folder's golden picture gives its golden labels."""
        rgb, expected = self.model_folder.golden()
        labels = self.segment([rgb], confidence=False)[0].labels
        agreement = float((labels == expected).mean())
        if agreement < GOLDEN_AGREEMENT:
            raise GoldenMismatch(
                f"engine {self.engine!r} ({self.engine_version}, {self.provider}) gives {100 * agreement:.2f} % of the "
                f"golden pixels of model {self.model_folder.name!r}, expected {100 * GOLDEN_AGREEMENT:.1f} %; take "
                "another engine, or package the model again if every engine fails"
            )


def _batch(arrays: list[np.ndarray]) -> np.ndarray:
    """Along a new first axis; a single array stays where it is, since engines copy it into memory of their own."""
    return np.stack(arrays) if len(arrays) > 1 else arrays[0][None]


def _stage_ms(start: float, prepared: float, inferred: float, end: float) -> dict[str, float]:
    return {
        "pre": 1e3 * (prepared - start),
        "infer": 1e3 * (inferred - prepared),
        "post": 1e3 * (end - inferred),
    }
