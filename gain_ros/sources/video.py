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

"""Video files and webcams, through OpenCV."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from gain_ros.errors import CutShort, SourceError
from gain_ros.pictures import MAX_PIXELS, check_size
from gain_ros.sources.containers import is_cut
from gain_ros.sources.source import BAG_SUFFIXES, BadFrame, Source, SourceFrame

_SILENCE_MS = 5000


class VideoSource(Source):
    """A video file, through OpenCV.

    Raises SourceError where OpenCV cannot read it; while frames are read, CutShort for a file that was. Its container's
    sizes tell that, not its frame count, which is often a guess, or counts frames that are hidden on purpose.
    """

    lossy = True

    def __init__(self, name: str, path: Path):
        capture = self._open(path)
        rate_hz, length = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        readable, first = capture.read()
        capture.release()
        if not readable:
            raise SourceError(
                f"{name!r} is neither a video that OpenCV can read nor one of .png, .jpg, .jpeg, "
                f"{', '.join(BAG_SUFFIXES)}; convert it, for example to MP4"
            )
        check_size(first.shape[0], first.shape[1], MAX_PIXELS)
        super().__init__(name, length if length > 0 else None, rate_hz if 0 < rate_hz < 1000 else 25.0)
        self._path = path

    @staticmethod
    def _open(path: Path) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        return capture

    def frames(self) -> Iterator[SourceFrame]:
        capture = self._open(self._path)
        digits = max(6, len(str(self.length or 0)))
        try:
            index = 0
            while True:
                readable, bgr = capture.read()
                if not readable:
                    break
                rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                yield SourceFrame(f"{index:0{digits}d}", rgb, round(index * 1e9 / self.rate_hz))
                index += 1
        finally:
            capture.release()
        if (self.length is None or index < self.length) and is_cut(self._path):
            raise CutShort(
                f"{self.name!r} is cut short after {index} of {self.length or 'an unknown number of'} frames; "
                "what is there was used: copy the video again, or record again",
                (self.length or 0) - index,
            )


class StreamSource(Source):
    """A camera or a video on the network. It ends where nothing more comes for five seconds.

    Without the password, if there is one, ``name`` is what the user gave. Raises SourceError where no picture comes.
    """

    live = True
    lossy = True

    def __init__(self, url: str):
        name = re.sub(r"//[^/]*@", "//", url)
        self._url = url
        _silence_opencv()
        limits = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _SILENCE_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _SILENCE_MS)
        self._capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
        readable, first = self._capture.read()
        if not readable:
            raise SourceError(
                f"no picture comes from {name!r} within {_SILENCE_MS / 1000:.0f} s; check the address, the "
                "network and, with a player such as ffplay, the stream"
            )
        check_size(first.shape[0], first.shape[1], MAX_PIXELS)
        self._first = first
        rate_hz = self._capture.get(cv2.CAP_PROP_FPS)
        super().__init__(name, None, rate_hz if 1 <= rate_hz <= 240 else 30.0)

    @property
    def spec(self) -> str:
        return self._url

    def frames(self) -> Iterator[SourceFrame]:
        index, readable, bgr = 0, True, self._first
        while readable:
            yield SourceFrame(f"{index:06d}", cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), time.time_ns())
            index += 1
            readable, bgr = self._capture.read()
        self.warnings.append(f"{self.name!r} ended after {index} frames")


def _silence_opencv() -> None:
    """Keep OpenCV and FFmpeg from lines of their own: we say in one what is wrong."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    with contextlib.suppress(AttributeError):  # OpenCV 4.5
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class CameraSource(Source):
    """A webcam."""

    live = True

    def __init__(self, name: str, index: int):
        self._capture = cv2.VideoCapture(index)
        readable, _ = self._capture.read()
        if not readable:
            raise SourceError(f"webcam {index} gives no picture; is it plugged in, free, and readable by this user?")
        rate_hz = self._capture.get(cv2.CAP_PROP_FPS)
        super().__init__(name, None, rate_hz if 1 <= rate_hz <= 240 else 30.0)

    def frames(self) -> Iterator[SourceFrame | BadFrame]:
        index = 0
        while True:
            readable, bgr = self._capture.read()
            if not readable:
                yield BadFrame(time.time_ns(), f"{self.name}: the webcam stopped after {index} frames")
                return
            yield SourceFrame(f"{index:06d}", cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), time.time_ns())
            index += 1
