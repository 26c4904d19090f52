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

"""Frames in, masks out: one model in one engine, with the resizes around it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gain_ros.errors import GoldenMismatch
from gain_ros.fit import check_graph_size, place, stretched
from gain_ros.frames import Frame, as_array, as_rgb, check_frame
from gain_ros.model_folder import ModelFolder
from gain_ros.resize import labels_from_logits
from gain_ros.runtime.engines import Engine, LogitsEngine, MaskEngine
from gain_ros.score import agreement


@dataclass(frozen=True)
class Mask:
    """The mask of one frame, at the frame's size. The arrays belong to whoever holds this.

    ``labels`` is uint8 (H, W), class ids; ``confidence`` is uint8 (H, W), the label's probability in 1/255, or None
    where it was not asked for. ``stage_ms`` holds "pre", "infer" and "post": the milliseconds that the call spent in
    each stage, for all its frames together; waiting for another thread's call is in none of them.
    """

    labels: np.ndarray
    confidence: np.ndarray | None
    stage_ms: dict[str, float]


@dataclass(frozen=True)
class EngineInfo:
    """Which engine runs a model and why. Take the value once: a Segmenter may replace it between two frames.

    ``provider`` is what the engine runs on, in its own words; ``device`` "cpu" or "cuda"; ``reason`` why this engine
    was taken, or "as asked"; ``failure`` why the one that is preferred to it does not run, where that failed;
    ``precision`` what it computes in, "fp32", "bf16", "fp16" or "int8".
    """

    engine: str
    version: str
    provider: str
    device: str
    reason: str
    failure: str = ""
    precision: str = "fp32"


class Segmenter(Protocol):
    """A model that is loaded, tested and warm.

    Make it with :func:`gain_ros.runtime.opening.open_segmenter`; several threads may share it.
    """

    model_folder: ModelFolder
    info: EngineInfo

    def segment(self, frames: Sequence[Frame], confidence: bool = True) -> list[Mask]:
        """Masks of frames, RGB uint8 (H, W, 3) or :class:`gain_ros.frames.YuvFrame`, whose sizes may differ.

        Raises ValueError for anything else, RuntimeError after ``close``, EngineUnavailable where the GPU fails.
        """

    def warm_up(self, batch: int) -> None:
        """Run batches of up to ``batch`` frames, which engines prepare for on first use; opening has run one frame."""

    def close(self) -> None:
        """Free the model. May be called again."""

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EngineSegmenter(Segmenter):
    """One model in one engine, which sees the frames of a call as one batch."""

    def __init__(self, model_folder: ModelFolder, engine: Engine, reason: str):
        self.model_folder = model_folder
        self.info = EngineInfo(
            engine.name, engine.version, engine.provider, engine.device, reason, precision=engine.precision
        )
        self._engine = engine
        self._closed = False
        self._lock = threading.Lock()

    def warm_up(self, batch: int) -> None:
        rgb, _ = self.model_folder.golden()
        for frames in range(2, batch + 1):
            self.segment([rgb] * frames)

    def segment(self, frames: Sequence[Frame], confidence: bool = True) -> list[Mask]:
        if not frames:
            return []
        for frame in frames:
            check_frame(frame)
        return self._run(frames, self.model_folder.fit, confidence)

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._engine.close()

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold the engine for one thread at a time. Raises RuntimeError once closed, also by another thread."""
        with self._lock:
            if self._closed:
                raise RuntimeError("this Segmenter is closed; open another one")
            yield

    def _run(self, frames: Sequence[Frame], fit: str, confidence: bool = False) -> list[Mask]:
        if isinstance(self._engine, MaskEngine):
            return self._whole_masks(self._engine, frames, confidence)
        return self._masks_of_logits(self._engine, frames, fit, confidence)

    def _masks_of_logits(self, engine: LogitsEngine, frames: Sequence[Frame], fit: str, confidence: bool) -> list[Mask]:
        """One batch for each size that the network runs at."""
        start = time.perf_counter()
        pictures = [as_rgb(frame) for frame in frames]
        placements = [place(picture.shape[:2], self.model_folder.input_size, fit) for picture in pictures]
        batches = _batches(
            [
                np.ascontiguousarray(placement.shown(picture, self.model_folder.mean))
                for placement, picture in zip(placements, pictures, strict=True)
            ]
        )
        resized = time.perf_counter()
        logits: dict[int, np.ndarray] = {}
        with self._turn():
            running = time.perf_counter()
            for group, batch in batches:
                logits.update(zip(group, engine.logits(batch), strict=True))
        inferred = time.perf_counter()
        masks = [
            labels_from_logits(placement.cut(logits[index]), picture.shape[:2], confidence)
            for index, (placement, picture) in enumerate(zip(placements, pictures, strict=True))
        ]
        stage_ms = _stage_ms(start + (running - resized), running, inferred, time.perf_counter())
        return [Mask(*mask, stage_ms) for mask in masks]

    def _whole_masks(self, engine: MaskEngine, frames: Sequence[Frame], confidence: bool) -> list[Mask]:
        """One batch for each shape of frames."""
        start = time.perf_counter()
        batches = _batches([as_array(frame) for frame in frames])
        stacked = time.perf_counter()
        masks: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        with self._turn():
            running = time.perf_counter()
            for group, batch in batches:
                masks.update(zip(group, zip(*engine.labels(batch), strict=True), strict=True))
        stage_ms = _stage_ms(start + (running - stacked), running, (end := time.perf_counter()), end)
        return [
            Mask(masks[index][0], masks[index][1] if confidence else None, stage_ms) for index in range(len(frames))
        ]

    def check_fit(self) -> None:
        """Raise EngineUnavailable or ModelFolderError where frames of other shapes cannot go in as the fit says.

        Engines that give whole masks say so themselves, once they know the frames.
        """
        model, engine = self.model_folder, self._engine
        if isinstance(engine, MaskEngine):
            return
        check_graph_size(model.fit, engine.size, model.name)
        if model.fit == "letterbox":
            rgb, _ = model.golden()
            for half in (rgb[: (len(rgb) + 1) // 2], rgb[:, : (rgb.shape[1] + 1) // 2]):
                self.segment([half], confidence=False)

    def check_golden(self) -> None:
        """Raise GoldenMismatch unless the model folder's golden picture, stretched, gives its golden labels."""
        rgb, expected = self.model_folder.golden()
        info = self.info
        fitted = place(rgb.shape[:2], self.model_folder.input_size, self.model_folder.fit)
        if isinstance(self._engine, MaskEngine) and fitted != stretched(self.model_folder.input_size):
            return  # it fits the picture itself, and the labels are those of the stretched one
        try:
            share = agreement(self._run([rgb], "stretch")[0].labels, expected)
        except Exception as error:  # NaN, sizes that differ: whatever a library raises for a graph it has loaded
            raise GoldenMismatch(
                f"engine {info.engine!r} ({info.version}, {info.provider}) fails on the golden picture of model "
                f"{self.model_folder.name!r}: {error}; take another engine"
            ) from error
        least = self.model_folder.lower_precision().self_test(info.precision)
        if share < least:
            raise GoldenMismatch(
                f"engine {info.engine!r} ({info.version}, {info.provider}) gives {100 * share:.2f} % of the golden "
                f"pixels of model {self.model_folder.name!r}, expected {100 * least:.1f} %; take another "
                "engine, or package the model again if every engine fails"
            )


def _batches(arrays: list[np.ndarray]) -> list[tuple[list[int], np.ndarray]]:
    """Return a batch for each shape, with the positions of its arrays."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, array in enumerate(arrays):
        groups.setdefault(array.shape, []).append(index)
    return [(group, _batch([arrays[index] for index in group])) for group in groups.values()]


def _batch(arrays: list[np.ndarray]) -> np.ndarray:
    """Along a new first axis; a single array stays where it is, since engines copy it into memory of their own."""
    return np.stack(arrays) if len(arrays) > 1 else arrays[0][None]


def _stage_ms(start: float, prepared: float, inferred: float, end: float) -> dict[str, float]:
    return {
        "pre": 1e3 * (prepared - start),
        "infer": 1e3 * (inferred - prepared),
        "post": 1e3 * (end - inferred),
    }
