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

"""Is a video file as long as its container says? AVI, MP4 (QuickTime) and Matroska (WebM) write down their sizes."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_MOVIE = (b"mdat", b"moov", b"moof")  # behind the boxes, some cameras append what is none


def is_cut(path: Path) -> bool:
    """Tell whether a part of the container lies behind the end of the file. False where a container does not say."""
    if not path.is_file():  # a pipe
        return False
    with path.open("rb") as stream:
        magic = stream.read(8)
        stream.seek(0)
        if magic.startswith(b"RIFF"):
            end = _end_of_riff(stream)
        elif magic.startswith(_EBML):
            end = _end_of_matroska(stream)
        else:
            end = _end_of_boxes(stream) if magic[4:] == b"ftyp" else 0
    return end > path.stat().st_size


def _end_of_riff(stream: BinaryIO) -> int:
    """Add up the chunks; a long AVI has several."""
    end = 0
    while (head := stream.read(8)).startswith(b"RIFF") and len(head) == 8:
        end += 8 + int.from_bytes(head[4:], "little")
        stream.seek(end + end % 2)
    return end


def _end_of_boxes(stream: BinaryIO) -> int:
    """Find the end of the last box that holds the film or its index."""
    start = end = 0
    while len(head := stream.read(16)) >= 8:
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        if size < 8:  # 0: up to the end of the file
            break
        start += size
        end = start if kind in _MOVIE else end
        stream.seek(start)
    return end


def _end_of_matroska(stream: BinaryIO) -> int:
    """Find the end of the segment behind the header; 0 where its size was never filled in."""
    stream.seek(4)
    header = _vint(stream)
    stream.seek(header or 0, 1)
    if header is None or stream.read(4) != _SEGMENT or (size := _vint(stream)) is None:
        return 0
    return stream.tell() + size


def _vint(stream: BinaryIO) -> int | None:
    """Read a number of one to eight bytes, as the first one's leading zeros say; None where its bits are all set."""
    first = stream.read(1)
    rest = stream.read(8 - first[0].bit_length()) if first and first[0] else b""
    bits = 7 * (1 + len(rest))
    value = int.from_bytes(first + rest, "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value
