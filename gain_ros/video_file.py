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

"""Writing videos, whole: OpenCV itself says nothing of a frame that it could not write."""

from __future__ import annotations

import errno
from pathlib import Path

import cv2
import numpy as np


class VideoFile:
    """A video that is being written.

    Args:
        file: where; without a frame there will be none.
        codec: four letters, as OpenCV names it.
        rate_hz: frames a second.

    """

    def __init__(self, file: Path, codec: str, rate_hz: float):
        self._file, self._codec, self._rate_hz = file, codec, rate_hz
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._frames = 0

    def add(self, rgb: np.ndarray) -> None:
        """Write a frame, RGB uint8 (H, W, 3); one of another size than the first is scaled to it. Raises OSError."""
        if self._writer is None:
            self._size = rgb.shape[1], rgb.shape[0]
            codec = cv2.VideoWriter.fourcc(*self._codec)
            self._writer = cv2.VideoWriter(str(self._file), cv2.CAP_FFMPEG, codec, self._rate_hz, self._size)
            if not self._writer.isOpened():
                raise OSError(errno.ENOTSUP, f"OpenCV cannot write {self._codec} here", str(self._file))
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        if rgb.shape[1::-1] != self._size:
            bgr = cv2.resize(bgr, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(bgr)
        self._frames += 1

    def close(self) -> None:
        """End the file. Raises OSError where it does not hold every frame."""
        if self._writer is None:
            return
        self._writer.release()
        capture = cv2.VideoCapture(str(self._file), cv2.CAP_FFMPEG)
        if sum(1 for _ in iter(capture.grab, False)) < self._frames:  # all that a full disk shows to us
            raise OSError(errno.ENOSPC, "it was cut short", str(self._file))
