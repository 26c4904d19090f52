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

"""Frames as cameras give them: RGB, or YUV bytes, which engines that do the whole step read themselves.

An array's shape tells which it is: RGB (H, W, 3), NV12 (H·3/2, W), YUYV (H, W, 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

ENCODINGS = ("rgb8", "nv12", "yuyv")

# BT.601, limited range: what OpenCV takes YUV for, in the rows Y, U, V over the columns R, G, B and 1.
_TO_YUV = np.array(
    [[0.257, 0.504, 0.098, 16.0], [-0.148, -0.291, 0.439, 128.0], [0.439, -0.368, -0.071, 128.0]], np.float32
)


@dataclass(frozen=True, eq=False)
class YuvFrame:
    """A camera's bytes, uint8, as BT.601 in limited range; rows may be padded.

    ``encoding`` "nv12": (H·3/2, W), luma above interleaved chroma, H and W even. "yuyv": (H, W, 2), W even.
    Raises ValueError for anything else.
    """

    data: np.ndarray
    encoding: str

    def __post_init__(self) -> None:
        data, shape = self.data, self.data.shape
        nv12 = len(shape) == 2 and shape[0] % 3 == 0 and shape[1] % 2 == 0
        yuyv = len(shape) == 3 and shape[1] % 2 == 0 and shape[2] == 2
        if data.dtype != np.uint8 or not data.size or not {"nv12": nv12, "yuyv": yuyv}.get(self.encoding, False):
            raise ValueError(
                f"{self.encoding!r} frame is {data.dtype} {shape}; expected uint8, (H·3/2, W) with even sides for "
                "'nv12' or (H, W, 2) with even W for 'yuyv'"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of ``data``."""
        return self.data.shape


Frame = np.ndarray | YuvFrame
"""RGB uint8 (H, W, 3), or a camera's YUV bytes."""


def check_frame(frame: Frame) -> None:
    """Raise ValueError unless ``frame`` is a YuvFrame, or RGB uint8 (H, W, 3) with pixels."""
    if isinstance(frame, YuvFrame):
        return
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
        raise ValueError(f"frame is {frame.dtype} {frame.shape}; expected uint8 (H, W, 3) RGB with at least one pixel")


def in_memory_order(rgb: np.ndarray) -> np.ndarray:
    """Return the same picture, uint8 (H, W, 3), without a backward last axis.

    A BGR message seen as RGB is such a view. NumPy, and cv2 when given one, copy it some thirty times as slowly.
    """
    return cv2.cvtColor(rgb[..., ::-1], cv2.COLOR_BGR2RGB) if rgb.strides[2] < 0 else rgb


def as_array(frame: Frame) -> np.ndarray:
    """Return what an engine that does the whole step takes: the bytes as they are."""
    return frame.data if isinstance(frame, YuvFrame) else in_memory_order(frame)


def as_rgb(frame: Frame) -> np.ndarray:
    """uint8 (H, W, 3); RGB stays the array that it is."""
    return rgb_from_array(frame.data) if isinstance(frame, YuvFrame) else frame


def rgb_from_array(data: np.ndarray) -> np.ndarray:
    """Turn an array of :func:`as_array` into RGB uint8 (H, W, 3)."""
    encoding = encoding_of(data.shape)
    if encoding == "rgb8":
        return data
    return cv2.cvtColor(data, cv2.COLOR_YUV2RGB_NV12 if encoding == "nv12" else cv2.COLOR_YUV2RGB_YUY2)


def from_rgb(rgb: np.ndarray, encoding: str) -> Frame:
    """RGB uint8 (H, W, 3) in one of ENCODINGS, colours averaged where pixels share them; "rgb8" is the array itself.

    Raises ValueError where the picture's sides do not suit the encoding.
    """
    width = shape_of(rgb.shape[:2], encoding)[1]
    if encoding == "rgb8":
        return rgb
    yuv = cv2.transform(rgb, _TO_YUV)
    rows = rgb.shape[0] // 2 if encoding == "nv12" else rgb.shape[0]
    chroma = cv2.resize(yuv[..., 1:], (width // 2, rows), interpolation=cv2.INTER_AREA).reshape(rows, width)
    planes = np.concatenate([yuv[..., 0], chroma]) if encoding == "nv12" else np.stack([yuv[..., 0], chroma], 2)
    return YuvFrame(planes, encoding)


def encoding_of(shape: tuple[int, ...]) -> str:
    """Which of ENCODINGS an array of this shape holds."""
    if len(shape) == 2:
        return "nv12"
    return "yuyv" if shape[2] == 2 else "rgb8"


def size_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """(H, W) of the picture in an array of this shape."""
    return (shape[0] * 2 // 3, shape[1]) if len(shape) == 2 else (shape[0], shape[1])


def shape_of(size: tuple[int, int], encoding: str) -> tuple[int, ...]:
    """Shape of the array that holds a picture of ``size`` (H, W). Raises ValueError where they do not fit."""
    height, width = size
    if encoding not in ENCODINGS:
        raise ValueError(f"encoding is {encoding!r}; expected one of {', '.join(ENCODINGS)}")
    if encoding != "rgb8" and (width % 2 or (height % 2 and encoding == "nv12")):
        raise ValueError(f"frames of {width}x{height} cannot be {encoding}, whose neighbouring pixels share a colour")
    return {"rgb8": (height, width, 3), "nv12": (height * 3 // 2, width), "yuyv": (height, width, 2)}[encoding]


def describe(shape: tuple[int, ...]) -> str:
    """In words, width first, like "640x480", or "640x480 nv12" for YUV."""
    height, width = size_of(shape)
    encoding = encoding_of(shape)
    return f"{width}x{height}" if encoding == "rgb8" else f"{width}x{height} {encoding}"
