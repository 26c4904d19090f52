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

"""Picture files and folders of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gain_ros.errors import GainError, SourceError
from gain_ros.labels import CAMVID, UNLABELLED
from gain_ros.pictures import read_ids, read_rgb
from gain_ros.sources.source import IMAGE_SUFFIXES, BadFrame, Source, SourceFrame

_IMAGES_HZ = 10.0


class FilesSource(Source):
    """Image files, in the order given."""

    def __init__(self, name: str, paths: list[Path]):
        super().__init__(name, len(paths), _IMAGES_HZ)
        self.paths = paths

    def frames(self) -> Iterator[SourceFrame | BadFrame]:
        for index, path in enumerate(self.paths):
            stamp_ns = round(index * 1e9 / self.rate_hz)
            try:
                yield SourceFrame(path.stem, read_rgb(path), stamp_ns, self._truth(path), path)
            except GainError as error:
                yield BadFrame(stamp_ns, str(error))

    def _truth(self, path: Path) -> np.ndarray | None:
        """Class ids of an image, uint8 (H, W). Raises GainError naming the file."""
        return None


class FolderSource(FilesSource):
    """The images of one folder, sorted by name; not those of its sub-folders."""

    def __init__(self, name: str, folder: Path):
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
        if not paths:
            raise SourceError(f"folder {name!r} holds no .png, .jpg or .jpeg file; give a folder of images")
        stems: dict[str, Path] = {}
        for path in paths:
            if path.stem in stems:
                raise SourceError(
                    f"{stems[path.stem].name} and {path.name} in {name!r} would share the mask {path.stem}.png; "
                    f"rename or move one"
                )
            stems[path.stem] = path
        super().__init__(name, paths)
        self._truth_folder = folder.resolve().parent / f"{folder.resolve().name}annot"
        if self._truth_folder.is_dir():
            self.label_set = CAMVID

    def _truth(self, path: Path) -> np.ndarray | None:
        if self.label_set is None:
            return None
        ids = read_ids(self._truth_folder / f"{path.stem}.png")
        return np.where(ids < len(self.label_set), ids, UNLABELLED).astype(np.uint8)
