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

"""What every source of frames is: frames in order, each with its stamp, and what could not be read.

Orientation tags (EXIF, video rotation) are ignored everywhere: a mask matches the camera's own pixels, as in the node.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gain_ros.errors import CutShort, ImageError
from gain_ros.labels import LabelSet

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm")  # what is taken for a picture; pictures.py refuses some
BAG_SUFFIXES = (".mcap", ".db3", ".bag")

OnProgress = Callable[[str, int, int | None], None]
"""Takes what is being done, how much of it is done, and of how much (None: unknown)."""


@dataclass(frozen=True)
class SourceFrame:
    """One frame: file stem for its mask, RGB uint8 (H, W, 3), stamp, and its true class ids uint8 (H, W) if known.

    ``file`` is the picture file that holds it, None where it comes from something else.
    """

    stem: str
    rgb: np.ndarray
    stamp_ns: int
    labels: np.ndarray | None = None
    file: Path | None = None


@dataclass(frozen=True)
class BadFrame:
    """A frame that is there and cannot be read, and why."""

    stamp_ns: int
    error: str
    labels: ClassVar[None] = None


@dataclass(frozen=True)
class RecordedMessage:
    """A bag's message with a header: its stamp, or the time of recording where it has none, and its content on demand.

    ``decoded`` is the message as rosbags gives it, or why its bytes do not make one.
    """

    stamp_ns: int
    log_ns: int
    unstamped: bool
    decoded: Any

    def content(self) -> Any:
        """Return the message itself. Raises ImageError where its bytes do not make one."""
        if isinstance(self.decoded, Exception):
            raise ImageError(f"the message does not decode: {self.decoded}; it was recorded incompletely")
        return self.decoded


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera without distortion, in pixels."""

    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float


class Source(ABC):
    """Frames in order. Iterating again starts over, except on a live source.

    Attributes:
        name: what the user gave.
        length: number of frames, None where unknown.
        rate_hz: frames a second.
        live: a camera: no end, no second look.
        lossy: frames were compressed with loss already, so that JPEG takes little more from them.
        topic: the image topic of a bag; None for whatever is no bag.
        compressed: the topic carries CompressedImage.
        label_topics: the topics of a bag that hold class ids.
        label_set: what the ids in ``labels`` mean; None where there is no truth.
        problems: one line for each frame that could not be read so far, and one where the source is cut short.
        unreadable: how many frames they stand for; iterating leaves these out.
        warnings: what else is odd, known once all frames have been read.

    """

    live = False
    lossy = False
    topic: str | None = None
    compressed = False
    label_topics: tuple[str, ...] = ()
    label_set: LabelSet | None = None

    def __init__(self, name: str, length: int | None, rate_hz: float):
        self.name, self.length, self.rate_hz = name, length, rate_hz
        self.problems: list[str] = []
        self.unreadable = 0
        self.warnings: list[str] = []

    @property
    def spec(self) -> str:
        """Return what opens this very source again."""
        return self.name

    def __iter__(self) -> Iterator[SourceFrame]:
        return (frame for frame in self.noted() if isinstance(frame, SourceFrame))

    def noted(self) -> Iterator[SourceFrame | BadFrame]:
        """Yield every frame, also those that cannot be read, and note in ``problems`` what is not there."""
        self.problems.clear()
        self.warnings.clear()
        self.unreadable = 0
        try:
            for frame in self.frames():
                if isinstance(frame, BadFrame):
                    self._note(frame.error, 1)
                yield frame
        except CutShort as error:
            self._note(str(error), error.missing)

    def _note(self, problem: str, unreadable: int) -> None:
        self.problems.append(problem)
        self.unreadable += unreadable

    @abstractmethod
    def frames(self) -> Iterator[SourceFrame | BadFrame]:
        """Yield every frame, also those that cannot be read. Raises CutShort at the end of a recording cut short."""

    def messages(self) -> Iterator[RecordedMessage]:
        """Yield the messages of ``topic`` as they were recorded; none where there is no topic."""
        return iter(())

    def intrinsics(self, path: Path) -> Intrinsics | None:
        """Return the camera of one of the source's picture files, where it is known. Raises SourceError."""
        return None
