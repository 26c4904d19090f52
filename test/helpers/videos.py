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

"""Video files, whole and cut short."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_video(path: Path, codec: str = "MJPG", frames: int = 20, rate_hz: float = 12.5) -> Path:
    """Write grey frames of 64x48, each a little lighter than the one before, with some noise."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), rate_hz, (64, 48))
    rng = np.random.default_rng(0)
    for index in range(frames):
        writer.write(rng.integers(10 * index, 10 * index + 60, (48, 64, 3)).astype(np.uint8))
    writer.release()
    return path


def cut_short(path: Path, share: float = 0.6) -> Path:
    """Keep that share of a file's bytes, as where a copy was interrupted."""
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def index_first(path: Path) -> Path:
    """Move the index of an MP4 (moov) before its frames, as in files for the web: a cut one can be played."""
    data = path.read_bytes()
    mdat, moov = data.index(b"mdat") - 4, data.rindex(b"moov") - 4
    index = bytearray(data[moov:])
    table = index.index(b"stco") + 8
    for entry in range(table + 4, table + 4 + 4 * int.from_bytes(index[table : table + 4], "big"), 4):
        offset = int.from_bytes(index[entry : entry + 4], "big") + len(index)
        index[entry : entry + 4] = offset.to_bytes(4, "big")
    path.write_bytes(data[:mdat] + index + data[mdat:moov])
    return path
