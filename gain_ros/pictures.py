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

"""Picture files: the only decoder and encoder of JPEG and PNG.

A JPEG or PNG is known by its first bytes. Its size is read from the header and checked before anything is decoded, and
one that is cut off is refused: OpenCV would fill it up with grey. The orientation tag of EXIF is ignored, since a mask
must match the camera's own pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from gain_ros.errors import ImageError
from gain_ros.files import read_bounded

MAX_PIXELS, MAX_SIDE = 1 << 28, 1 << 14

# A progressive JPEG has about ten scans; thousands of them in a small file would keep the decoder busy for minutes.
_MAX_JPEG_SCANS = 64
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_AS_RGB = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
_MAX_FILE_BYTES = 1 << 30


def read_rgb(file: Path) -> np.ndarray:
    """Read a JPEG or PNG as RGB uint8 (H, W, 3), a view with reversed channels.

    Raises ImageError that names the file: missing, cut off, damaged, too large or no such picture.
    """
    return _read(file, decode_rgb)


def read_as_stored(file: Path) -> np.ndarray:
    """Read a JPEG or PNG in its own depth and channels, colours as BGR. Raises ImageError that names the file."""
    return _read(file, lambda data: _decode(data, cv2.IMREAD_UNCHANGED))


def read_ids(file: Path) -> np.ndarray:
    """Read a PNG of class ids, uint8 (H, W). Raises ImageError that names the file."""
    return _read(file, decode_ids)


def decode_rgb(data: bytes, max_pixels: int = MAX_PIXELS, max_side: int = MAX_SIDE) -> np.ndarray:
    """Decode a JPEG or PNG to RGB uint8 (H, W, 3), a view with reversed channels.

    Raises ImageError: another format, cut off, damaged, of more than ``max_pixels`` or with a side above ``max_side``.
    """
    return _decode(data, _AS_RGB, max_pixels, max_side)[..., ::-1]


def decode_ids(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a PNG of class ids, uint8 (H, W). Raises ImageError."""
    ids = _decode(data, cv2.IMREAD_UNCHANGED, max_pixels)
    if ids.ndim != 2 or ids.dtype != np.uint8:
        raise ImageError(f"pixels are {ids.dtype} {ids.shape}; expected an 8-bit PNG of class ids with one channel")
    return ids


def encode(pixels: np.ndarray, suffix: str = ".png", *options: int) -> bytes:
    """Encode RGB uint8 (H, W, 3) or ids uint8 (H, W) as the bytes of a file; ``options`` are those of cv2.imencode."""
    if pixels.ndim == 3:  # a view of BGR is turned back for nothing
        pixels = pixels[..., ::-1] if pixels.strides[2] < 0 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def damage(file: Path) -> str | None:
    """Tell what is wrong with a JPEG or PNG as far as its first and last bytes show, without reading the rest."""
    try:
        with file.open("rb") as stream:
            head, length = stream.read(len(_PNG_START)), stream.seek(0, 2)
            stream.seek(max(length - 64, 0))
            tail = stream.read()
    except OSError as error:
        return error.strerror
    ends = {_JPEG_START: _JPEG_END, _PNG_START: _PNG_END}
    end = next((end for start, end in ends.items() if head.startswith(start)), None)
    if end is None:
        return "is no PNG or JPEG file" if head else "is empty"
    return None if end in tail else "is cut short"


def check_size(height: int, width: int, max_pixels: int, max_side: int = MAX_SIDE) -> None:
    """Raise ImageError unless a picture of this size has pixels, at most ``max_pixels``, and no longer side."""
    if height < 1 or width < 1:
        raise ImageError(f"image is {width}x{height}; expected at least 1x1: check the camera driver")
    if height * width > max_pixels:
        raise ImageError(
            f"image is {width}x{height} = {height * width} pixels; expected at most {max_pixels}: "
            "lower the camera's resolution or raise max_pixels"
        )
    if max(height, width) > max_side:
        raise ImageError(f"image is {width}x{height}; expected sides of at most {max_side} pixels (max_side)")


def _read(file: Path, decode: Callable[[bytes], np.ndarray]) -> np.ndarray:
    try:
        return decode(read_bounded(file, _MAX_FILE_BYTES))
    except OSError as error:
        raise ImageError(f"{file}: cannot be read: {error.strerror}") from error
    except ImageError as error:
        raise ImageError(f"{file}: {error}") from error


def _decode(data: bytes, flags: int, max_pixels: int = MAX_PIXELS, max_side: int = MAX_SIDE) -> np.ndarray:
    if data.startswith(_JPEG_START):
        kind, (height, width) = "JPEG", _jpeg_size(data)
    elif data.startswith(_PNG_START):
        kind, (height, width) = "PNG", _png_size(data)
    else:
        raise ImageError(
            f"no picture: it has {len(data)} bytes and begins with {data[:8].hex(' ') or 'nothing'}; expected JPEG or "
            "PNG: convert the file, or set the camera's image_transport to one of them"
        )
    check_size(height, width, max_pixels, max_side)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"{kind} of {width}x{height} cannot be decoded: {error}") from error
    if pixels is None or pixels.shape[:2] != (height, width):
        raise ImageError(f"{kind} of {width}x{height} cannot be decoded: its data ({len(data)} bytes) is damaged")
    return pixels


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Return (height, width) of a complete JPEG, from its one frame header (ITU-T T.81, B.2).

    Only what lies before the first scan is walked through, segment by segment, so a thumbnail inside a segment is
    never taken for it.
    """
    size, position = None, 2
    while True:
        marker, length = _jpeg_segment(data, position)
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if size is not None or length < 8:
                raise ImageError("JPEG has a broken or second frame header; expected exactly one: the data is damaged")
            size = struct.unpack_from(">HH", data, position + 5)
        position += 2 + length
        if marker == 0xDA:
            break
    if size is None:
        raise ImageError("JPEG has no frame header before its data: the data is damaged")
    # Inside a scan FF is always followed by 00 or a restart marker, so FFD9 there is the real end.
    if data.find(_JPEG_END, position) < 0:
        raise ImageError(
            f"JPEG of {size[1]}x{size[0]} is truncated: {len(data)} bytes without an end marker; "
            "check the link to the camera"
        )
    if data.count(b"\xff\xda", position) >= _MAX_JPEG_SCANS:
        raise ImageError(
            f"JPEG of {size[1]}x{size[0]} has more than {_MAX_JPEG_SCANS} scans; expected about ten: "
            "the data is not from a camera"
        )
    return size


def _jpeg_segment(data: bytes, position: int) -> tuple[int, int]:
    """Return (marker, length with the length field) of the segment at ``position``."""
    if position + 4 > len(data):
        raise ImageError(f"JPEG is truncated: {len(data)} bytes end inside its header; check the link to the camera")
    lead, marker, length = struct.unpack_from(">BBH", data, position)
    if lead == marker == 0xFF:
        return marker, 0
    if lead != 0xFF or length < 2 or marker in (0x00, 0xD8, 0xD9):
        raise ImageError(f"JPEG has a broken segment at byte {position}: the data is damaged")
    if position + 2 + length > len(data):
        raise ImageError(f"JPEG is truncated: {len(data)} bytes end inside its header; check the link to the camera")
    return marker, length


def _png_size(data: bytes) -> tuple[int, int]:
    """Return (height, width) of a complete PNG, from its IHDR chunk."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise ImageError(f"PNG of {len(data)} bytes has no header chunk: the data is damaged")
    if data.rfind(_PNG_END) < 0:
        raise ImageError(f"PNG is truncated: {len(data)} bytes without an end chunk; check the link to the camera")
    width, height = struct.unpack_from(">II", data, 16)
    return height, width
