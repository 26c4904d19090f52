"""Where frames come from: an image, a folder, a video, a webcam, a bag or a drawn street, all behind one iterator.

Orientation tags (EXIF, video rotation) are ignored everywhere: a mask matches the camera's own pixels, as in the node.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np

from gain_ros.labels import CAMVID, UNLABELLED, LabelSet
from gain_ros.node.images import ImageError, decode_compressed
from gain_ros.scenes import StreetScene

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm")
# Takes what is being done, how much of it is done, and of how much (None: unknown).
Report = Callable[[str, int, int | None], None]

_NODE_DECODES = (".png", ".jpg", ".jpeg")
_BAG_SUFFIXES = (".mcap", ".db3", ".bag")
_MAX_PIXELS = 1 << 28
_IMAGES_HZ = 10.0
_SCENE_HZ = 10.0
_SCENE_FRAMES = 100
_SCENE_SEED = 6  # a bright street with traffic; no scene of the shipped model's training


class SourceError(ValueError):
    """A source that cannot be read: says what was given, what was expected and what to do."""


@dataclass(frozen=True)
class SourceFrame:
    """One frame: file stem for its mask, RGB uint8 (H, W, 3), stamp, and its true class ids uint8 (H, W) if known."""

    stem: str
    rgb: np.ndarray
    stamp_ns: int
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class BadFrame:
    """A frame that is there and cannot be read, and why."""

    stamp_ns: int
    error: str


class Source(ABC):
    """Frames in order. Iterating again starts over, except on a live source.

    Attributes:
        name: what the user gave.
        length: number of frames, None where unknown.
        rate_hz: frames a second.
        live: a camera: no end, no second look.
        label_set: what the ids in ``labels`` mean; None where there is no truth.
        problems: one line for each frame that could not be read so far; iterating leaves such frames out.
        warnings: what else is odd, known once all frames have been read.
    """

    live = False
    label_set: LabelSet | None = None

    def __init__(self, name: str, length: int | None, rate_hz: float):
        self.name, self.length, self.rate_hz = name, length, rate_hz
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[SourceFrame]:
        self.problems.clear()
        self.warnings.clear()
        for frame in self.frames():
            if isinstance(frame, BadFrame):
                self.problems.append(frame.error)
            else:
                yield frame

    @abstractmethod
    def frames(self) -> Iterator[SourceFrame | BadFrame]:
        """Every frame, also those that cannot be read."""


def open_source(spec: str | os.PathLike[str], labels_topic: str | None = None) -> Source:
    """Open an image file, a folder of images, a video, a bag, a webcam ("0", "camera:0") or "scene[:seed]".

    A bag with several image topics needs one named: ``drive.mcap:/front/image_raw``; ``labels_topic``, which holds
    class ids, is none of them. A folder ``D`` with a sibling ``Dannot`` (SegNet's CamVid layout: a mask of the same
    stem for every image) has truth.

    Raises:
        SourceError: nothing readable there.
    """
    text = os.fspath(spec)
    path = Path(text)
    if path.is_dir() and not _is_bag(path):
        return FolderSource(text, path)
    if not path.exists():
        kind, _, argument = text.partition(":")
        if kind == "scene":
            return SceneSource(text, argument)
        if text.isdigit() or (kind == "camera" and argument.isdigit()):
            return CameraSource(text, int(argument or text))
        path, topic = _split_topic(text)
    else:
        topic = None
    if path.is_dir() or path.suffix.lower() in _BAG_SUFFIXES:
        from gain_ros.replay.bags import BagSource

        return BagSource(text, path, topic, labels_topic)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return FilesSource(text, [path])
    return VideoSource(text, path)


def _is_bag(folder: Path) -> bool:
    return any(each.name == "metadata.yaml" or each.suffix in (".mcap", ".db3") for each in folder.iterdir())


def _split_topic(text: str) -> tuple[Path, str | None]:
    head, colon, topic = text.partition(":/")
    if colon and Path(head).exists():
        return Path(head), "/" + topic
    raise SourceError(
        f"source {text!r} does not exist; expected an image, a folder of images, a video, a bag, a webcam number "
        f"or scene[:seed]"
    )


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
                yield SourceFrame(path.stem, read_image(path), stamp_ns, self._truth(path))
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


class VideoSource(Source):
    """A video file, through OpenCV."""

    def __init__(self, name: str, path: Path):
        capture = self._open(path)
        rate_hz, length = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        readable, _ = capture.read()
        capture.release()
        if not readable:
            raise SourceError(
                f"{name!r} is neither a video that OpenCV can read nor one of {', '.join(IMAGE_SUFFIXES)}, "
                f"{', '.join(_BAG_SUFFIXES)}; convert it, for example to MP4"
            )
        super().__init__(name, length if length > 0 else None, rate_hz if 0 < rate_hz < 1000 else 25.0)
        self._path = path

    @staticmethod
    def _open(path: Path) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        return capture

    def frames(self) -> Iterator[SourceFrame]:
        capture = self._open(self._path)
        digits = max(6, len(str(self.length or 0)))
        try:
            index = 0
            while True:
                readable, bgr = capture.read()
                if not readable:
                    break
                rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                yield SourceFrame(f"{index:0{digits}d}", rgb, round(index * 1e9 / self.rate_hz))
                index += 1
        finally:
            capture.release()


class CameraSource(Source):
    """A webcam."""

    live = True

    def __init__(self, name: str, index: int):
        self._capture = cv2.VideoCapture(index)
        readable, _ = self._capture.read()
        if not readable:
            raise SourceError(f"webcam {index} gives no picture; is it plugged in, free, and readable by this user?")
        rate_hz = self._capture.get(cv2.CAP_PROP_FPS)
        super().__init__(name, None, rate_hz if 1 <= rate_hz <= 240 else 30.0)

    def frames(self) -> Iterator[SourceFrame | BadFrame]:
        index = 0
        while True:
            readable, bgr = self._capture.read()
            if not readable:
                yield BadFrame(time.time_ns(), f"{self.name}: the webcam stopped after {index} frames")
                return
            yield SourceFrame(f"{index:06d}", cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), time.time_ns())
            index += 1


class SceneSource(Source):
    """A drawn street with exact truth in CamVid's classes: ten seconds at 10 Hz, 480x360."""

    label_set = CAMVID

    def __init__(self, name: str, seed: str):
        if seed and not seed.isdigit():
            raise SourceError(f"source {name!r}: the seed is {seed!r}; expected a whole number, as in scene:7")
        super().__init__(name, _SCENE_FRAMES, _SCENE_HZ)
        self._seed = int(seed or _SCENE_SEED)

    def frames(self) -> Iterator[SourceFrame]:
        scene = StreetScene(self._seed)
        for index in range(_SCENE_FRAMES):
            rgb, labels = scene.frame(index / self.rate_hz)
            yield SourceFrame(f"{index:06d}", rgb, round(index * 1e9 / self.rate_hz), labels)
