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

"""From any source of frames to a ROS 2 bag (mcap, chunks compressed with zstd); needs no ROS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from gain_ros.errors import ResultError, SourceError
from gain_ros.files import atomic
from gain_ros.pictures import encode
from gain_ros.sources.source import BadFrame, Intrinsics, Source, SourceFrame
from gain_ros.times import NS_PER_S

IMAGE_TOPIC, CAMERA_INFO_TOPIC, LABEL_TOPIC = "/camera/image_raw/compressed", "/camera/camera_info", "/truth/labels"

_FRAME_ID = "camera"
_START_NS = NS_PER_S  # a stamp of zero means "none" in ROS
_AS_THEY_ARE = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
_JPEG_QUALITY = 95
_STORE = get_typestore(Stores.ROS2_HUMBLE)
_Header, _Time = _STORE.types["std_msgs/msg/Header"], _STORE.types["builtin_interfaces/msg/Time"]
_Image, _CompressedImage, _CameraInfo, _RegionOfInterest = (
    _STORE.types[f"sensor_msgs/msg/{name}"] for name in ("Image", "CompressedImage", "CameraInfo", "RegionOfInterest")
)


def write_bag(source: Source, out: Path, rate_hz: float | None, tick: Callable[[], object]) -> dict[str, int]:
    """Write a source's frames, and its truth where it has some, as a bag.

    JPEG and PNG files go in as they are, so that nothing is lost; a video's frames become JPEG, all others PNG. Frames
    that cannot be read are left out and listed in ``source.problems``.

    Args:
        source: what to record; not a live one.
        out: folder of the bag; it must not exist, and is there only when it is complete.
        rate_hz: frames a second; None: the source's own.
        tick: called after each frame.

    Returns messages by topic. Raises SourceError for a source without a frame, ResultError where ``out`` exists or
    cannot be written.

    """
    if out.exists():
        raise ResultError(f"{out} exists already; name another --out or remove it")
    try:
        with atomic(out) as folder:
            return _record(source, folder, rate_hz or source.rate_hz, tick)
    except OSError as error:
        raise ResultError(f"{out} cannot be written: {error.strerror or error}; free space or name another") from error


def _record(source: Source, folder: Path, rate_hz: float, tick: Callable[[], object]) -> dict[str, int]:
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        bag = _Topics(writer)
        for index, frame in enumerate(source.noted()):
            if isinstance(frame, BadFrame):
                continue
            stamp_ns = _START_NS + round(index * 1e9 / rate_hz)
            bag.add_image(stamp_ns, *_encoded(frame, source.lossy))
            if frame.labels is not None:
                bag.add_labels(stamp_ns, frame.labels)
            if frame.file is not None and (camera := source.intrinsics(frame.file)) is not None:
                bag.add_camera(stamp_ns, frame.rgb.shape[:2], camera)
            tick()
    if not bag.counts:
        raise SourceError(f"{source.name!r} gave no frame: {'; '.join(source.problems[:3]) or 'it is empty'}")
    return dict(bag.counts)


def _encoded(frame: SourceFrame, lossy: bool) -> tuple[bytes, str]:
    """Return the picture as a file's bytes, and its format."""
    if frame.file is not None and frame.file.suffix.lower() in _AS_THEY_ARE:
        return frame.file.read_bytes(), _AS_THEY_ARE[frame.file.suffix.lower()]
    if lossy:
        return encode(frame.rgb, ".jpg", cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY), "jpeg"
    return encode(frame.rgb), "png"


class _Topics:
    """Writes messages; a topic is there from its first one on."""

    def __init__(self, writer: Writer):
        self._writer = writer
        self._connections: dict[str, Connection] = {}
        self.counts: Counter[str] = Counter()

    def add_image(self, stamp_ns: int, data: bytes, kind: str) -> None:
        pixels = np.frombuffer(data, np.uint8)
        self._write(IMAGE_TOPIC, stamp_ns, _CompressedImage(self._header(stamp_ns), kind, pixels))

    def add_labels(self, stamp_ns: int, labels: np.ndarray) -> None:
        height, width = labels.shape
        pixels = np.ascontiguousarray(labels).ravel()
        image = _Image(self._header(stamp_ns), height, width, "mono8", 0, width, pixels)
        self._write(LABEL_TOPIC, stamp_ns, image)

    def add_camera(self, stamp_ns: int, size: tuple[int, int], camera: Intrinsics) -> None:
        k = [camera.fx_px, 0, camera.cx_px, 0, camera.fy_px, camera.cy_px, 0, 0, 1]
        p = [*k[0:3], 0, *k[3:6], 0, *k[6:9], 0]
        whole = _RegionOfInterest(0, 0, 0, 0, False)
        matrices = (np.zeros(5), np.array(k, float), np.eye(3).ravel(), np.array(p, float))
        info = _CameraInfo(self._header(stamp_ns), *size, "plumb_bob", *matrices, 0, 0, whole)
        self._write(CAMERA_INFO_TOPIC, stamp_ns, info)

    def _header(self, stamp_ns: int) -> Any:
        return _Header(_Time(*divmod(stamp_ns, NS_PER_S)), _FRAME_ID)

    def _write(self, topic: str, stamp_ns: int, message: Any) -> None:
        kind = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, kind, typestore=_STORE)
        self._writer.write(self._connections[topic], stamp_ns, _STORE.serialize_cdr(message, kind))
        self.counts[topic] += 1
