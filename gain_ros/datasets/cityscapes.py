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

"""Cityscapes as it is published: leftImg8bit/ and gtFine/ with *_labelIds.png, 2048x1024, 19 classes.

Masks hold the official ids 0-33, read through the official id → trainId table. Where somebody has prepared
*_labelTrainIds.png files, those are read.
The truth of the test split is not public: its frames come without labels, and predictions are sent to the server.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from gain_ros.datasets.frames import FrameFiles, FramesOnDisk, IndexMasks, check_files, refuse
from gain_ros.errors import DatasetError
from gain_ros.labels import CITYSCAPES_IDS, CITYSCAPES_LAST_ID, UNLABELLED
from gain_ros.pictures import encode

COUNTS = {"train": 2975, "val": 500, "test": 1525}
SPLITS = {"train": ("train",), "val": ("val",), "test": ("test",), "trainval": ("train", "val")}
MASKS = IndexMasks(
    dict.fromkeys(range(CITYSCAPES_LAST_ID + 1), UNLABELLED) | {ident: i for i, ident in enumerate(CITYSCAPES_IDS)}
)
TRAIN_ID_MASKS = IndexMasks({i: i for i in range(len(CITYSCAPES_IDS))})
IMAGE, LABEL_IDS, TRAIN_IDS = "_leftImg8bit.png", "_gtFine_labelIds.png", "_gtFine_labelTrainIds.png"
ADVICE = (
    "unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from www.cityscapes-dataset.com "
    "into one folder and name that folder as root"
)


def open_split(root: Path, split: str) -> FramesOnDisk:
    """Open the frames of "train", "val", "test" or "trainval", in the order of their names.

    Raises one DatasetError that lists folders, files and counts that are not as published.
    """
    files: list[FrameFiles] = []
    problems: list[str] = []
    for part in SPLITS[split]:
        found = list_part(Path(root), part)
        if len(found) != COUNTS[part]:
            folder = Path(root) / "leftImg8bit" / part
            problems.append(f"{folder}: {len(found)} images */*{IMAGE}; expected {COUNTS[part]}")
        files += [replace(each, mask=None) for each in found] if part == "test" else found
    refuse(problems + check_files(files), ADVICE)
    return FramesOnDisk(files)


def list_part(root: Path, part: str) -> list[FrameFiles]:
    """Return the files of "train", "val" or "test", as many as there are; masks may be missing."""
    return [_files(root, image) for image in sorted((root / "leftImg8bit" / part).glob(f"*/*{IMAGE}"))]


def _files(root: Path, image: Path) -> FrameFiles:
    part, city = image.parts[-3:-1]
    stem = root / "gtFine" / part / city / image.name.removesuffix(IMAGE)
    if (train_ids := Path(f"{stem}{TRAIN_IDS}")).exists():
        return FrameFiles(image, train_ids, TRAIN_ID_MASKS)
    return FrameFiles(image, Path(f"{stem}{LABEL_IDS}"), MASKS)


def write_submission(folder: Path, stem: str, labels: np.ndarray) -> Path:
    """Write ``STEM.png`` for the evaluation server: official ids, 8-bit, from class ids uint8 1024×2048.

    Raises DatasetError for ids that are no class: the server knows no unlabelled prediction.
    """
    if labels.dtype != np.uint8 or labels.ndim != 2 or labels.max() >= len(CITYSCAPES_IDS):
        raise DatasetError(
            f"{stem}: labels are {labels.dtype} {labels.shape} up to {labels.max()}; "
            f"expected uint8 (H, W) with classes 0-{len(CITYSCAPES_IDS) - 1}"
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.png"
    path.write_bytes(encode(np.array(CITYSCAPES_IDS, np.uint8)[labels]))
    return path
