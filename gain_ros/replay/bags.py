"""Frames from rosbag2 folders, single .mcap and .db3 files, and ROS 1 .bag files; needs no ROS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.typesys import Stores, get_typestore

from gain_ros.node.images import ImageError, decode_compressed, decode_image
from gain_ros.replay.sources import Source, SourceError, SourceFrame

_RAW, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_MAX_PIXELS = 1 << 28


class BagSource(Source):
    """One image topic of a bag, raw or compressed, in recorded order; stems are stamps in nanoseconds.

    Raises:
        SourceError: not a bag, no image topic, or several of them and none named.
    """

    def __init__(self, name: str, path: Path, topic: str | None = None):
        self._path = path
        with self._open(name) as reader:
            self._topic = _choose_topic(name, reader, topic)
            count = sum(c.msgcount for c in reader.connections if c.topic == self._topic)
            seconds = reader.duration / 1e9
        if not count:
            raise SourceError(f"topic {self._topic} of {name!r} holds no message; record again or name another topic")
        rate_hz = (count - 1) / seconds if count > 1 and seconds > 0 else 10.0
        super().__init__(name, count, min(240.0, max(0.1, rate_hz)))

    def _open(self, name: str) -> AnyReader:
        try:
            reader = AnyReader([self._path], default_typestore=get_typestore(Stores.ROS2_HUMBLE))
            reader.open()
        except Exception as error:  # rosbags lets errors of sqlite, yaml and mcap through
            raise SourceError(
                f"{name!r} is not a readable bag: {error}; try ros2 bag info (or reindex) on it"
            ) from error
        return _Opened(reader)

    def __iter__(self) -> Iterator[SourceFrame]:
        self.problems.clear()
        seen: set[str] = set()
        with self._open(self.name) as reader:
            connections = [c for c in reader.connections if c.topic == self._topic]
            for connection, log_ns, raw in reader.messages(connections):
                try:
                    message = reader.deserialize(raw, connection.msgtype)
                    rgb = _decode(message, connection.msgtype)
                except (ImageError, AnyReaderError) as error:
                    self.problems.append(f"{self._topic} at {log_ns}: {error}")
                    continue
                stamp_ns = _stamp_ns(message) or log_ns
                yield SourceFrame(_unused(str(stamp_ns), seen), rgb, stamp_ns)


class _Opened:
    """An AnyReader that is open already, as a context manager."""

    def __init__(self, reader: AnyReader):
        self._reader = reader

    def __enter__(self) -> AnyReader:
        return self._reader

    def __exit__(self, *_: object) -> None:
        self._reader.close()


def _choose_topic(name: str, reader: AnyReader, wanted: str | None) -> str:
    topics = sorted({c.topic for c in reader.connections if c.msgtype in (_RAW, _COMPRESSED)})
    if wanted is not None:
        if wanted not in topics:
            raise SourceError(f"{name!r} has no image topic {wanted}; it has {', '.join(topics) or 'none'}")
        return wanted
    if len(topics) == 1:
        return topics[0]
    if not topics:
        raise SourceError(f"{name!r} has no image topic; expected one of type {_RAW} or {_COMPRESSED}")
    raise SourceError(
        f"{name!r} has {len(topics)} image topics ({', '.join(topics)}); name one, as in {name}:{topics[0]}"
    )


def _decode(message: Any, kind: str) -> np.ndarray:
    return (decode_image if kind == _RAW else decode_compressed)(message, _MAX_PIXELS)


def _stamp_ns(message: Any) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def _unused(stem: str, seen: set[str]) -> str:
    """The stem, with a number behind it where an earlier frame has the same stamp."""
    unique, repeat = stem, 1
    while unique in seen:
        unique, repeat = f"{stem}_{repeat}", repeat + 1
    seen.add(unique)
    return unique
