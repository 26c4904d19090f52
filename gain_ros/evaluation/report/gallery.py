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

"""The worst and the best frames of an evaluation as pictures, picked while the frames stream by."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gain_ros.labels import UNLABELLED, LabelSet
from gain_ros.pictures import encode
from gain_ros.runtime import drawing

FOLDER, INDEX = "gallery", "gallery.json"
_STRETCH_FRAMES = 5  # neighbours in a video look alike: one of them stands for all
_WIDTH_PX = 640
_QUALITY = 82
_WRONG, _UNKNOWN = (230, 30, 60), (70, 80, 110)


@dataclass(frozen=True)
class Shown:
    """A frame worth showing: RGB uint8 (H, W, 3), truth and labels uint8 (H, W), its quality in 0..1 and its place."""

    index: int
    stamp_ns: int
    quality: float
    rgb: np.ndarray
    truth: np.ndarray | None
    labels: np.ndarray


class Gallery:
    """Keeps the ``k`` worst and the ``k`` best frames; a frame that is neither costs nothing.

    Args:
        label_set: the classes of truth and labels.
        k: frames at each end.
        measure: what the quality is, for people.

    """

    def __init__(self, label_set: LabelSet, k: int = 6, measure: str = "mIoU"):
        self._label_set, self._k, self._measure = label_set, k, measure
        self._worst: list[Shown] = []
        self._best: list[Shown] = []
        self._seen = 0

    def add(
        self, rgb: np.ndarray, truth: np.ndarray | None, labels: np.ndarray, quality: float | None, stamp_ns: int
    ) -> None:
        """Offer the next frame; the arrays are kept as they are, so the caller must not write to them again.

        Args:
            rgb: uint8 (H, W, 3).
            truth: class ids, uint8 (H, W), or None.
            labels: class ids, uint8 (H, W).
            quality: 0..1, by which frames are ranked; a frame without one is never shown.
            stamp_ns: the frame's stamp.

        """
        index, self._seen = self._seen, self._seen + 1
        if quality is not None and not np.isnan(quality):
            frame = Shown(index, stamp_ns, float(quality), rgb, truth, labels)
            self._worst = self._pick([*self._worst, frame], 1)
            self._best = self._pick([*self._best, frame], -1)

    def merge(self, other: Gallery) -> None:
        """Take in the frames of another one, as if they had come after those of this one."""
        shift = -(-self._seen // _STRETCH_FRAMES) * _STRETCH_FRAMES
        self._worst = self._pick(self._worst + [_later(frame, shift) for frame in other._worst], 1)
        self._best = self._pick(self._best + [_later(frame, shift) for frame in other._best], -1)
        self._seen = shift + other._seen

    def write(self, out: Path) -> None:
        """Write pictures and index to ``out/gallery``: entries from the worst frame to the best, none twice."""
        folder = out / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        frames = {frame.index: frame for frame in (*self._worst, *self._best)}
        ordered = sorted(frames.values(), key=lambda shown: (shown.quality, shown.index))
        entries = [self._write_frame(folder, frame, f"{place:02d}") for place, frame in enumerate(ordered)]
        text = json.dumps({"measure": self._measure, "frames": entries}, indent=1) + "\n"
        (folder / INDEX).write_text(text, encoding="utf-8")

    def _pick(self, frames: list[Shown], sign: int) -> list[Shown]:
        """Return the k frames of lowest ``sign * quality``, one of each stretch."""
        chosen: dict[int, Shown] = {}
        for each in sorted(frames, key=lambda shown: (sign * shown.quality, shown.index)):
            chosen.setdefault(each.index // _STRETCH_FRAMES, each)
        return list(chosen.values())[: self._k]

    def _write_frame(self, folder: Path, frame: Shown, name: str) -> dict:
        pictures = {"image": _encode(frame.rgb, ".jpg"), "mask": self._colours(frame.labels)}
        if frame.truth is not None:
            pictures["truth"] = self._colours(frame.truth)
            pictures["error"] = _encode(error_map(frame.rgb, frame.truth, frame.labels), ".jpg")
        files = {}
        for kind, (suffix, data) in pictures.items():
            files[kind] = f"{name}_{kind}{suffix}"
            (folder / files[kind]).write_bytes(data)
        return {"stamp_ns": frame.stamp_ns, "quality": frame.quality, "files": files}

    def _colours(self, labels: np.ndarray) -> tuple[str, bytes]:
        return _encode(drawing.colorize(labels, self._label_set), ".png")


def _later(frame: Shown, shift: int) -> Shown:
    return dataclasses.replace(frame, index=frame.index + shift)


def error_map(rgb: np.ndarray, truth: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Draw the frame in grey, wrong pixels red and unlabelled ones blue-grey; RGB uint8 (H, W, 3)."""
    grey = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    picture = np.repeat((64 + grey[..., None] // 2).astype(np.uint8), 3, axis=2)
    known = truth != UNLABELLED
    picture[known & (truth != labels)] = _WRONG
    picture[~known] = _UNKNOWN
    return picture


def narrow(rgb: np.ndarray, interpolation: int = cv2.INTER_AREA) -> np.ndarray:
    """Shrink a picture, RGB uint8 (H, W, 3) or ids uint8 (H, W), to at most _WIDTH_PX of width."""
    height, width = rgb.shape[:2]
    if width <= _WIDTH_PX:
        return rgb
    return cv2.resize(rgb, (_WIDTH_PX, max(1, round(height * _WIDTH_PX / width))), interpolation=interpolation)


def _encode(rgb: np.ndarray, suffix: str) -> tuple[str, bytes]:
    """Encode a picture, at most _WIDTH_PX wide: suffix and bytes; colours of classes (.png) never blend."""
    rgb = narrow(rgb, cv2.INTER_NEAREST if suffix == ".png" else cv2.INTER_AREA)
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY] if suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    return suffix, encode(rgb, suffix, *options)
