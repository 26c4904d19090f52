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

"""Frames from rosbag2 folders, single .mcap and .db3 files, and ROS 1 .bag files; needs no ROS."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag1 import Reader as Rosbag1Reader
from rosbags.rosbag2 import Reader as Rosbag2Reader
from rosbags.typesys import Stores, get_typestore

from gain_ros.errors import CutShort, ImageError, SourceError
from gain_ros.labels import UNLABELLED
from gain_ros.messages import decode_compressed, decode_image, decode_labels
from gain_ros.pictures import MAX_PIXELS
from gain_ros.sources.cut_mcap import CutMcap, is_cut
from gain_ros.sources.source import BadFrame, RecordedMessage, Source, SourceFrame
from gain_ros.times import to_ns

_RAW, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_STORAGE_SUFFIXES = (".mcap", ".db3")
_MOST_CLASSES = 64  # a grey camera's picture holds more than ids below this, and 255


class BagSource(Source):
    """One image topic of a bag, raw or compressed, in recorded order; stems are stamps in nanoseconds.

    A message without a stamp takes the time at which it was recorded. ``labels_topic`` holds class ids and is no image
    topic to choose from; nor are ``label_topics``, found by their first message. Raises SourceError: not a bag, no
    image topic, several of them and none named; while frames are read, for a bag that breaks off.
    """

    topic: str

    def __init__(self, name: str, path: Path, topic: str | None = None, labels_topic: str | None = None):
        self.path = bag_path(name, path)
        with open_bag(name, self.path) as bag:
            self.label_topics = _label_topics(bag, topic)
            self.topic = _choose_topic(name, bag, topic, {labels_topic, *self.label_topics})
            connections = bag.of_topic(self.topic)
            self.compressed = connections[0].msgtype == _COMPRESSED
            count = sum(each.msgcount for each in connections)
            seconds = bag.reader.duration / 1e9
        if not count:
            raise SourceError(f"topic {self.topic} of {name!r} holds no message; record again or name another topic")
        rate_hz = (count - 1) / seconds if count > 1 and seconds > 0 else 10.0
        super().__init__(name, count, min(240.0, max(0.1, rate_hz)))

    @property
    def spec(self) -> str:
        return f"{self.path}:{self.topic}"

    def messages(self) -> Iterator[RecordedMessage]:
        with open_bag(self.name, self.path) as bag:
            yield from bag.messages(self.topic)

    def frames(self) -> Iterator[SourceFrame | BadFrame]:
        seen: set[str] = set()
        unstamped = backwards = before_ns = 0
        for message in self.messages():
            unstamped += message.unstamped
            backwards += message.stamp_ns < before_ns
            before_ns = message.stamp_ns
            try:
                rgb = _decode(message.content())
                yield SourceFrame(_unused(str(message.stamp_ns), seen), rgb, message.stamp_ns)
            except ImageError as error:
                yield BadFrame(message.stamp_ns, f"{self.topic} at {message.log_ns}: {error}")
        if unstamped:
            self.warnings.append(f"{unstamped} frames have no stamp; the time of recording stands in for it")
        if backwards:
            self.warnings.append(f"{backwards} frames have an earlier stamp than the frame before")


class LabelTopic:
    """The masks of a label topic, found by stamp. Only stamps are kept in memory.

    Attributes:
        stamps_ns: stamp of each mask, in recorded order.
        errors: why there may be more masks than could be read.

    """

    def __init__(self, name: str, path: Path, topic: str):
        self._name, self._topic = name, topic
        self._path = bag_path(name, path)
        self._stack = contextlib.ExitStack()
        self._bag = self._stack.enter_context(open_bag(name, self._path))
        kinds = {each.topic: each.msgtype for each in self._bag.reader.connections}
        if kinds.get(topic) != _RAW:
            self.close()
            raise SourceError(f"{name!r} has no label topic {topic} of type {_RAW}; it has {', '.join(sorted(kinds))}")
        self.stamps_ns: list[int] = []
        self.errors: list[str] = []
        self._log_ns: list[int] = []
        try:
            for message in self._bag.messages(topic):
                self.stamps_ns.append(message.stamp_ns)
                self._log_ns.append(message.log_ns)
        except SourceError as error:
            self.errors.append(str(error))
        self._messages: Iterator[RecordedMessage] = iter(())
        self._next = len(self.stamps_ns)

    def read(self, index: int) -> np.ndarray:
        """Read the class ids of one mask, uint8 (H, W). Quick in recorded order. Raises ImageError, SourceError."""
        if index < self._next:
            self._next = self._log_ns.index(self._log_ns[index])
            self._messages = self._bag.messages(self._topic, self._log_ns[index])
        for message in self._messages:
            self._next += 1
            if self._next > index:
                return decode_labels(message.content(), MAX_PIXELS)
        raise SourceError(f"{self._name!r} no longer holds mask {index} of {self._topic}; it changed while it was read")

    def close(self) -> None:
        self._stack.close()


class Bag:
    """An open bag. Types of its own for other topics are never looked at, so a broken one does no harm."""

    def __init__(self, name: str, reader: Rosbag1Reader | Rosbag2Reader, cut: bool):
        self.name, self.reader, self._cut = name, reader, cut
        is_ros1 = isinstance(reader, Rosbag1Reader)
        store = get_typestore(Stores.ROS1_NOETIC if is_ros1 else Stores.ROS2_HUMBLE)
        self.deserialize = store.deserialize_ros1 if is_ros1 else store.deserialize_cdr

    def image_topics(self) -> list[str]:
        return sorted({each.topic for each in self.reader.connections if each.msgtype in (_RAW, _COMPRESSED)})

    def of_topic(self, topic: str) -> list[Any]:
        """Return the topic's connections that carry images."""
        return [each for each in self.reader.connections if each.topic == topic and each.msgtype in (_RAW, _COMPRESSED)]

    def messages(self, topic: str, start_ns: int | None = None) -> Iterator[RecordedMessage]:
        """Yield messages of an image topic in recorded order. Raises CutShort where the bag breaks off."""
        connections = self.of_topic(topic)
        expected, done = sum(each.msgcount for each in connections), 0
        try:
            for connection, log_ns, raw in self.reader.messages(connections, start=start_ns):
                done += 1
                yield self._message(connection.msgtype, log_ns, raw)
        except Exception as error:  # whatever rosbags, sqlite or a decompressor make of damaged bytes
            raise CutShort(
                f"{self.name!r} breaks off after {done} of {expected} messages of {topic}: {error}; "
                "what came before was used: copy the bag again, or record again",
                expected - done,
            ) from error
        if start_ns is None and self._cut:
            raise CutShort(
                f"{self.name!r} is truncated after {done} messages of {topic}; what is there was used: record again",
                expected - done,
            )
        if start_ns is None and done < expected:
            raise CutShort(
                f"{self.name!r} holds {done} of the {expected} messages of {topic} that its index promises; "
                "what is there was used: copy the bag again",
                expected - done,
            )

    def _message(self, kind: str, log_ns: int, raw: bytes) -> RecordedMessage:
        try:
            content = self.deserialize(raw, kind)
            stamp_ns = to_ns(content.header.stamp)
        except Exception as error:  # rosbags lets struct, index and assertion errors through
            return RecordedMessage(log_ns, log_ns, False, error)
        return RecordedMessage(stamp_ns or log_ns, log_ns, not stamp_ns, content)


@contextlib.contextmanager
def open_bag(name: str, path: Path) -> Iterator[Bag]:
    """Open a bag. Raises SourceError for what is no readable one."""
    try:
        cut = path.suffix == ".mcap" and is_cut(path)
        reader = Rosbag1Reader(path) if path.suffix == ".bag" else Rosbag2Reader(CutMcap(path) if cut else path)
        reader.open()
    except Exception as error:  # rosbags lets errors of sqlite, yaml and struct through
        raise SourceError(f"{name!r} is not a readable bag: {error}; {_advice(path, str(error))}") from error
    try:
        yield Bag(name, reader, cut)
    finally:
        reader.close()


def bag_path(name: str, path: Path) -> Path:
    """Find what to open: a folder without its metadata.yaml, or with a truncated .mcap, by its one storage file.

    Raises SourceError where there is no metadata.yaml and not one file.
    """
    if not path.is_dir():
        return path
    files = sorted(each for each in path.iterdir() if each.suffix in _STORAGE_SUFFIXES)
    if (path / "metadata.yaml").exists():
        return files[0] if len(files) == 1 and files[0].suffix == ".mcap" and is_cut(files[0]) else path
    if len(files) != 1:
        raise SourceError(
            f"{name!r} has no metadata.yaml and {len(files)} storage files; run ros2 bag reindex, or give one file"
        )
    return files[0]


def _advice(path: Path, problem: str) -> str:
    if "Compression format" in problem:
        return "rosbag2 itself has zstd alone: rewrite the bag with it, or without any (ros2 bag convert)"
    if path.suffix == ".bag":
        return "try rosbag reindex on it"
    return "try mcap recover on it" if path.suffix == ".mcap" else "try ros2 bag info on it"


def _label_topics(bag: Bag, camera: str | None) -> tuple[str, ...]:
    """Find the topics beside the camera's that hold class ids; the masks of a recorded node are none."""
    topics = bag.image_topics()
    everything = {each.topic for each in bag.reader.connections}
    return tuple(
        topic
        for topic in topics
        if len(topics) > 1
        and topic != camera
        and f"{topic.rpartition('/')[0]}/label_info_json" not in everything
        and _holds_ids(bag, topic)
    )


def _holds_ids(bag: Bag, topic: str) -> bool:
    """Tell whether the first message of an image topic is mono8 or 8UC1 with ids of classes alone."""
    try:
        message = next(bag.messages(topic)).content()
        if message.__msgtype__ != _RAW:
            return False
        ids = decode_labels(message, MAX_PIXELS)
    except (ImageError, SourceError, StopIteration):
        return False
    return bool(((ids < _MOST_CLASSES) | (ids == UNLABELLED)).all())


def _choose_topic(name: str, bag: Bag, wanted: str | None, labels: set[str | None]) -> str:
    topics = bag.image_topics()
    if wanted is not None:
        if wanted not in topics:
            raise SourceError(f"{name!r} has no image topic {wanted}; it has {', '.join(topics) or 'none'}")
        return wanted
    topics = [topic for topic in topics if topic not in labels] or topics
    if len(topics) == 1:
        return topics[0]
    if not topics:
        raise SourceError(f"{name!r} has no image topic; expected one of type {_RAW} or {_COMPRESSED}")
    raise SourceError(
        f"{name!r} has {len(topics)} image topics ({', '.join(topics)}); name one, as in {name}:{topics[0]}"
    )


def _decode(message: Any) -> np.ndarray:
    return (decode_image if message.__msgtype__ == _RAW else decode_compressed)(message, MAX_PIXELS)


def _unused(stem: str, seen: set[str]) -> str:
    """Return the stem, with a number behind it where an earlier frame has the same stamp."""
    unique, repeat = stem, 1
    while unique in seen:
        unique, repeat = f"{stem}_{repeat}", repeat + 1
    seen.add(unique)
    return unique
