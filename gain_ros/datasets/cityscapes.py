"""Cityscapes as it is published: leftImg8bit/ and gtFine/ with *_labelIds.png, 2048x1024, 19 classes.

Masks hold the official ids 0-33, read through the official id → trainId table; no prepared trainIds files are needed.
The truth of the test split is not public: its frames come without labels, and predictions are sent to the server.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from gain_ros.datasets.frames import FramePaths, FramesOnDisk, IndexMasks, check_files, refuse
from gain_ros.errors import DatasetError
from gain_ros.labels import CITYSCAPES_IDS, CITYSCAPES_LAST_ID, UNLABELLED

COUNTS = {"train": 2975, "val": 500, "test": 1525}
SPLITS = {"train": ("train",), "val": ("val",), "test": ("test",), "trainval": ("train", "val")}
MASKS = IndexMasks(
    dict.fromkeys(range(CITYSCAPES_LAST_ID + 1), UNLABELLED) | {ident: i for i, ident in enumerate(CITYSCAPES_IDS)}
)
ADVICE = (
    "unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from www.cityscapes-dataset.com "
    "into one folder and name that folder as root"
)


def open_split(root: Path, split: str) -> FramesOnDisk:
    """The frames of "train", "val", "test" or "trainval", in the order of their names.

    Raises one DatasetError that lists folders, files and counts that are not as published.
    """
    frames, problems = [], []
    for part in SPLITS[split]:
        images = sorted((Path(root) / "leftImg8bit" / part).glob("*/*_leftImg8bit.png"))
        found = [FramePaths(image, None if part == "test" else mask_of(Path(root), image)) for image in images]
        if len(found) != COUNTS[part]:
            folder = Path(root) / "leftImg8bit" / part
            problems.append(f"{folder}: {len(found)} images */*_leftImg8bit.png; expected {COUNTS[part]}")
        frames += found
    refuse(problems + check_files(frames), ADVICE)
    return FramesOnDisk(frames, MASKS)


def mask_of(root: Path, image: Path) -> Path:
    split, city = image.parts[-3:-1]
    return root / "gtFine" / split / city / image.name.replace("_leftImg8bit.png", "_gtFine_labelIds.png")


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
    if not cv2.imwrite(str(path), np.array(CITYSCAPES_IDS, np.uint8)[labels]):
        raise OSError(f"{path}: could not be written")
    return path
