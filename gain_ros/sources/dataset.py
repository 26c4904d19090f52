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

"""CamVid, Cityscapes and data sets of one's own as sources: images with their label files, as they lie on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from gain_ros.datasets import camvid, cityscapes, folder
from gain_ros.datasets.frames import FrameFiles
from gain_ros.errors import SourceError
from gain_ros.labels import CAMVID, CITYSCAPES, LabelSet
from gain_ros.sources.files import FilesSource
from gain_ros.sources.source import Intrinsics

_CAMVID_HZ = {"val": 15.0}  # consecutive frames of one drive, every second one of 30 Hz
_SINGLE_FRAMES_HZ = 1.0  # the other splits are frames far apart


class DatasetSource(FilesSource):
    """One split of a labelled data set; ``cameras`` holds a file for each image where the data set tells its camera."""

    def __init__(
        self, name: str, files: list[FrameFiles], label_set: LabelSet, rate_hz: float, cameras: list[Path] | None = None
    ):
        super().__init__(name, [each.image for each in files])
        self.label_set, self.rate_hz = label_set, rate_hz
        self._files = dict(zip(self.paths, files, strict=True))
        self._cameras = dict(zip(self.paths, cameras or (), strict=False))

    def _truth(self, path: Path) -> np.ndarray | None:
        return self._files[path].labels()

    def intrinsics(self, path: Path) -> Intrinsics | None:
        """Return the camera of an image, where the data set tells it. Raises SourceError."""
        file = self._cameras.get(path)
        if file is None or not file.exists():
            return None
        try:
            content = json.loads(file.read_text(encoding="utf-8"))["intrinsic"]
            return Intrinsics(*(float(content[key]) for key in ("fx", "fy", "u0", "v0")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{file} is no camera of Cityscapes: {error!r}; fetch it again or remove it") from error


def open_dataset(name: str, split: str) -> DatasetSource | None:
    """Open a split of CamVid, of Cityscapes or of one's own data, be it whole or a few frames; None for other folders.

    CamVid is in SegNet's layout (SPLIT.txt with image and mask in each line) or Cambridge's (701_StillsRaw_full and
    LabeledApproved_full, split as SegNet does, colours merged into 11 classes); Cityscapes has leftImg8bit and gtFine
    side by side, one's own data images, masks and classes.yaml.

    Raises SourceError for a split that is not there, and for images without labels, ClassFileError.
    """
    root = Path(name)
    if (root / "leftImg8bit").is_dir():
        return _open_cityscapes(name, root, split)
    if (root / camvid.IMAGE_FOLDER).is_dir() or any((root / f"{part}.txt").is_file() for part in camvid.COUNTS):
        return _open_camvid(name, root, split)
    if folder.is_folder(root):
        return _open_folder(name, root, split)
    return None


def _open_camvid(name: str, root: Path, split: str) -> DatasetSource:
    files, problems = camvid.list_part(root, split, "merged" if (root / camvid.IMAGE_FOLDER).is_dir() else "segnet")
    if problems or not files:
        raise SourceError(f"{name!r} has no split {split!r}: {'; '.join(problems[:3]) or 'no image belongs to it'}")
    return DatasetSource(name, files, CAMVID, _CAMVID_HZ.get(split, _SINGLE_FRAMES_HZ))


def _open_folder(name: str, root: Path, split: str) -> DatasetSource:
    classes = folder.read_classes(root)
    files, problems = folder.list_part(root, split, classes)
    if problems:
        raise SourceError(f"{name!r} cannot give its split {split!r}: {'; '.join(problems[:3])}")
    return DatasetSource(name, files, classes, _SINGLE_FRAMES_HZ)


def _open_cityscapes(name: str, root: Path, split: str) -> DatasetSource:
    files = cityscapes.list_part(root, split)
    if not files:
        raise SourceError(f"{name!r} has no split {split!r}: leftImg8bit/{split} holds no image")
    for each in files:
        if each.mask is None or not each.mask.exists():
            raise SourceError(f"{each.image} has no labels; expected {each.mask}, or its {cityscapes.TRAIN_IDS}")
    return DatasetSource(name, files, CITYSCAPES, _SINGLE_FRAMES_HZ, [_camera_file(root, each.image) for each in files])


def _camera_file(root: Path, image: Path) -> Path:
    return root.joinpath("camera", *image.parts[-3:-1], image.name.replace(cityscapes.IMAGE, "_camera.json"))
