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

"""Small data sets in the published layouts, drawn by us."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from drawings import drawn

from gain_ros.datasets import camvid
from gain_ros.labels import CAMVID, CAMVID_COLORS, CAMVID_VOID, CITYSCAPES_IDS, UNLABELLED

COUNTS = {"train": 6, "val": 2, "test": 3}
CAMBRIDGE_COUNTS = {"train": 3, "val": 1, "test": 2}
CAMBRIDGE_STEMS = (
    *("0001TP_008520", "0001TP_008550", "0006R0_f00930"),
    *("0016E5_07959", "0016E5_08190", "Seq05VD_f00000"),
)
COLORS = {ours: color for name, color, ours in CAMVID_COLORS if ours is None or name in camvid.NAMESAKES}


def write_camvid(root: Path) -> Path:
    """SegNet's layout: lists and index masks."""
    for split, count in COUNTS.items():
        (root / split).mkdir()
        (root / f"{split}annot").mkdir()
        for i in range(count):
            pair = drawn(i)
            _write_rgb(root / split / f"{i}.png", pair.image)
            cv2.imwrite(str(root / f"{split}annot" / f"{i}.png"), _void_mask(pair.labels))
        listing = "".join(f"{split}/{i}.png {split}annot/{i}.png\n" for i in range(count))
        (root / f"{split}.txt").write_text(listing)
    return root


def write_cambridge(root: Path) -> Path:
    """Cambridge's layout: the 701 frames' folder and colour masks."""
    for folder in (camvid.IMAGE_FOLDER, camvid.LABEL_FOLDER):
        (root / folder).mkdir()
    for i, stem in enumerate(CAMBRIDGE_STEMS):
        pair = drawn(i)
        _write_rgb(root / camvid.IMAGE_FOLDER / f"{stem}.png", pair.image)
        _write_rgb(root / camvid.LABEL_FOLDER / f"{stem}_L.png", _color_mask(pair.labels))
    return root


def write_cityscapes(root: Path) -> Path:
    """Two cities a split; the masks hold official ids."""
    ids = np.array([*CITYSCAPES_IDS, *[0] * 236, 4], np.uint8)
    for split, count in COUNTS.items():
        for i in range(count):
            city, pair = ("aachen", "bochum")[i % 2], drawn(i)
            for folder in ("leftImg8bit", "gtFine"):
                (root / folder / split / city).mkdir(parents=True, exist_ok=True)
            stem = f"{city}_{i:06}_000019"
            _write_rgb(root / f"leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png", pair.image)
            cv2.imwrite(str(root / f"gtFine/{split}/{city}/{stem}_gtFine_labelIds.png"), ids[pair.labels])
    return root


FOLDER_CLASSES = """classes:
- {id: 0, name: road, color: [128, 64, 128], groups: [traversable]}
- {id: 1, name: vehicle, color: [0, 0, 142], groups: [obstacle, dynamic]}
- {id: 2, name: other, color: [70, 70, 70]}
"""
FOLDER_COUNTS = {"train": 6, "val": 2}


def write_folder(root: Path) -> Path:
    """A data set of one's own in three classes: JPEG and PNG pictures, index masks."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "classes.yaml").write_text(FOLDER_CLASSES)
    for split, count in FOLDER_COUNTS.items():
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for i in range(count):
            pair = drawn(i)
            _write_rgb(root / f"images/{split}/{i}{('.jpg', '.png')[i % 2]}", pair.image)
            cv2.imwrite(str(root / f"masks/{split}/{i}.png"), three_classes(pair.labels))
    return root


def three_classes(labels: np.ndarray) -> np.ndarray:
    """CamVid's ids as those of :data:`FOLDER_CLASSES`."""
    table = np.full(256, 2, np.uint8)
    table[[CAMVID.names.index("road"), CAMVID.names.index("car"), UNLABELLED]] = 0, 1, UNLABELLED
    return table[labels]


def _void_mask(labels: np.ndarray) -> np.ndarray:
    return np.where(labels == UNLABELLED, CAMVID_VOID, labels).astype(np.uint8)


def _color_mask(labels: np.ndarray) -> np.ndarray:
    """Class ids → Cambridge's colours, RGB."""
    table = np.array([COLORS[name] for name in CAMVID.names] + [COLORS[None]], np.uint8)
    return table[np.minimum(labels, len(CAMVID))]


def _write_rgb(path: Path, rgb: np.ndarray) -> None:
    assert cv2.imwrite(str(path), rgb[..., ::-1])
