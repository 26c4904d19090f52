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

"""A data set of one's own: a folder with pictures, masks and the classes that they mean.

```
ROOT/classes.yaml              what the ids are (gain_ros/class_file.py)
ROOT/images/train/*.jpg|png    pictures, folders inside are fine
ROOT/images/val/...
ROOT/masks/train/*.png         a mask a picture, of its size and under its name
ROOT/masks/val/...
```

A mask is either 8-bit grey, with ids and 255 where nothing is known, or has the colours of classes.yaml; black is then
unlabelled, unless a class is black.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from gain_ros.class_file import read_class_file
from gain_ros.datasets.frames import ColorMasks, FrameFiles, FramesOnDisk, IndexMasks, attempt_all, refuse
from gain_ros.errors import DatasetError
from gain_ros.labels import UNLABELLED, LabelSet

IMAGES, MASKS, CLASSES = "images", "masks", "classes.yaml"
IMAGE_SUFFIXES, MASK_SUFFIXES = (".jpg", ".jpeg", ".png"), (".png",)
BLACK = (0, 0, 0)
ADVICE = (
    f"expected pictures in {IMAGES}/train and {IMAGES}/val and, of the same name and size, a PNG for each in "
    f"{MASKS}/train and {MASKS}/val with the ids or the colours of {CLASSES}"
)


@dataclass(frozen=True)
class FolderMasks:
    """Masks of either kind, each told by its channels: ids where it has one, else colours."""

    classes: LabelSet
    by_id: IndexMasks = field(init=False, repr=False, compare=False)
    by_color: ColorMasks = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        colors = {BLACK: UNLABELLED} | {color: i for i, color in enumerate(self.classes.colors)}
        object.__setattr__(self, "by_id", IndexMasks({i: i for i in range(len(self.classes))}))
        object.__setattr__(self, "by_color", ColorMasks(colors))

    def labels(self, pixels: np.ndarray, path: Path) -> np.ndarray:
        """Turn a decoded file into uint8 H×W class ids, 255 unlabelled. Raises DatasetError naming the file."""
        if pixels.ndim == 2:
            return self.by_id.labels(pixels, path)
        if len(set(self.classes.colors)) < len(self.classes):
            raise DatasetError(f"{path}: is a colour mask, but classes share a colour; give each its own in {CLASSES}")
        return self.by_color.labels(pixels, path)


def is_folder(root: Path) -> bool:
    """Tell whether ``root`` is laid out like this."""
    return (root / CLASSES).is_file() and (root / IMAGES).is_dir()


def read_classes(root: Path) -> LabelSet:
    """Read the classes of a data set. Raises ClassFileError."""
    return read_class_file(root / CLASSES)


def open_splits(root: Path, splits: Sequence[str], classes: LabelSet) -> dict[str, FramesOnDisk]:
    """Open splits by name, each frame decoded once to see that it is right.

    Raises one DatasetError that lists empty splits, pictures and masks without a counterpart, files that are damaged,
    masks of another size, and ids and colours that are no class.
    """
    opened: dict[str, FramesOnDisk] = {}
    problems: list[str] = []
    for split in splits:
        files, wrong = list_part(root, split, classes)
        opened[split] = frames = FramesOnDisk(files)
        problems += wrong + attempt_all(partial(_decode, frames), len(files))[1]
    refuse(problems, ADVICE)
    return opened


def _decode(frames: FramesOnDisk, index: int) -> None:
    frames[index]


def list_part(root: Path, part: str, classes: LabelSet) -> tuple[list[FrameFiles], list[str]]:
    """Return the pairs of a split in the order of their names, and what is wrong with the layout."""
    image_folder, mask_folder = root / IMAGES / part, root / MASKS / part
    images, masks = files_by_name(image_folder, IMAGE_SUFFIXES), files_by_name(mask_folder, MASK_SUFFIXES)
    problems = [] if images else [f"{image_folder}: holds no picture ({', '.join(IMAGE_SUFFIXES)})"]
    problems += [f"{images[name]}: has no mask {mask_folder / name}.png" for name in images if name not in masks]
    problems += [f"{masks[name]}: has no picture in {image_folder}" for name in masks if name not in images]
    read = FolderMasks(classes)
    return [FrameFiles(images[name], masks[name], read) for name in images if name in masks], problems


def files_by_name(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """Return the files below a folder by their path in it, without suffix and in order."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in suffixes)
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}
