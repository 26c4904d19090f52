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

"""Bags that are broken in each way we know: a clear error, or a frame that is counted as failed."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest
from bag_files import HEADER, IMAGE, PERIOD_NS, STRING, TIME, packed, raw, rgb, stamp_ns, write, write_ros1
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from gain_ros.errors import SourceError
from gain_ros.sources.bags import LabelTopic
from gain_ros.sources.opening import open_source
from gain_ros.sources.source import BadFrame

DATA_END = b"\x0f\x04" + bytes(7)
ZSTD = b"\x28\xb5\x2f\xfd"  # begins each compressed chunk


def noise(index: int):
    """A frame of 48 kB that no compression makes small."""
    return rgb(index, np.random.default_rng(index).integers(0, 256, (128, 128, 3), np.uint8))


def storage(bag):
    return next(each for each in bag.iterdir() if each.suffix in (".mcap", ".db3"))


def damage(file, at: float, length: int = 4096) -> None:
    data = bytearray(file.read_bytes())
    start = int(len(data) * at)
    data[start : start + length] = bytes(255 - byte for byte in data[start : start + length])
    file.write_bytes(data)


def cut(file, share: float) -> None:
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])


def read(source) -> tuple[list, str]:
    """The frames that come before the source gives up, and what it says then."""
    frames: list = []
    with pytest.raises(SourceError) as caught:
        frames.extend(source.frames())  # takes them one by one, so those before the error stay
    return frames, str(caught.value)


@pytest.mark.parametrize("lost", ["metadata.yaml", ""])
@pytest.mark.parametrize("compression", [CompressionMode.NONE, CompressionMode.STORAGE])
def test_a_truncated_mcap_gives_its_whole_chunks(tmp_path, lost, compression):
    bag = write(tmp_path / "bag", {"/front": [noise(index) for index in range(80)]}, compression=compression)
    cut(storage(bag), 0.6)
    if lost:
        (bag / lost).unlink()
    for spec in (bag, storage(bag)):
        frames, text = read(open_source(spec))
        assert 30 < len(frames) < 50
        np.testing.assert_array_equal(frames[-1].rgb.ravel(), noise(len(frames) - 1).data)
        assert f"is truncated after {len(frames)} messages of /front" in text


@pytest.mark.parametrize("share", [0.999, 0.98])
def test_an_mcap_without_its_index_gives_every_message(tmp_path, share):
    bag = write(tmp_path / "bag", {"/front": [packed(index) for index in range(20)]})
    cut(storage(bag), share)
    frames, text = read(open_source(bag))
    assert len(frames) == 20
    assert "is truncated" in text


def test_reserved_space_that_was_never_written_is_no_record(tmp_path):
    bag = write(tmp_path / "bag", {"/front": [packed(index) for index in range(5)]})
    data = storage(bag).read_bytes()
    storage(bag).write_bytes(data[: data.rindex(DATA_END)] + bytes(5000))
    frames, _ = read(open_source(bag))
    assert len(frames) == 5


@pytest.mark.parametrize("share", [0.0001, 0.001, 0.01])
def test_an_mcap_cut_before_its_first_message_is_refused(tmp_path, share):
    bag = write(tmp_path / "bag", {"/front": [noise(index) for index in range(20)]})
    cut(storage(bag), share)
    with pytest.raises(SourceError, match=r"not a readable bag|has no image topic"):
        open_source(bag)


def test_masks_of_a_truncated_bag_are_found_as_far_as_they_go(tmp_path):
    images = [noise(index) for index in range(80)]
    masks = [rgb(index, np.full((4, 4), index, np.uint8)) for index in range(80)]
    bag = write(tmp_path / "bag", {"/front": images, "/ids": masks})
    cut(storage(bag), 0.6)
    topic = LabelTopic("bag", bag, "/ids")
    assert 30 < len(topic.stamps_ns) < 50
    assert [int(topic.read(index)[0, 0]) for index in (0, 20, 3)] == [0, 20, 3]
    assert len(topic.errors) == 1
    assert "is truncated after" in topic.errors[0]
    topic.close()


def test_an_mcap_with_a_broken_chunk_gives_what_lies_before(tmp_path):
    messages = [noise(index) for index in range(80)]  # four chunks of a megabyte
    bag = write(tmp_path / "bag", {"/front": messages}, compression=CompressionMode.STORAGE)
    first, second, third, *rest = storage(bag).read_bytes().split(ZSTD)
    storage(bag).write_bytes(first + ZSTD + second + b"rust" + ZSTD.join([third, *rest]))
    frames, text = read(open_source(bag))
    assert 10 <= len(frames) < 60
    assert f"breaks off after {len(frames)} of 80 messages of /front" in text


def test_a_db3_cut_in_the_middle_gives_what_lies_before_or_is_refused(tmp_path):
    bag = write(tmp_path / "bag", {"/front": [noise(index) for index in range(40)]}, StoragePlugin.SQLITE3)
    cut(storage(bag), 0.5)
    with pytest.raises(SourceError, match=r"not a readable bag|breaks off after \d+ of 40"):
        list(open_source(bag).frames())


def test_a_db3_with_a_damaged_page_gives_what_lies_before(tmp_path):
    bag = write(tmp_path / "bag", {"/front": [noise(index) for index in range(40)]}, StoragePlugin.SQLITE3)
    damage(storage(bag), 0.5, 200_000)
    frames, text = read(open_source(bag))
    assert 5 < len(frames) < 40
    assert "breaks off after" in text


def test_a_ros_1_bag_cut_in_the_middle_is_refused(tmp_path):
    bag = write_ros1(tmp_path / "drive.bag", {"/front": [noise(index) for index in range(8)]})
    cut(bag, 0.5)
    with pytest.raises(SourceError, match="rosbag reindex"):
        open_source(bag)


def test_a_bag_with_fewer_messages_than_it_says_is_told(tmp_path):
    bag = write(tmp_path / "bag", {"/front": [raw(0), raw(1), raw(2)]})
    metadata = bag / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("message_count: 3", "message_count: 9"))
    frames, text = read(open_source(bag))
    assert len(frames) == 3
    assert "3 of the 9 messages of /front that its index promises" in text


@pytest.mark.parametrize("content", [b"", b"not a bag", b"\x89MCAP0\r\n"])
@pytest.mark.parametrize("name", ["broken.mcap", "broken.db3", "broken.bag"])
def test_files_that_are_no_bags_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match="is not a readable bag"):
        open_source(tmp_path / name)


@pytest.mark.parametrize("text", ["", "]", "other: 3", "rosbag2_bagfile_information: {version: 99}"])
def test_a_metadata_file_that_is_none_is_refused(tmp_path, text):
    bag = write(tmp_path / "bag", {"/front": [raw(0)]})
    (bag / "metadata.yaml").write_text(text)
    with pytest.raises(SourceError, match="is not a readable bag"):
        open_source(bag)


def test_a_bag_that_lacks_one_of_its_files_is_refused(tmp_path):
    bag = write(tmp_path / "bag", {"/front": [raw(0)]})
    storage(bag).unlink()
    with pytest.raises(SourceError, match=r"missing.*bag.mcap"):
        open_source(bag)


def test_an_empty_bag_is_refused(tmp_path):
    bag = write(tmp_path / "bag", {"/front": [raw(0)]})
    metadata = bag / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("message_count: 1", "message_count: 0"))
    with pytest.raises(SourceError, match=r"/front of .* holds no message"):
        open_source(bag)


@pytest.mark.parametrize("plugin", list(StoragePlugin))
@pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE])
def test_files_and_messages_in_lz4_are_refused(tmp_path, mode, plugin):
    bag = write(tmp_path / "bag", {"/front": [raw(0)]}, plugin, mode)
    for file in bag.glob("*.zstd"):
        file.rename(file.with_suffix(".lz4"))
    metadata = bag / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("zstd", "lz4"))
    with pytest.raises(SourceError, match=r"Compression format 'lz4' is not supported.*ros2 bag convert"):
        open_source(bag)


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_messages_of_unknown_or_broken_type_do_no_harm(tmp_path, plugin):
    bag = write(tmp_path / "bag", {"/front": [raw(0)], "/odd": [STRING("x")]}, plugin)
    file = storage(bag)
    data = file.read_bytes().replace(b"std_msgs/msg/String", b"odd_msgs/msg/Strong")
    file.write_bytes(data.replace(b"string data", b"strong ?ata"))
    metadata = bag / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("std_msgs/msg/String", "odd_msgs/msg/Strong"))
    assert len(list(open_source(bag))) == 1


def test_a_message_that_is_cut_is_a_failed_frame(tmp_path):
    whole = raw(1)
    short = IMAGE(whole.header, whole.height, whole.width, "bgr8", 0, whole.step, whole.data[:100])
    source = open_source(write(tmp_path / "bag", {"/front": [raw(0), short, raw(2)]}))
    kinds = [type(frame) is BadFrame for frame in source.frames()]
    assert kinds == [False, True, False]


def test_bytes_that_are_no_message_are_a_failed_frame(tmp_path):
    bag = write(tmp_path / "bag", {"/front": [raw(index) for index in range(3)]}, StoragePlugin.SQLITE3)
    with sqlite3.connect(storage(bag)) as database:
        database.execute("UPDATE messages SET data = x'0001000005' WHERE id = 2")
    failed = [frame for frame in open_source(bag).frames() if isinstance(frame, BadFrame)]
    assert len(failed) == 1
    assert "does not decode" in failed[0].error


def test_frames_without_a_stamp_take_the_time_of_recording(tmp_path):
    unstamped = raw(1)
    unstamped.header = HEADER(TIME(0, 0), "camera")
    source = open_source(write(tmp_path / "bag", {"/front": [raw(0), unstamped]}))
    assert [frame.stamp_ns for frame in source] == [stamp_ns(0), 9_000_000_000 + PERIOD_NS]
    assert source.warnings == ["1 frames have no stamp; the time of recording stands in for it"]


def test_stamps_out_of_order_are_told_and_every_frame_comes(tmp_path):
    source = open_source(write(tmp_path / "bag", {"/front": [raw(0), raw(2), raw(1), raw(3)]}))
    assert [frame.stamp_ns for frame in source] == [stamp_ns(index) for index in (0, 2, 1, 3)]
    assert source.warnings == ["1 frames have an earlier stamp than the frame before"]
