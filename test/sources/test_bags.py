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

from __future__ import annotations

from pathlib import Path

import lz4.frame
import numpy as np
import pytest
import yaml
from bag_files import HEIGHT, IMAGE, LOG_NS, STRING, WIDTH, header, packed, raw, rgb, stamp_ns, write, write_ros1
from rosbags.rosbag1 import Writer as Rosbag1Writer
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from gain_ros.errors import ImageError, SourceError
from gain_ros.messages import ENCODINGS, decode_image
from gain_ros.sources.bags import LabelTopic
from gain_ros.sources.opening import open_source


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_raw_images_by_stamp(tmp_path, plugin):
    source = open_source(write(tmp_path / "bag", {"/front": [raw(0), raw(1), raw(2)]}, plugin))
    frames = list(source)
    assert (source.length, round(source.rate_hz, 3)) == (3, 10.0)
    assert [frame.stem for frame in frames] == ["5000000000", "5100000000", "5200000000"]
    assert frames[2].stamp_ns == 5_200_000_000
    np.testing.assert_array_equal(frames[2].rgb, np.tile([200, 20, 20], (HEIGHT, WIDTH, 1)))


def test_a_single_file_of_a_bag_will_do(tmp_path):
    bag = write(tmp_path / "bag", {"/front": [raw(0)]})
    assert len(list(open_source(next(bag.glob("*.mcap"))))) == 1


def test_compressed_images(tmp_path):
    frames = list(open_source(write(tmp_path / "bag", {"/front/compressed": [packed(1), packed(2)]})))
    assert [int(frame.rgb.mean()) for frame in frames] == [10, 20]


def test_one_of_several_topics_must_be_named(tmp_path):
    bag = write(tmp_path / "bag", {"/front": [raw(1)], "/left": [raw(2)]})
    with pytest.raises(SourceError, match="/front, /left"):
        open_source(bag)
    (frame,) = open_source(f"{bag}:/left")
    assert frame.rgb[0, 0, 2] == 20
    with pytest.raises(SourceError, match="no image topic /rear"):
        open_source(f"{bag}:/rear")


def test_a_bad_message_is_reported_and_the_others_come(tmp_path):
    source = open_source(write(tmp_path / "bag", {"/front": [raw(0), raw(1, "unheard_of"), raw(2)]}))
    assert [frame.stamp_ns for frame in source] == [5_000_000_000, 5_200_000_000]
    assert len(source.problems) == 1
    assert "unheard_of" in source.problems[0]


def test_equal_stamps_keep_masks_apart(tmp_path):
    source = open_source(write(tmp_path / "bag", {"/front": [raw(1), raw(1)]}))
    assert [frame.stem for frame in source] == ["5100000000", "5100000000_1"]


def test_a_bag_without_images_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no image topic"):
        open_source(write(tmp_path / "bag", {"/talk": [STRING("hello")]}))


def test_the_labels_topic_is_not_the_image(tmp_path):
    bag = write(tmp_path / "bag", {"/front": [raw(1)], "/labels": [rgb(1, np.zeros((4, 4), np.uint8))]})
    assert next(iter(open_source(bag, "/labels"))).rgb.shape == (HEIGHT, WIDTH, 3)
    assert next(iter(open_source(bag))).rgb.shape == (HEIGHT, WIDTH, 3)


def test_a_dark_camera_alone_is_no_label_topic(tmp_path):
    bag = write(tmp_path / "bag", {"/infra": [rgb(1, np.zeros((4, 6), np.uint8))]})
    assert next(iter(open_source(bag))).rgb.shape == (4, 6, 3)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_comes_out_as_the_node_decodes_it(tmp_path, encoding):
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, (HEIGHT * 3 // 2 if encoding.startswith("nv") else HEIGHT, WIDTH * 8), np.uint8)
    message = IMAGE(header(0), HEIGHT, WIDTH, encoding, 0, data.shape[1], data.ravel())
    (frame,) = open_source(write(tmp_path / "bag", {"/front": [message]}))
    np.testing.assert_array_equal(frame.rgb, decode_image(message, 10_000))


LZ4_CHUNKS = ("lz4", lz4.frame.compress)


@pytest.mark.parametrize(
    ("plugin", "compression", "chunk_compression"),
    [
        (StoragePlugin.SQLITE3, CompressionMode.FILE, None),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE, None),
        (StoragePlugin.MCAP, CompressionMode.FILE, None),
        (StoragePlugin.MCAP, CompressionMode.MESSAGE, None),
        (StoragePlugin.MCAP, CompressionMode.STORAGE, None),
        (StoragePlugin.MCAP, CompressionMode.NONE, LZ4_CHUNKS),
    ],
)
def test_compressed_bags(tmp_path, plugin, compression, chunk_compression):
    topics = {"/front": [raw(0), raw(1), raw(2)]}
    bag = write(tmp_path / "bag", topics, plugin, compression, chunk_compression=chunk_compression)
    assert [int(frame.rgb[0, 0, 2]) for frame in open_source(bag)] == [0, 10, 20]


@pytest.mark.parametrize(
    "compression", [None, Rosbag1Writer.CompressionFormat.BZ2, Rosbag1Writer.CompressionFormat.LZ4]
)
def test_ros_1_bags(tmp_path, compression):
    bag = write_ros1(tmp_path / "drive.bag", {"/front": [raw(0), raw(1)], "/left": [packed(3)]}, compression)
    assert [frame.stamp_ns for frame in open_source(f"{bag}:/front")] == [stamp_ns(0), stamp_ns(1)]
    assert [int(frame.rgb.mean()) for frame in open_source(f"{bag}:/left")] == [30]


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_a_split_bag_is_one(tmp_path, plugin):
    assert [int(frame.rgb[0, 0, 2]) for frame in open_source(split_bag(tmp_path, plugin))] == [0, 10, 20, 30]


def split_bag(folder: Path, plugin: StoragePlugin) -> Path:
    """Two files with two frames each, as ros2 bag record --max-bag-size leaves them."""
    first = write(folder / "bag", {"/front": [raw(0), raw(1)]}, plugin)
    second = write(folder / "bag_1", {"/front": [raw(2), raw(3)]}, plugin, first_ns=LOG_NS + 200_000_000)
    (file,) = (each for each in second.iterdir() if each.suffix != ".yaml")
    file.rename(first / file.name)
    metadata = yaml.safe_load((first / "metadata.yaml").read_text())
    information = metadata["rosbag2_bagfile_information"]
    information["relative_file_paths"].append(file.name)
    information["message_count"] = information["topics_with_message_count"][0]["message_count"] = 4
    information["duration"]["nanoseconds"] = 300_000_000
    (first / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    return first


def test_a_folder_without_its_metadata_is_opened_by_its_file(tmp_path):
    bag = write(tmp_path / "bag", {"/front": [raw(0), raw(1)]})
    (bag / "metadata.yaml").unlink()
    assert len(list(open_source(bag))) == 2


def test_several_files_without_metadata_are_refused(tmp_path):
    bag = split_bag(tmp_path, StoragePlugin.MCAP)
    (bag / "metadata.yaml").unlink()
    with pytest.raises(SourceError, match=r"no metadata.yaml and 2 storage files; run ros2 bag reindex"):
        open_source(bag)


@pytest.mark.parametrize("plugin", [*StoragePlugin, None])
def test_masks_are_found_in_any_order(tmp_path, plugin):
    masks = [rgb(index, np.full((4, 4), index, np.uint8)) for index in range(5)]
    topics = {"/labels": masks, "/front": [raw(index) for index in range(5)]}
    bag = write_ros1(tmp_path / "drive.bag", topics) if plugin is None else write(tmp_path / "bag", topics, plugin)
    topic = LabelTopic("bag", bag, "/labels")
    assert topic.stamps_ns == [stamp_ns(index) for index in range(5)]
    assert [int(topic.read(index)[0, 0]) for index in (0, 1, 4, 2, 3, 3, 0)] == [0, 1, 4, 2, 3, 3, 0]
    topic.close()


def test_masks_recorded_at_one_moment_are_told_apart(tmp_path):
    masks = [rgb(index, np.full((4, 4), index, np.uint8)) for index in range(3)]
    topic = LabelTopic("bag", write(tmp_path / "bag", {"/labels": masks}, period_ns=0), "/labels")
    assert [int(topic.read(index)[0, 0]) for index in (2, 1, 0)] == [2, 1, 0]
    topic.close()


def test_a_label_topic_of_another_kind_is_refused(tmp_path):
    bag = write(tmp_path / "bag", {"/front": [raw(0)], "/talk": [STRING("hello")]})
    with pytest.raises(SourceError, match="no label topic /talk"):
        LabelTopic("bag", bag, "/talk")
    topic = LabelTopic("bag", bag, "/front")
    with pytest.raises(ImageError, match="'bgr8' holds no class ids"):
        topic.read(0)
    topic.close()
