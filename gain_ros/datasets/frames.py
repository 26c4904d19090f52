"""Labelled frames on disk: found, checked, decoded. What is wrong is told at once, with the files' names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import cv2
import numpy as np

from gain_ros.errors import DatasetError
from gain_ros.labels import UNLABELLED

T = TypeVar("T")
ENDINGS = {b"\x89PNG\r\n\x1a\n": b"IEND\xaeB`\x82", b"\xff\xd8\xff": b"\xff\xd9"}  # PNG, JPEG
LONGEST_LIST = 30
NOT_A_CLASS = 254


@dataclass(frozen=True)
class Pair:
    """One image (uint8 H×W×3 RGB) and its labels (uint8 H×W, 255 unlabelled), named by the image file's stem."""

    image: np.ndarray
    labels: np.ndarray
    name: str


@dataclass(frozen=True)
class FramePaths:
    """The files of one frame; ``mask`` is None where the data set keeps the truth to itself."""

    image: Path
    mask: Path | None


class Masks(Protocol):
    """How a data set writes class ids into its mask files."""

    def labels(self, pixels: np.ndarray, path: Path) -> np.ndarray:
        """Decoded file → uint8 H×W class ids, 255 unlabelled. Raises DatasetError naming the file."""


@dataclass(frozen=True)
class IndexMasks:
    """8-bit grey masks. ``classes`` maps the value in the file to a class id; every other value is an error."""

    classes: Mapping[int, int]
    table: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = np.full(256, NOT_A_CLASS, np.uint8)
        table[list(self.classes)] = list(self.classes.values())
        object.__setattr__(self, "table", table)

    def labels(self, pixels: np.ndarray, path: Path) -> np.ndarray:
        expected = f"expected an 8-bit index mask with ids {min(self.classes)}-{max(self.classes)}"
        if pixels.dtype != np.uint8 or pixels.ndim != 2:
            kind = "a colour mask" if pixels.ndim == 3 else f"{pixels.dtype}"
            raise DatasetError(f"{path}: is {kind}; {expected}")
        labels = cv2.LUT(pixels, self.table)
        if (wrong := labels == NOT_A_CLASS).any():
            raise DatasetError(f"{path}: holds the value {pixels[wrong][0]}; {expected}")
        return labels


@dataclass(frozen=True)
class ColorMasks:
    """RGB masks. ``classes`` maps a colour to a class id; every other colour is an error.

    Each channel's value is replaced by its place among the values in use, and the three places are the digits of one
    number below 256: five values at most.
    """

    classes: Mapping[tuple[int, int, int], int]
    digits: np.ndarray = field(init=False, repr=False, compare=False)
    table: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        place = {value: i + 1 for i, value in enumerate(sorted({value for color in self.classes for value in color}))}
        base = len(place) + 1  # 0 is any value not in use
        digits, table = np.zeros((1, 256, 3), np.uint8), np.full(256, NOT_A_CLASS, np.uint8)
        for value, digit in place.items():
            digits[0, value] = digit, digit * base, digit * base**2  # cv2 decodes to BGR
        for (r, g, b), class_id in self.classes.items():
            table[place[b] + place[g] * base + place[r] * base**2] = class_id
        object.__setattr__(self, "digits", digits)
        object.__setattr__(self, "table", table)

    def labels(self, pixels: np.ndarray, path: Path) -> np.ndarray:
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise DatasetError(f"{path}: is no 8-bit RGB mask but {pixels.dtype} {pixels.shape}; an index mask?")
        labels = cv2.LUT(cv2.transform(cv2.LUT(pixels, self.digits), np.ones((1, 3))), self.table)
        if (wrong := labels == NOT_A_CLASS).any():
            b, g, r = pixels[wrong][0].tolist()
            count = len(self.classes)
            raise DatasetError(f"{path}: holds the colour ({r}, {g}, {b}); expected the {count} of the data set")
        return labels


class Frames(Sequence[Pair]):
    """Labelled frames by index."""

    def labels(self, index: int) -> np.ndarray:
        """The labels alone, uint8 H×W."""
        return self[index].labels


@dataclass(frozen=True)
class FramesOnDisk(Frames):
    """Frames decoded whenever they are asked for."""

    paths: Sequence[FramePaths]
    masks: Masks

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Pair:
        """Raises DatasetError for a file that does not decode, a size that differs and a wrong value in the mask."""
        files = self.paths[index]
        image = decode(files.image, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)[..., ::-1]
        labels = np.full(image.shape[:2], UNLABELLED, np.uint8) if files.mask is None else self.labels(index)
        if labels.shape != image.shape[:2]:
            raise DatasetError(
                f"{files.mask}: is {labels.shape[1]}x{labels.shape[0]}, "
                f"its image {image.shape[1]}x{image.shape[0]}; they must agree"
            )
        return Pair(np.ascontiguousarray(image), labels, files.image.stem)

    def labels(self, index: int) -> np.ndarray:
        path = self.paths[index].mask
        return self.masks.labels(decode(path, cv2.IMREAD_UNCHANGED), path)


@dataclass(frozen=True)
class FramesInMemory(Frames):
    """Frames decoded once."""

    pairs: Sequence[Pair]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Pair:
        return self.pairs[index]


def class_counts(frames: Frames, classes: int) -> np.ndarray:
    """Labelled pixels per frame and class, int64 (N, classes). Raises one DatasetError for all masks that are wrong."""

    def count(index: int) -> np.ndarray:
        return np.bincount(frames.labels(index).ravel(), minlength=256)[:classes]

    return np.stack(gather(count, len(frames), "fetch these files again"))


def gather(read: Callable[[int], T], count: int, advice: str) -> list[T]:
    """``read`` of 0..count-1, on threads. Raises one DatasetError that tells every DatasetError met."""

    def attempt(index: int) -> T | DatasetError:
        try:
            return read(index)
        except DatasetError as error:
            return error

    with ThreadPoolExecutor() as threads:
        results = list(threads.map(attempt, range(count)))
    refuse([str(result) for result in results if isinstance(result, DatasetError)], advice)
    return results


def check_files(frames: Sequence[FramePaths]) -> list[str]:
    """What can be seen from outside: a line for every file that is missing, empty, cut short or of another format."""
    paths = [path for frame in frames for path in (frame.image, frame.mask) if path is not None]
    with ThreadPoolExecutor() as threads:
        damages = threads.map(damage, paths)
        return [f"{path}: {found}" for path, found in zip(paths, damages, strict=True) if found]


def damage(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            head, length = stream.read(8), stream.seek(0, 2)
            stream.seek(max(length - 64, 0))
            return damage_of(head, stream.read())
    except OSError as error:
        return error.strerror


def damage_of(head: bytes, tail: bytes) -> str | None:
    ending = next((end for start, end in ENDINGS.items() if head.startswith(start)), None)
    if ending is None:
        return "is no PNG or JPEG file" if head else "is empty"
    return None if ending in tail else "is cut short"


def decode(path: Path, flags: int) -> np.ndarray:
    """The pixels of an image file as cv2 gives them. Raises DatasetError naming the file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}") from error
    found = damage_of(content[:8], content[-64:])  # cv2 fills a file that is cut short with grey
    pixels = None if found else cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if pixels is None:
        raise DatasetError(f"{path}: {found or 'does not decode'}")
    return pixels


def refuse(problems: Sequence[str], advice: str) -> None:
    """Raise one DatasetError for all ``problems``; nothing where there is none."""
    if problems:
        lines = [*problems[:LONGEST_LIST]]
        if len(problems) > LONGEST_LIST:
            lines.append(f"... and {len(problems) - LONGEST_LIST} more")
        raise DatasetError("\n  ".join([f"{len(problems)} problem(s) with the data set; {advice}:", *lines]))
