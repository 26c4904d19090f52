"""Frames in, masks out: one model in one engine, with the resizes around it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gain_ros.bundle import Bundle, find_model, read_bundle
from gain_ros.runtime import auto
from gain_ros.runtime.engines import (
    Engine,
    EngineUnavailable,
    GoldenMismatch,
    TensorRtOptions,
    available_engines,
    open_engine,
)
from gain_ros.runtime.frames import Frame, YuvFrame, as_array, as_rgb, check_frame
from gain_ros.runtime.resize import labels_from_logits, resize_input

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
    """A model that is loaded, tested and warm. Make it with ``Segmenter.open``; several threads may share it.

    ``bundle`` is the model folder; ``engine``, ``provider`` and ``device`` are what runs; ``reason`` is why "auto" took
    this engine, or "as asked".
    """

    def __init__(self, bundle: Bundle, engine: Engine, reason: str):
        self.bundle = bundle
        self.engine = engine.name
        self.engine_version = engine.version
        self.provider = engine.provider
        self.device = engine.device
        self.reason = reason
        self._does_whole_step = engine.whole_step
        self._engine: Engine | None = engine
        self._lock = threading.Lock()

    @classmethod
    def open(
        cls,
        model: str | os.PathLike[str],
        engine: str = "auto",
        device: str = "auto",
        *,
        threads: int | None = None,
        tensorrt: TensorRtOptions | None = None,
    ) -> Segmenter:
        """Loads ``model`` (folder or shipped name), runs its golden pair and is then ready for frames.

        ``engine`` is a name from ``available_engines()`` or "auto"; ``device`` is "cpu", "cuda" (never a silent CPU
        run) or "auto"; ``threads`` bounds the engine's CPU threads; ``tensorrt`` is for engine "tensorrt". "auto"
        prefers TensorRT for all frames that it has an engine for, and takes the fastest of the others else.
        Raises BundleError for a bad folder, EngineUnavailable where engine or device cannot be had, GoldenMismatch
        where the engine's result is wrong, ValueError for unknown names.
        """
        bundle = read_bundle(find_model(model))
        if engine not in ("auto", "tensorrt"):
            return cls._open_checked(bundle, engine, device, threads)
        from gain_ros.runtime.upgrade import open_with_tensorrt

        options = tensorrt or TensorRtOptions()
        return open_with_tensorrt(
            bundle,
            lambda: cls._open_fastest(bundle, device, threads),
            lambda: open_engine("tensorrt", bundle, device, threads, options),
            must=engine == "tensorrt",
            build=options.build,
        )

    @classmethod
    def _open_checked(cls, bundle: Bundle, engine: str, device: str, threads: int | None) -> Segmenter:
        segmenter = cls(bundle, open_engine(engine, bundle, device, threads), "as asked")
        try:
            segmenter._check_golden(*bundle.golden())
        except BaseException:
            segmenter.close()
            raise
        return segmenter

    @classmethod
    def _open_fastest(cls, bundle: Bundle, device: str, threads: int | None) -> Segmenter:
        """The fastest engine that is ready at once, so never TensorRT."""
        rgb, _ = bundle.golden()
        names = [name for name in available_engines() if name != "tensorrt"]
        identity = {
            "model": bundle.digest,
            "device": device,
            "threads": threads,
            "machine": auto.machine(names),
        }
        chosen, reason = auto.choose(
            names,
            identity,
            open_one=lambda name: cls._open_checked(bundle, name, device, threads),
            run=lambda each: each.segment([rgb], confidence=False),
            close=cls.close,
        )
        chosen.reason = reason
        return chosen

    def warm_up(self, batch: int) -> None:
        """Runs batches of up to ``batch`` frames, which engines prepare for on first use; opening has run one frame."""
        rgb, _ = self.bundle.golden()
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
        images = [resize_input(picture, self.bundle.input_size) for picture in pictures]
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

    def _check_golden(self, rgb: np.ndarray, expected: np.ndarray) -> None:
        labels = self.segment([rgb], confidence=False)[0].labels
        agreement = float((labels == expected).mean())
        if agreement < GOLDEN_AGREEMENT:
            raise GoldenMismatch(
                f"engine {self.engine!r} ({self.engine_version}, {self.provider}) gives {100 * agreement:.2f} % of the "
                f"golden pixels of model {self.bundle.name!r}, expected {100 * GOLDEN_AGREEMENT:.1f} %; take another "
                "engine, or package the model again if every engine fails"
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
