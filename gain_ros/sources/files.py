"""Picture files and folders of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np

from gain_ros.errors import ImageError, SourceError
from gain_ros.labels import CAMVID, UNLABELLED
from gain_ros.messages import decode_compressed
from gain_ros.sources.source import IMAGE_SUFFIXES, BadFrame, Source, SourceFrame

_NODE_DECODES = (".png", ".jpg", ".jpeg")
_MAX_PIXELS = 1 << 28
_IMAGES_HZ = 10.0


def read_image(path: Path) -> np.ndarray:
    """An image file as RGB uint8 (H, W, 3), decoded as the node decodes a CompressedImage.

    Raises:
        SourceError: missing, truncated, too large or not an image.
    """
    try:
        data = path.read_bytes()
        if path.suffix.lower() in _NODE_DECODES:
            return decode_compressed(SimpleNamespace(data=data, format=path.suffix[1:]), _MAX_PIXELS)
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except (OSError, ImageError, cv2.error) as error:
        raise SourceError(f"{path}: {error}") from error
    if bgr is None:
        raise SourceError(f"{path} ({len(data)} bytes) is not a readable {path.suffix[1:]} image; convert it to PNG")
    return bgr[..., ::-1]


class FilesSource(Source):
    """Image files, in the order given."""

    def __init__(self, name: str, paths: list[Path]):
        super().__init__(name, len(paths), _IMAGES_HZ)
        self.paths = paths

    def frames(self) -> Iterator[SourceFrame | BadFrame]:
        for index, path in enumerate(self.paths):
            stamp_ns = round(index * 1e9 / self.rate_hz)
            try:
                yield SourceFrame(path.stem, read_image(path), stamp_ns, self._truth(path), path)
            except SourceError as error:
                yield BadFrame(stamp_ns, str(error))

    def _truth(self, _path: Path) -> np.ndarray | None:
        return None


class FolderSource(FilesSource):
    """The images of one folder, sorted by name; not those of its sub-folders."""

    def __init__(self, name: str, folder: Path):
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
        if not paths:
            raise SourceError(f"folder {name!r} holds no {', '.join(IMAGE_SUFFIXES)} file; give a folder of images")
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
        file = self._truth_folder / f"{path.stem}.png"
        ids = cv2.imread(str(file), cv2.IMREAD_UNCHANGED) if file.exists() else None
        if ids is None or ids.ndim != 2:
            raise SourceError(f"{file} is not there or not an 8-bit mask; every image of {path.parent} needs one")
        return np.where(ids < len(self.label_set), ids, UNLABELLED).astype(np.uint8)
