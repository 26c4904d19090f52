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

"""Camera messages to frames and back. The only file that knows messages' encodings, padding and byte order.

Messages are used by their fields alone (``sensor_msgs/Image``, ``sensor_msgs/CompressedImage``), so nothing here
imports ROS. ``rgb8`` and ``bgr8`` become views of the message's own bytes: rows may be padded (the array's first
stride is the message's ``step``) and bgr8 has a negative last stride. So do NV12 and YUYV, for engines that read them.
Everything else is converted into a fresh array.
"""

from __future__ import annotations

import contextlib
from array import array
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from gain_ros.errors import ImageError, quoted
from gain_ros.frames import Frame, YuvFrame, as_rgb
from gain_ros.pictures import MAX_SIDE, check_size, decode_rgb, encode

RGB = None
REVERSED = -1
_DLPACK_CPU = 1  # kDLCPU


@dataclass(frozen=True)
class _Packed:
    """One plane of interleaved samples.

    ``conversion`` is RGB (none), REVERSED (bgr), a cv2 colour code, or the name of a :class:`YuvFrame`'s encoding.
    """

    channels: int
    sample: type
    conversion: int | str | None
    even_width: bool = False


@dataclass(frozen=True)
class _SemiPlanar:
    """A full-size luma plane followed by interleaved chroma at half height, both ``step`` bytes a row."""

    conversion: int | str


_UYVY = _Packed(2, np.uint8, cv2.COLOR_YUV2RGB_UYVY, even_width=True)
_YUYV = _Packed(2, np.uint8, "yuyv", even_width=True)

# Names from sensor_msgs/image_encodings.hpp. Packed YUV has two names each: the old ones up to Humble, the new ones
# after it. OpenCV names a Bayer pattern by its second row, so rggb is its "BG". Untyped 8UCn is read as OpenCV would
# write it: grey, BGR, BGRA.
_ENCODINGS: dict[str, _Packed | _SemiPlanar] = {
    "rgb8": _Packed(3, np.uint8, RGB),
    "bgr8": _Packed(3, np.uint8, REVERSED),
    "8UC3": _Packed(3, np.uint8, REVERSED),
    "rgba8": _Packed(4, np.uint8, cv2.COLOR_RGBA2RGB),
    "bgra8": _Packed(4, np.uint8, cv2.COLOR_BGRA2RGB),
    "8UC4": _Packed(4, np.uint8, cv2.COLOR_BGRA2RGB),
    "mono8": _Packed(1, np.uint8, cv2.COLOR_GRAY2RGB),
    "8UC1": _Packed(1, np.uint8, cv2.COLOR_GRAY2RGB),
    "mono16": _Packed(1, np.uint16, cv2.COLOR_GRAY2RGB),
    "rgb16": _Packed(3, np.uint16, RGB),
    "bgr16": _Packed(3, np.uint16, cv2.COLOR_BGR2RGB),
    "bayer_rggb8": _Packed(1, np.uint8, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": _Packed(1, np.uint8, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": _Packed(1, np.uint8, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": _Packed(1, np.uint8, cv2.COLOR_BayerGB2RGB),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "nv12": _SemiPlanar("nv12"),
    "nv21": _SemiPlanar(cv2.COLOR_YUV2RGB_NV21),
}

ENCODINGS = tuple(_ENCODINGS)


def decode_image(message: Any, max_pixels: int, max_side: int = MAX_SIDE) -> np.ndarray:
    """Turn a ``sensor_msgs/Image`` into RGB, uint8 H×W×3: :func:`read_image`, with NV12 and YUYV converted too."""
    return as_rgb(read_image(message, max_pixels, max_side))


def read_image(message: Any, max_pixels: int, max_side: int = MAX_SIDE) -> Frame:
    """Turn a ``sensor_msgs/Image`` into a frame for :meth:`gain_ros.runtime.segmenter.Segmenter.segment`.

    Args:
        message: the message; its ``data`` is any buffer of bytes, also by DLPack or as a ``rosidl_buffer.Buffer``.
        max_pixels: largest ``height * width`` accepted.
        max_side: largest height and width accepted.

    Returns:
        RGB uint8 H×W×3, or for nv12, yuyv and yuv422_yuy2 a :class:`YuvFrame`. This one, and the RGB of rgb8, bgr8 and
        8UC3, is a view that keeps ``message.data`` alive and shares its memory. 16-bit samples are scaled by 255/65535
        and rounded.

    Raises:
        ImageError: size, step, data length or encoding that do not make an image.

    """
    height, width = message.height, message.width
    check_size(height, width, max_pixels, max_side)
    layout = _ENCODINGS.get(message.encoding)
    if layout is None:
        _data_of(message, height)
        return _decode_with_cv_bridge(message)
    try:
        if isinstance(layout, _SemiPlanar):
            return _decode_semi_planar(message, layout)
        return _decode_packed(message, layout)
    except cv2.error as error:
        raise ImageError(f"{message.encoding} of {width}x{height} cannot be converted to RGB: {error}") from error


def decode_compressed(message: Any, max_pixels: int, max_side: int = MAX_SIDE) -> np.ndarray:
    """Turn a ``sensor_msgs/CompressedImage`` (JPEG or PNG) into RGB.

    Args:
        message: the message; the kind of file is told by its first bytes, not by ``format``.
        max_pixels: largest ``height * width`` accepted.
        max_side: largest height and width accepted.

    Returns:
        uint8 H×W×3 RGB (a view with reversed channels).

    Raises:
        ImageError: another kind of file, a truncated or damaged one, or one that is too large.

    """
    if "compressedDepth" in message.format:
        raise ImageError(
            f"format {quoted(message.format)} is a depth image; expected a JPEG or PNG: choose the colour topic"
        )
    try:
        return decode_rgb(bytes(_bytes_of(message.data)), max_pixels, max_side)
    except ImageError as error:
        raise ImageError(f"compressed image of format {quoted(message.format)}: {error}") from error


def decode_labels(message: Any, max_pixels: int) -> np.ndarray:
    """Turn a ``sensor_msgs/Image`` of class ids (mono8 or 8UC1) into uint8 H×W, the ids as they are.

    A view that shares the message's memory; ``max_pixels`` is the largest ``height * width`` accepted.
    Raises ImageError: another encoding, or size, step and data length that do not make an image.
    """
    if message.encoding not in ("mono8", "8UC1"):
        raise ImageError(
            f"encoding {quoted(message.encoding)} holds no class ids; expected mono8: publish labels as mono8"
        )
    check_size(message.height, message.width, max_pixels)
    data = _rows_of(message, message.width, message.height)
    return np.ndarray((message.height, message.width), np.uint8, buffer=data, strides=(message.step, 1))


def fill_image(message: Any, pixels: np.ndarray, header: Any) -> Any:
    """Fill an empty ``sensor_msgs/Image`` with an array and return it.

    Args:
        message: the message to fill.
        pixels: uint8 H×W (mono8) or H×W×3 RGB (rgb8).
        header: the header of the camera's message, used as it is.

    """
    message.header = header
    message.height, message.width = pixels.shape[:2]
    message.encoding = "mono8" if pixels.ndim == 2 else "rgb8"
    message.is_bigendian = 0
    message.step = message.width * (1 if pixels.ndim == 2 else 3)
    # Only array.array passes the generated setter without a check of every element.
    data = array("B")
    data.frombytes(np.ascontiguousarray(pixels, np.uint8).data.cast("B"))
    message.data = data
    return message


def fill_compressed_ids(message: Any, ids: np.ndarray, header: Any) -> Any:
    """Fill an empty ``sensor_msgs/CompressedImage`` with class ids as a PNG, which is lossless, and return it.

    ``format`` is what image_transport's plugin ``compressed`` writes for mono8 as PNG; its last part is empty.

    Args:
        message: the message to fill.
        ids: uint8 H×W.
        header: the header of the camera's message, used as it is.

    """
    message.header, message.format = header, "mono8; png compressed "
    message.data = array("B", encode(ids))  # OpenCV's own settings are its fastest
    return message


def _bytes_of(data: Any) -> memoryview:
    """Return the bytes of a message's ``data``, which share its memory wherever that can be.

    It is an array.array up to Kilted. From Lyrical on it may be a ``rosidl_buffer.Buffer`` (ros2/rosidl #943,
    ros2/rosidl_python #250), which offers no memory, only a copy; back ends with objects of their own offer DLPack.
    Raises ImageError for what lies on a device and cannot be copied, and for what holds no bytes at all.
    """
    with contextlib.suppress(TypeError):
        return memoryview(data).cast("B")
    if hasattr(data, "__dlpack__") and data.__dlpack_device__()[0] == _DLPACK_CPU:
        return np.from_dlpack(data).data.cast("B")
    if hasattr(data, "to_bytes"):
        return memoryview(data.to_bytes())
    raise ImageError(
        f"data is a {type(data).__name__}; expected bytes, or a buffer that can be copied to the CPU: let the camera "
        "offer its images in memory of the CPU"
    )


def _data_of(message: Any, rows: int) -> memoryview:
    data, expected = _bytes_of(message.data), rows * message.step
    if data.nbytes != expected:
        raise ImageError(
            f"{quoted(message.encoding)} image of {message.width}x{message.height} with step {message.step} has "
            f"{data.nbytes} bytes; expected {expected} ({rows} rows of step bytes): check the camera driver"
        )
    return data


def _rows_of(message: Any, row_bytes: int, rows: int) -> memoryview:
    if message.step < row_bytes:
        raise ImageError(
            f"step is {message.step} bytes; expected at least {row_bytes} for {message.width} pixels of "
            f"{message.encoding}: check the camera driver"
        )
    return _data_of(message, rows)


def _decode_packed(message: Any, layout: _Packed) -> Frame:
    height, width, channels = message.height, message.width, layout.channels
    if layout.even_width and width % 2:
        raise ImageError(f"{message.encoding} of width {width}; expected an even one, since two pixels share a colour")
    sample = np.dtype(layout.sample).newbyteorder(">" if message.is_bigendian else "<")
    data = _rows_of(message, width * channels * sample.itemsize, height)
    shape = (height, width, channels)
    strides = (message.step, channels * sample.itemsize, sample.itemsize)
    pixels = np.ndarray(shape, sample, buffer=data, strides=strides)
    if sample.itemsize == 2:
        # Contiguous first: OpenCV misreads 16-bit rows that begin at an odd address.
        pixels = cv2.convertScaleAbs(np.ascontiguousarray(pixels, np.uint16), alpha=255 / 65535).reshape(shape)
    if layout.conversion is RGB:
        return pixels
    if layout.conversion == REVERSED:
        return pixels[..., ::-1]
    return _converted(pixels, layout.conversion)


def _decode_semi_planar(message: Any, layout: _SemiPlanar) -> Frame:
    height, width = message.height, message.width
    if height % 2 or width % 2:
        raise ImageError(
            f"{message.encoding} of {width}x{height}; expected even width and height, since 2x2 pixels share a colour"
        )
    rows = height * 3 // 2
    data = _rows_of(message, width, rows)
    planes = np.ndarray((rows, width), np.uint8, buffer=data, strides=(message.step, 1))
    return _converted(planes, layout.conversion)


def _converted(pixels: np.ndarray, conversion: int | str) -> Frame:
    return YuvFrame(pixels, conversion) if isinstance(conversion, str) else cv2.cvtColor(pixels, conversion)


def _decode_with_cv_bridge(message: Any) -> np.ndarray:
    try:
        from cv_bridge import CvBridge, CvBridgeError
    except (ImportError, AttributeError) as error:  # AttributeError: built against NumPy 1, running on NumPy 2
        raise ImageError(
            f"encoding {quoted(message.encoding)} is not known; expected one of {', '.join(ENCODINGS)}: "
            f"change the camera's encoding or install cv_bridge ({error})"
        ) from error
    try:
        rgb = CvBridge().imgmsg_to_cv2(message, "rgb8")
    except (CvBridgeError, cv2.error) as error:
        raise ImageError(
            f"encoding {quoted(message.encoding)} is known neither here nor to cv_bridge ({quoted(str(error))}); "
            f"expected one of {', '.join(ENCODINGS)}: change the camera's encoding"
        ) from error
    return np.ascontiguousarray(rgb, np.uint8)
