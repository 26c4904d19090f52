from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from gain_ros.replay.sources import SourceError, open_source

STORE = get_typestore(Stores.ROS2_HUMBLE)
IMAGE, COMPRESSED = (STORE.types[f"sensor_msgs/msg/{name}"] for name in ("Image", "CompressedImage"))
HEADER, TIME = STORE.types["std_msgs/msg/Header"], STORE.types["builtin_interfaces/msg/Time"]
HEIGHT, WIDTH = 12, 16


def header(index: int):
    return HEADER(TIME(5, index * 100_000_000), "camera")


def raw(index: int, encoding: str = "bgr8"):
    row = np.zeros((HEIGHT, WIDTH * 3 + 5), np.uint8)  # padded rows
    row[:, : WIDTH * 3] = np.tile([10 * index, 20, 200], WIDTH)
    return IMAGE(header(index), HEIGHT, WIDTH, encoding, 0, row.shape[1], row.ravel())


def packed(index: int):
    _, data = cv2.imencode(".png", np.full((HEIGHT, WIDTH, 3), 10 * index, np.uint8))
    return COMPRESSED(header(index), "png", data.ravel())


def write(path: Path, topics: dict, plugin: StoragePlugin = StoragePlugin.MCAP) -> Path:
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        for topic, messages in topics.items():
            kind = messages[0].__msgtype__
            connection = writer.add_connection(topic, kind, typestore=STORE)
            for i, message in enumerate(messages):
                writer.write(connection, 9_000_000_000 + i * 100_000_000, STORE.serialize_cdr(message, kind))
    return path


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


def test_a_bag_without_images_and_a_broken_bag_are_refused(tmp_path):
    text = STORE.types["std_msgs/msg/String"]
    with pytest.raises(SourceError, match="no image topic"):
        open_source(write(tmp_path / "bag", {"/talk": [text("hello")]}))
    (tmp_path / "broken.mcap").write_bytes(b"not a bag")
    with pytest.raises(SourceError, match="not a readable bag"):
        open_source(tmp_path / "broken.mcap")
