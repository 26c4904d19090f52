"""What every source of frames is: frames in order, each with its stamp, and what could not be read.

Orientation tags (EXIF, video rotation) are ignored everywhere: a mask matches the camera's own pixels, as in the node.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gain_ros.labels import LabelSet

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm")
BAG_SUFFIXES = (".mcap", ".db3", ".bag")

# Takes what is being done, how much of it is done, and of how much (None: unknown).
Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class SourceFrame:
    """One frame: file stem for its mask, RGB uint8 (H, W, 3), stamp, and its true class ids uint8 (H, W) if known."""

    stem: str
    rgb: np.ndarray
    stamp_ns: int
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class BadFrame:
    """A frame that is there and cannot be read, and why."""

    stamp_ns: int
    error: str


class Source(ABC):
    """Frames in order. Iterating again starts over, except on a live source.

    Attributes:
        name: what the user gave.
        length: number of frames, None where unknown.
        rate_hz: frames a second.
        live: a camera: no end, no second look.
        label_set: what the ids in ``labels`` mean; None where there is no truth.
        problems: one line for each frame that could not be read so far; iterating leaves such frames out.
        warnings: what else is odd, known once all frames have been read.
    """

    live = False
    label_set: LabelSet | None = None

    def __init__(self, name: str, length: int | None, rate_hz: float):
        self.name, self.length, self.rate_hz = name, length, rate_hz
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[SourceFrame]:
        self.problems.clear()
        self.warnings.clear()
        for frame in self.frames():
            if isinstance(frame, BadFrame):
                self.problems.append(frame.error)
            else:
                yield frame

    @abstractmethod
    def frames(self) -> Iterator[SourceFrame | BadFrame]:
        """Every frame, also those that cannot be read."""
