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

"""Small bags for tests, written by rosbags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag1 import Writer as Rosbag1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE, STORE_1 = get_typestore(Stores.ROS2_HUMBLE), get_typestore(Stores.ROS1_NOETIC)
IMAGE, COMPRESSED = (STORE.types[f"sensor_msgs/msg/{name}"] for name in ("Image", "CompressedImage"))
HEADER, TIME = STORE.types["std_msgs/msg/Header"], STORE.types["builtin_interfaces/msg/Time"]
STRING = STORE.types["std_msgs/msg/String"]
HEIGHT, WIDTH = 12, 16
PERIOD_NS = 100_000_000
LOG_NS = 9_000_000_000


def stamp_ns(index: int) -> int:
    """Stamp of the frame number ``index``: from 5 s on, at 10 Hz."""
    return 5_000_000_000 + index * PERIOD_NS


def header(index: int) -> Any:
    return HEADER(TIME(*divmod(stamp_ns(index), 1_000_000_000)), "camera")


def raw(index: int, encoding: str = "bgr8") -> Any:
    row = np.zeros((HEIGHT, WIDTH * 3 + 5), np.uint8)  # padded rows
    row[:, : WIDTH * 3] = np.tile([10 * index, 20, 200], WIDTH)
    return IMAGE(header(index), HEIGHT, WIDTH, encoding, 0, row.shape[1], row.ravel())


def packed(index: int) -> Any:
    _, data = cv2.imencode(".png", np.full((HEIGHT, WIDTH, 3), 10 * index, np.uint8))
    return COMPRESSED(header(index), "png", data.ravel())


def rgb(index: int, pixels: np.ndarray) -> Any:
    """An rgb8 or mono8 image of an array."""
    height, width = pixels.shape[:2]
    encoding, step = ("mono8", width) if pixels.ndim == 2 else ("rgb8", 3 * width)
    return IMAGE(header(index), height, width, encoding, 0, step, np.ascontiguousarray(pixels).ravel())


def write(
    path: Path,
    topics: Mapping[str, Sequence[Any]],
    plugin: StoragePlugin = StoragePlugin.MCAP,
    compression: CompressionMode = CompressionMode.NONE,
    first_ns: int = LOG_NS,
    period_ns: int = PERIOD_NS,
    chunk_compression: tuple[str, Any] | None = None,
) -> Path:
    """A rosbag2 folder: messages by topic; ``chunk_compression``: name and function (mcap)."""
    writer = Writer(path, version=9, storage_plugin=plugin)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        if chunk_compression is not None:
            writer.storage.compression, writer.storage.compressor = chunk_compression
        timed = []
        for topic, messages in topics.items():
            kind = messages[0].__msgtype__
            connection = writer.add_connection(topic, kind, typestore=STORE)
            timed += [
                (first_ns + i * period_ns, connection, STORE.serialize_cdr(message, kind))
                for i, message in enumerate(messages)
            ]
        for log_ns, connection, data in sorted(timed, key=lambda each: each[0]):
            writer.write(connection, log_ns, data)
    return path


def write_ros1(path: Path, topics: Mapping[str, Sequence[Any]], compression: Any = None) -> Path:
    """A ROS 1 bag of the same messages."""
    writer = Rosbag1Writer(path)
    if compression is not None:
        writer.set_compression(compression)
    old_header = STORE_1.types["std_msgs/msg/Header"]
    with writer:
        for topic, messages in topics.items():
            kind = messages[0].__msgtype__
            connection = writer.add_connection(topic, kind, typestore=STORE_1)
            for i, message in enumerate(messages):
                stamp = TIME(message.header.stamp.sec, message.header.stamp.nanosec)
                fields = {name: getattr(message, name) for name in message.__dataclass_fields__ if name[0] != "_"}
                fields["header"] = old_header(i, stamp, "camera")
                old = STORE_1.types[kind](**fields)
                writer.write(connection, LOG_NS + i * PERIOD_NS, STORE_1.serialize_ros1(old, kind))
    return path
