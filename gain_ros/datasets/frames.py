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

"""Labelled frames on disk: checked and decoded. What is wrong is said at once, with the files' names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import cv2
import numpy as np

from gain_ros.errors import DatasetError, ImageError
from gain_ros.labels import UNLABELLED
from gain_ros.pictures import damage, read_as_stored, read_rgb

T = TypeVar("T")
LONGEST_LIST = 30
NOT_A_CLASS = -1


@dataclass(frozen=True)
class Pair:
    """One image (uint8 H×W×3 RGB) and its labels (uint8 H×W, 255 unlabelled), named by the image file's stem."""

    image: np.ndarray
    labels: np.ndarray
    name: str


class Masks(Protocol):
    """How a data set writes class ids into its mask files."""

    def labels(self, pixels: np.ndarray, path: Path) -> np.ndarray:
        """Turn a decoded file into uint8 H×W class ids, 255 unlabelled. Raises DatasetError naming the file."""
        ...


@dataclass(frozen=True)
class FrameFiles:
    """The files of one frame; ``mask`` is None where the data set keeps the truth to itself."""

    image: Path
    mask: Path | None
    masks: Masks

    def labels(self) -> np.ndarray | None:
        """Return the class ids, uint8 H×W, 255 unlabelled. Raises DatasetError or ImageError naming the file."""
        return None if self.mask is None else self.masks.labels(read_as_stored(self.mask), self.mask)


@dataclass(frozen=True)
class IndexMasks:
    """8-bit grey masks. ``classes`` maps the value in the file to a class id; 255 stays, every other is an error."""

    classes: Mapping[int, int]
    table: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = np.full(256, NOT_A_CLASS, np.int16)
        table[[UNLABELLED, *self.classes]] = [UNLABELLED, *self.classes.values()]
        object.__setattr__(self, "table", table)

    def labels(self, pixels: np.ndarray, path: Path) -> np.ndarray:
        expected = f"expected an 8-bit index mask with ids {min(self.classes)}-{max(self.classes)} or {UNLABELLED}"
        if pixels.dtype != np.uint8 or pixels.ndim != 2:
            kind = "a colour mask" if pixels.ndim == 3 else f"{pixels.dtype}"
            raise DatasetError(f"{path}: is {kind}; {expected}")
        labels = cv2.LUT(pixels, self.table)
        if (wrong := labels == NOT_A_CLASS).any():
            raise DatasetError(f"{path}: holds the value {pixels[wrong][0]}; {expected}")
        return labels.astype(np.uint8)


@dataclass(frozen=True)
class ColorMasks:
    """RGB masks. ``classes`` maps a colour to a class id; every other colour is an error.

    Each channel's value is replaced by its place among the values in use, and the three places are the digits of one
    number, the place in the table.
    """

    classes: Mapping[tuple[int, int, int], int]
    digits: np.ndarray = field(init=False, repr=False, compare=False)
    table: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        digits, base = np.zeros((3, 256), np.int32), 1
        for channel, values in enumerate(zip(*self.classes, strict=True)):
            used = sorted(set(values))
            digits[channel, used] = base * np.arange(1, len(used) + 1)  # 0 is any value not in use
            base *= len(used) + 1
        table = np.full(base, NOT_A_CLASS, np.int16)
        for color, class_id in self.classes.items():
            table[sum(digits[channel, value] for channel, value in enumerate(color))] = class_id
        object.__setattr__(self, "digits", digits)
        object.__setattr__(self, "table", table)

    def labels(self, pixels: np.ndarray, path: Path) -> np.ndarray:
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise DatasetError(f"{path}: is no 8-bit RGB mask but {pixels.dtype} {pixels.shape}; an index mask?")
        red, green, blue = self.digits
        labels = self.table[red[pixels[..., 2]] + green[pixels[..., 1]] + blue[pixels[..., 0]]]  # decoded as BGR
        if (wrong := labels == NOT_A_CLASS).any():
            b, g, r = pixels[wrong][0].tolist()
            count = len(self.classes)
            raise DatasetError(f"{path}: holds the colour ({r}, {g}, {b}); expected the {count} of the data set")
        return labels.astype(np.uint8)


class Frames(ABC):
    """Labelled frames by index."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Pair: ...

    def __iter__(self) -> Iterator[Pair]:
        return (self[index] for index in range(len(self)))

    @abstractmethod
    def name(self, index: int) -> str:
        """Return a frame's name without decoding it."""

    def labels(self, index: int) -> np.ndarray:
        """Return the labels alone, uint8 H×W."""
        return self[index].labels


@dataclass(frozen=True)
class SomeFrames(Frames):
    """Those of other frames that ``indices`` name."""

    frames: Frames
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Pair:
        return self.frames[self.indices[index]]

    def name(self, index: int) -> str:
        return self.frames.name(self.indices[index])

    def labels(self, index: int) -> np.ndarray:
        return self.frames.labels(self.indices[index])


def split_by_drive(frames: Frames, held_out: Sequence[str]) -> tuple[SomeFrames, SomeFrames]:
    """Part frames into those of other drives, and those of the drives held out.

    A drive is what a frame's name begins with: one of CamVid's ("0006R0", "0016E5", "0001TP", "Seq05VD"), a city of
    Cityscapes. Neighbours in one drive look alike, so only a drive that was not trained on tells how a network does on
    a new road. Raises DatasetError for a drive that is not there, and where none is left.
    """
    drives = [frames.name(index).partition("_")[0] for index in range(len(frames))]
    missing, known = sorted(set(held_out) - set(drives)), sorted(set(drives))
    if missing or set(held_out) == set(known):
        raise DatasetError(
            f"held out are {list(held_out)}; expected some, and not all, of the drives {', '.join(known)}"
        )
    parts = ([i for i, drive in enumerate(drives) if (drive in held_out) is held] for held in (False, True))
    others, held = (SomeFrames(frames, part) for part in parts)
    return others, held


@dataclass(frozen=True)
class FramesOnDisk(Frames):
    """Frames decoded whenever they are asked for."""

    files: Sequence[FrameFiles]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Pair:
        """Raise ImageError for a file that does not decode, DatasetError for a size that differs or a wrong mask."""
        files = self.files[index]
        image, labels = read_rgb(files.image), files.labels()
        if labels is None:
            labels = np.full(image.shape[:2], UNLABELLED, np.uint8)
        if labels.shape != image.shape[:2]:
            raise DatasetError(
                f"{files.mask}: is {labels.shape[1]}x{labels.shape[0]}, "
                f"its image {image.shape[1]}x{image.shape[0]}; they must agree"
            )
        return Pair(np.ascontiguousarray(image), labels, files.image.stem)

    def name(self, index: int) -> str:
        return self.files[index].image.stem

    def labels(self, index: int) -> np.ndarray:
        labels = self.files[index].labels()
        return self[index].labels if labels is None else labels


@dataclass(frozen=True)
class FramesInMemory(Frames):
    """Frames decoded once."""

    pairs: Sequence[Pair]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Pair:
        return self.pairs[index]

    def name(self, index: int) -> str:
        return self.pairs[index].name


def class_counts(frames: Frames, classes: int) -> np.ndarray:
    """Labelled pixels per frame and class, int64 (N, classes). Raises one DatasetError for all masks that are wrong."""

    def count(index: int) -> np.ndarray:
        return np.bincount(frames.labels(index).ravel(), minlength=256)[:classes]

    return np.stack(gather(count, len(frames), "fetch these files again"))


def gather(read: Callable[[int], T], count: int, advice: str) -> list[T]:
    """Call ``read`` with 0..count-1, on threads. Raises one DatasetError that tells every picture or mask at fault."""
    values, problems = attempt_all(read, count)
    refuse(problems, advice)
    return values


def attempt_all(read: Callable[[int], T], count: int) -> tuple[list[T], list[str]]:
    """Call ``read`` with 0..count-1, on threads: what it returned, and what is wrong with each other file."""

    def attempt(index: int) -> tuple[list[T], list[str]]:
        try:
            return [read(index)], []
        except (DatasetError, ImageError) as error:
            return [], [str(error)]

    with ThreadPoolExecutor() as threads:
        results = list(threads.map(attempt, range(count)))
    return [each for values, _ in results for each in values], [each for _, wrong in results for each in wrong]


def check_files(frames: Sequence[FrameFiles]) -> list[str]:
    """Return a line for every file that is missing, empty, cut short or of another format, seen from outside."""
    paths = [path for frame in frames for path in (frame.image, frame.mask) if path is not None]
    with ThreadPoolExecutor() as threads:
        return [f"{path}: {found}" for path, found in zip(paths, threads.map(damage, paths), strict=True) if found]


def refuse(problems: Sequence[str], advice: str) -> None:
    """Raise one DatasetError for all ``problems``; nothing where there is none."""
    if problems:
        lines = [*problems[:LONGEST_LIST]]
        if len(problems) > LONGEST_LIST:
            lines.append(f"... and {len(problems) - LONGEST_LIST} more")
        raise DatasetError("\n  ".join([f"{len(problems)} problem(s) with the data set; {advice}:", *lines]))
