"""CamVid and Cityscapes folders as sources: images with their label files, as they lie on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gain_ros.datasets.class_maps import meet
from gain_ros.errors import SourceError
from gain_ros.labels import CAMVID, CAMVID_COLORS, CITYSCAPES, UNLABELLED, LabelSet, camvid_split
from gain_ros.pictures import read_ids
from gain_ros.sources.files import FilesSource
from gain_ros.sources.source import Intrinsics

_CAMVID_HZ = {"val": 15.0}  # consecutive frames of one drive, every second one of 30 Hz
_SINGLE_FRAMES_HZ = 1.0  # the other splits are frames far apart
_CAMBRIDGE_IMAGES, _CAMBRIDGE_LABELS = "701_StillsRaw_full", "LabeledApproved_full"
_CITYSCAPES_IMAGE = "_leftImg8bit.png"
_CITYSCAPES_LABELS = {"_gtFine_labelTrainIds.png": "cityscapes", "_gtFine_labelIds.png": "cityscapes-ids"}


@dataclass(frozen=True)
class _Files:
    """What belongs to one image. ``read`` makes ids, uint8 (H, W), of the file of labels, or raises ValueError."""

    labels: Path
    read: Callable[[Path], np.ndarray]
    camera: Path | None = None


class DatasetSource(FilesSource):
    """One split of a labelled data set."""

    def __init__(self, name: str, files: dict[Path, _Files], label_set: LabelSet, rate_hz: float):
        super().__init__(name, list(files))
        self.label_set, self.rate_hz = label_set, rate_hz
        self._files = files

    def _truth(self, path: Path) -> np.ndarray:
        files = self._files[path]
        try:
            return files.read(files.labels)
        except ValueError as error:
            raise SourceError(f"{files.labels}: {error}") from error

    def intrinsics(self, path: Path) -> Intrinsics | None:
        """The camera of an image, where the data set tells it. Raises SourceError."""
        file = self._files[path].camera
        if file is None or not file.exists():
            return None
        try:
            told = json.loads(file.read_text(encoding="utf-8"))["intrinsic"]
            return Intrinsics(*(float(told[key]) for key in ("fx", "fy", "u0", "v0")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{file} is no camera of Cityscapes: {error!r}; fetch it again or remove it") from error


def open_dataset(name: str, split: str) -> DatasetSource | None:
    """A split of CamVid (SegNet's layout: SPLIT.txt with image and mask in each line; Cambridge's: 701_StillsRaw_full
    and LabeledApproved_full, split as SegNet does, colours merged into 11 classes) or of Cityscapes (leftImg8bit and
    gtFine side by side); None for any other folder. Raises SourceError for a split that is not there or not whole.
    """
    root = Path(name)
    if (root / _CAMBRIDGE_IMAGES).is_dir():
        return _cambridge(name, root, split)
    if (root / "leftImg8bit").is_dir():
        return _cityscapes(name, root, split)
    if any((root / f"{each}.txt").is_file() for each in ("train", "val", "test")):
        return _segnet(name, root, split)
    return None


def _cambridge(name: str, root: Path, split: str) -> DatasetSource:
    images = [p for p in sorted((root / _CAMBRIDGE_IMAGES).glob("*.png")) if camvid_split(p.stem) == split]
    if not images:
        raise SourceError(f"{name!r} has no split {split!r}: no image of {_CAMBRIDGE_IMAGES} belongs to it")
    files = {image: _Files(root / _CAMBRIDGE_LABELS / f"{image.stem}_L.png", _read_camvid_colors) for image in images}
    return DatasetSource(name, files, CAMVID, _CAMVID_HZ.get(split, _SINGLE_FRAMES_HZ))


def _read_camvid_colors(file: Path) -> np.ndarray:
    """Cambridge's colours in CamVid's 11 classes."""
    colors = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if colors is None:
        raise ValueError("is not there or not an image")
    packed = colors.astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32)  # OpenCV's order is BGR
    labels, known = np.full(packed.shape, UNLABELLED, np.uint8), np.zeros(packed.shape, bool)
    for _, (r, g, b), name in CAMVID_COLORS:
        here = packed == (r << 16 | g << 8 | b)
        known |= here
        if name is not None:
            labels[here] = CAMVID.names.index(name)
    if not known.all():
        b, g, r = colors[~known][0].tolist()
        raise ValueError(f"holds the colour ({r}, {g}, {b}), which is none of CamVid's {len(CAMVID_COLORS)}")
    return labels


def _id_reader(labels: LabelSet, meaning: str) -> Callable[[Path], np.ndarray]:
    """Reads files of ids that mean ``meaning`` (see :func:`gain_ros.datasets.class_maps.meet`)."""
    meeting = meet(labels, meaning)
    return lambda file: meeting.check_and_project_truth(read_ids(file))


def _segnet(name: str, root: Path, split: str) -> DatasetSource:
    listing = root / f"{split}.txt"
    if not listing.is_file():
        raise SourceError(f"{name!r} has no split {split!r}: {listing.name} is missing")
    lines = [line.split() for line in listing.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines or any(len(line) != 2 for line in lines):
        raise SourceError(f"{listing} is no list of images and masks; expected both in each line")
    # Folder and file: the list as published begins each path with /SegNet/CamVid.
    places = [[root.joinpath(*Path(each).parts[-2:]) for each in line] for line in lines]
    read = _id_reader(CAMVID, "camvid")
    files = {image: _Files(mask, read) for image, mask in places}
    return DatasetSource(name, files, CAMVID, _CAMVID_HZ.get(split, _SINGLE_FRAMES_HZ))


def _cityscapes(name: str, root: Path, split: str) -> DatasetSource:
    files, readers = {}, {kind: _id_reader(CITYSCAPES, kind) for kind in _CITYSCAPES_LABELS.values()}
    for image in sorted((root / "leftImg8bit" / split).glob(f"*/*{_CITYSCAPES_IMAGE}")):
        city, stem = image.parent.name, image.name.removesuffix(_CITYSCAPES_IMAGE)
        choice = {root / "gtFine" / split / city / f"{stem}{end}": kind for end, kind in _CITYSCAPES_LABELS.items()}
        labels = next((path for path in choice if path.exists()), None)
        if labels is None:
            raise SourceError(f"{image} has no labels; expected {' or '.join(map(str, choice))}")
        files[image] = _Files(labels, readers[choice[labels]], root / "camera" / split / city / f"{stem}_camera.json")
    if not files:
        raise SourceError(f"{name!r} has no split {split!r}: leftImg8bit/{split} holds no image")
    return DatasetSource(name, files, CITYSCAPES, _SINGLE_FRAMES_HZ)
