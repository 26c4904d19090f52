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

"""The shipped models: complete, small, and as good as their model.yaml says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gain_ros.datasets.camvid import open_split
from gain_ros.model import load_model
from gain_ros.model_folder import read_model_folder
from gain_ros.pictures import read_as_stored, read_rgb
from gain_ros.runtime.opening import open_segmenter
from gain_ros.score import confusion_matrix, iou, mean_iou, pixel_accuracy
from gain_ros.shipped import example_bag
from gain_ros.sources.opening import open_source

MODELS = sorted(path.parent for path in (Path(__file__).parents[1] / "models").glob("*/model.yaml"))

pytestmark = pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)


def confusion(folder, pairs):
    with open_segmenter(folder, engine="onnxruntime") as segmenter:
        classes = len(segmenter.model_folder.labels)
        masks = (segmenter.segment([image], confidence=False)[0].labels for image, _ in pairs)
        return sum(confusion_matrix(truth, mask, classes) for (_, truth), mask in zip(pairs, masks, strict=True))


def test_folder_is_complete_and_small(folder):
    opened = read_model_folder(folder)
    assert opened.name == folder.name
    assert opened.graph()
    assert opened.training["split"]
    assert opened.licence
    assert (folder / "weights.safetensors").stat().st_size < 8e6
    assert sum(p.numel() for n, p in load_model(folder).named_parameters() if not n.startswith("aux")) < 3e6


def val_pairs(opened, data_folder):
    """The frames that model.yaml's metrics were measured on: image and labels."""
    if opened.labels.name == "camvid":
        return [(pair.image, pair.labels) for pair in open_split(data_folder / "camvid480", "val")]
    cities = opened.training["config"]["data"]["init_args"]["held_out"]
    root = data_folder / "cityscapes256"  # 512x256, squeezed to squares
    files = sorted(file for city in cities for file in root.glob(f"images/train/{city}_*.jpg"))
    if not files:
        pytest.skip(f"{root} is not there")
    images = (cv2.resize(read_rgb(file), (512, 256), interpolation=cv2.INTER_CUBIC) for file in files)
    masks = (read_as_stored(root / "labels/train" / f"{file.stem}.png") for file in files)
    labels = (cv2.resize(mask, (512, 256), interpolation=cv2.INTER_NEAREST) for mask in masks)
    return list(zip(images, labels, strict=True))


def test_val_metrics_are_those_of_model_yaml(folder, data_folder):
    opened = read_model_folder(folder)
    total = confusion(folder, val_pairs(opened, data_folder))
    # engines agree on 99.9 % of pixels, not on all: the last digits may differ
    assert mean_iou(total) == pytest.approx(opened.metrics["val_miou"], abs=3e-4)
    assert pixel_accuracy(total) == pytest.approx(opened.metrics["val_pixel_accuracy"], abs=2e-4)
    assert np.allclose(iou(total), list(opened.metrics["val_iou"].values()), atol=2e-3)


def test_the_motorway_has_its_road_below_and_its_sky_above(folder):
    frames = [frame.rgb for frame in open_source(example_bag())][::16]
    with open_segmenter(folder, engine="onnxruntime") as segmenter:
        road, sky = (segmenter.model_folder.labels.names.index(name) for name in ("road", "sky"))
        for frame in frames:
            labels = segmenter.segment([frame], confidence=False)[0].labels
            assert (labels[260:, 200:440] == road).mean() > 0.95
            assert (labels[:60, 60:400] == sky).mean() > 0.9
