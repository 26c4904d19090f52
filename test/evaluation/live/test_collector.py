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

import os
from array import array
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from gain_ros.class_output import class_output
from gain_ros.errors import GraphError
from gain_ros.evaluation.live.collector import MaskFile
from gain_ros.evaluation.live.listener import Listener
from gain_ros.labels import CAMVID
from gain_ros.messages import fill_image
from gain_ros.node.outputs import label_info_json


def serialized(labels: np.ndarray, stamp_ns: int = 0, frame_id: str = "camera") -> bytes:
    message = fill_image(Image(), labels, Header(frame_id=frame_id))
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    return serialize_message(message)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (360, 480)])
def test_masks_come_back_as_they_were(shape, tmp_path):
    rng = np.random.default_rng(0)
    masks = [rng.integers(0, 3, shape, np.uint8), np.full(shape, 255, np.uint8), rng.integers(0, 256, shape, np.uint8)]
    file = MaskFile(tmp_path / "masks")
    stamp_ns = 1_700_000_000_123_456_789
    kept = [file.add(serialized(mask, stamp_ns + i, "f" * i), 10 * i) for i, mask in enumerate(masks)]
    for index in (2, 0, 1):
        np.testing.assert_array_equal(kept[index].labels(), masks[index])
        assert (kept[index].stamp_ns, kept[index].received_ns) == (stamp_ns + index, 10 * index)


def test_padded_rows_are_cut(tmp_path):
    data = array("B", range(12))
    padded = serialize_message(Image(height=2, width=4, step=6, encoding="mono8", data=data))
    labels = MaskFile(tmp_path / "masks").add(padded, 0).labels()
    assert labels.tolist() == [[0, 1, 2, 3], [6, 7, 8, 9]]


def test_a_mask_of_few_regions_takes_little_room(tmp_path):
    labels = np.zeros((1080, 1920), np.uint8)
    labels[500:, 900:] = 4
    MaskFile(tmp_path / "masks").add(serialized(labels), 0)
    assert (tmp_path / "masks").stat().st_size < 10_000


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_an_error_that_says_so():
    with pytest.raises(GraphError, match="No space left"):
        MaskFile(Path("/dev/full")).add(serialized(np.zeros((2, 2), np.uint8)), 0)


@pytest.mark.parametrize("data", ["no JSON", "[]", "{}", '{"classes": [{"name": "a", "color": [1, 2]}]}', "[" * 5000])
def test_label_info_of_somebody_else_is_one_line(data):
    with pytest.raises(GraphError, match="expected what segmentation_node publishes"):
        Listener._on_label_info(SimpleNamespace(label_set=None), String(data=data))


def test_a_node_with_classes_of_its_own_is_not_scored_as_the_model():
    plain, remapped = (label_info_json(class_output(CAMVID, remap)) for remap in ({}, {"road": 0}))
    listener = SimpleNamespace(label_set=None)
    Listener._on_label_info(listener, String(data=plain))
    assert listener.label_set == CAMVID
    with pytest.raises(GraphError, match=r"remap to .*none.* and min_confidence to"):
        Listener._on_label_info(listener, String(data=remapped))
