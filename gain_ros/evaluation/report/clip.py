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

"""Frames with class colours laid over them as a clip, collected while the frames stream by."""

from __future__ import annotations

import errno
from pathlib import Path

import cv2
import numpy as np

from gain_ros.evaluation.report.gallery import narrow
from gain_ros.labels import LabelSet
from gain_ros.runtime import drawing

CLIPS = ("overlay.webp", "overlay.webm")
_MOST_FRAMES = 150  # the encoder takes all of them at once
_QUALITY = 60
_ALPHA = 0.45


class Clip:
    """Keeps at most _MOST_FRAMES overlays, evenly spaced.

    Args:
        label_set: the classes of the masks.

    """

    def __init__(self, label_set: LabelSet):
        self._label_set = label_set
        self._frames: list[np.ndarray] = []
        self._seen, self._stride = 0, 1

    def add(self, rgb: np.ndarray, labels: np.ndarray) -> None:
        """Take in the next frame, RGB uint8 (H, W, 3), and its mask, uint8 (H, W)."""
        if self._seen % self._stride == 0:
            ids = narrow(labels, cv2.INTER_NEAREST)
            overlay = drawing.overlay(
                narrow(rgb), ids, self._label_set, _ALPHA
            )  # its legend is to be read at this size
            self._frames.append(np.ascontiguousarray(overlay[..., ::-1]))
        self._seen += 1
        if len(self._frames) > _MOST_FRAMES:
            self._frames, self._stride = self._frames[::2], 2 * self._stride

    def write(self, out: Path, rate_hz: float) -> Path | None:
        """Write one of CLIPS to ``out``, for frames that came at ``rate_hz``; None where there was none.

        An animated WebP: every browser plays it, and unlike VP9 it is encoded within seconds. Older OpenCV: VP8.
        """
        if not self._frames:
            return None
        rate_hz /= self._stride
        if hasattr(cv2, "imencodeanimation"):
            animation = cv2.Animation()
            animation.frames = self._frames
            animation.durations = [round(1000 / rate_hz)] * len(self._frames)
            _, webp = cv2.imencodeanimation(".webp", animation, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
            (out / CLIPS[0]).write_bytes(webp.tobytes())
            return out / CLIPS[0]
        height, width = self._frames[0].shape[:2]
        vp8 = cv2.VideoWriter.fourcc(*"VP80")
        writer = cv2.VideoWriter(str(out / CLIPS[1]), vp8, rate_hz, (width, height))
        for frame in self._frames:
            writer.write(frame)
        writer.release()
        capture = cv2.VideoCapture(str(out / CLIPS[1]))
        if sum(1 for _ in iter(capture.grab, False)) < len(self._frames):  # all that a full disk shows to us
            raise OSError(errno.ENOSPC, "it was cut short", str(out / CLIPS[1]))
        return out / CLIPS[1]
