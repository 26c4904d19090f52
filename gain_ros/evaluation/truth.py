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

"""Where true labels come from, and which frame each belongs to."""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from gain_ros.datasets.class_maps import ClassMatch, match_classes
from gain_ros.errors import SourceError, TruthError
from gain_ros.labels import LabelSet
from gain_ros.pictures import read_ids
from gain_ros.score import confusion_matrix
from gain_ros.sources.source import Source

if TYPE_CHECKING:
    from gain_ros.sources.bags import LabelTopic

BY = ("auto", "stamp", "sequence")
_STAMP_DIGITS = 10  # a number of so many digits is a stamp in nanoseconds, a shorter one counts frames
_CITYSCAPES_ENDINGS = {"_labelTrainIds.png": "cityscapes", "_labelIds.png": "cityscapes-ids"}


@dataclass(frozen=True)
class TruthOptions:
    """Where to look for truth: a label topic of the bag, or a folder of PNG files.

    With neither it is what the source itself has, such as the one label topic of a bag.

    ``labels`` says what the ids mean (see :func:`gain_ros.datasets.class_maps.match_classes`). ``by`` is how files of
    a folder find their frames. A label belongs to the frame whose stamp is nearest and no more than ``tolerance_ms``
    away; keep it below half the time between two frames.
    """

    topic: str | None = None
    folder: Path | None = None
    labels: str | None = None
    by: str = "auto"
    tolerance_ms: float = 5.0


class Truth(ABC):
    """True labels of one source's frames; each belongs to at most one frame.

    Attributes:
        how: where it comes from and how it finds its frames, for result.json.
        classes: the scored classes.
        errors: why there may be more truth than could be read.

    """

    def __init__(self, meeting: ClassMatch, how: dict[str, Any]):
        self._meeting, self.how, self.classes = meeting, how, meeting.classes
        self.errors: list[str] = []

    def labels_at(self, index: int, stamp_ns: int, own: np.ndarray | None = None) -> np.ndarray | None:
        """Truth of the source's frame number ``index``, uint8 (H, W) in the scored classes; None where it has none.

        ``own`` are the labels that the source's frame carries itself, None where it has none.

        Raises TruthError where there is some that cannot be used.
        """
        try:
            ids = self._ids_at(index, stamp_ns, own)
            return None if ids is None else self._meeting.check_and_project_truth(ids)
        except (ValueError, cv2.error) as error:
            raise TruthError(str(error)) from error

    def project(self, labels: np.ndarray) -> np.ndarray:
        """Return a model's mask, uint8 (H, W), in the scored classes."""
        return self._meeting.project(labels)

    def unmatched(self) -> tuple[str, ...]:
        """Each truth that no frame has asked for so far."""
        return ()

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """End reading."""

    @abstractmethod
    def _ids_at(self, index: int, stamp_ns: int, own: np.ndarray | None) -> np.ndarray | None:
        """Ids as recorded, uint8 (H, W). Raises ValueError."""


def open_truth(options: TruthOptions, source: Source, model: LabelSet) -> Truth | None:
    """Open the truth of a source; None where none was asked for. Raises SourceError."""
    if options.topic is not None and options.folder is not None:
        raise SourceError("truth from a topic and from a folder; give --truth-topic or --truth-dir")
    if options.by not in BY or not options.tolerance_ms >= 0:
        raise SourceError(
            f"truth by {options.by!r} within {options.tolerance_ms} ms; expected one of {', '.join(BY)} and 0 or more"
        )
    if options.folder is not None:
        return _open_folder(options, options.folder, model)
    topic = options.topic or _label_topic(source)
    if topic is not None:
        return _open_topic(topic, options, source, model)
    if options.labels is not None:
        raise SourceError(
            f"--truth-labels {options.labels!r} says what the ids of truth mean, and none is named; "
            "give --truth-topic or --truth-dir too, or leave it out"
        )
    if source.label_set is not None:
        return SourceTruth(source, match_classes(model, source.label_set))
    return None


def score(truth: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Confusion matrix of one frame, int64 (classes, classes). Raises TruthError for labels of another size."""
    if truth.shape != labels.shape:
        sizes = [f"{width}x{height}" for height, width in (truth.shape, labels.shape)]
        raise TruthError(f"the truth is {sizes[0]}, the frame {sizes[1]}; they must agree")
    return confusion_matrix(truth, labels, classes)


class SourceTruth(Truth):
    """What the source's own frames carry (:attr:`SourceFrame.labels`)."""

    def __init__(self, source: Source, meeting: ClassMatch):
        super().__init__(meeting, {"from": source.name, "by": "source", "tolerance_ms": None})

    def _ids_at(self, index: int, stamp_ns: int, own: np.ndarray | None) -> np.ndarray | None:
        return own


class StampedTruth(Truth):
    """Labels that know their stamps."""

    def __init__(self, meeting: ClassMatch, how: dict[str, Any], stamps_ns: list[int], tolerance_ms: float):
        super().__init__(meeting, {**how, "by": "stamp", "tolerance_ms": tolerance_ms})
        self._order = sorted(range(len(stamps_ns)), key=stamps_ns.__getitem__)
        self._stamps_ns = [stamps_ns[index] for index in self._order]
        self._used = [False] * len(stamps_ns)
        self._tolerance_ns = round(1e6 * tolerance_ms)

    def _ids_at(self, index: int, stamp_ns: int, own: np.ndarray | None) -> np.ndarray | None:
        place = self._nearest(stamp_ns)
        if place is None:
            return None
        self._used[place] = True
        return self._read(self._order[place])

    def _nearest(self, stamp_ns: int) -> int | None:
        """Return the nearest unused label, the earlier one of two."""
        above = bisect.bisect_left(self._stamps_ns, stamp_ns - self._tolerance_ns)
        best = None
        while above < len(self._stamps_ns) and self._stamps_ns[above] <= stamp_ns + self._tolerance_ns:
            away = abs(self._stamps_ns[above] - stamp_ns)
            if not self._used[above] and (best is None or away < abs(self._stamps_ns[best] - stamp_ns)):
                best = above
            above += 1
        return best

    def unmatched(self) -> tuple[str, ...]:
        return tuple(str(stamp) for stamp, used in zip(self._stamps_ns, self._used, strict=True) if not used)

    @abstractmethod
    def _read(self, index: int) -> np.ndarray:
        """Ids of the label number ``index``. Raises ValueError."""


class TopicTruth(StampedTruth):
    """A topic of mono8 images in the bag itself."""

    def __init__(self, topic: LabelTopic, name: str, meeting: ClassMatch, tolerance_ms: float):
        super().__init__(meeting, {"from": f"topic {name}"}, topic.stamps_ns, tolerance_ms)
        self._topic, self.errors = topic, topic.errors

    def _read(self, index: int) -> np.ndarray:
        return self._topic.read(index)

    def close(self) -> None:
        self._topic.close()


class StampedFiles(StampedTruth):
    """PNG files named by stamp in nanoseconds."""

    def __init__(self, files: list[Path], meeting: ClassMatch, how: dict[str, Any], tolerance_ms: float):
        super().__init__(meeting, how, [int(file.stem) for file in files], tolerance_ms)
        self._files = files

    def _read(self, index: int) -> np.ndarray:
        return read_ids(self._files[index])


class FilesInOrder(Truth):
    """PNG files in the order of their names: the first belongs to the first frame."""

    def __init__(self, files: list[Path], meeting: ClassMatch, how: dict[str, Any]):
        super().__init__(meeting, {**how, "by": "sequence", "tolerance_ms": None})
        self._files = files
        self._used = [False] * len(files)

    def _ids_at(self, index: int, stamp_ns: int, own: np.ndarray | None) -> np.ndarray | None:
        if index >= len(self._files):
            return None
        self._used[index] = True
        return read_ids(self._files[index])

    def unmatched(self) -> tuple[str, ...]:
        return tuple(file.name for file, used in zip(self._files, self._used, strict=True) if not used)


def _label_topic(source: Source) -> str | None:
    """Return a bag's own label topic, None where it has none. Raises SourceError where it has several."""
    topics = source.label_topics
    if len(topics) > 1:
        raise SourceError(
            f"{source.name!r} has {len(topics)} label topics ({', '.join(topics)}); name one with --truth-topic"
        )
    return topics[0] if topics else None


def _open_topic(topic: str, options: TruthOptions, source: Source, model: LabelSet) -> TopicTruth:
    from gain_ros.sources.bags import BagSource, LabelTopic

    if not isinstance(source, BagSource):
        raise SourceError(f"{source.name!r} is no bag and has no topic {topic}; give --truth-dir for it")
    meeting = match_classes(model, options.labels)
    return TopicTruth(LabelTopic(source.name, source.path, topic), topic, meeting, options.tolerance_ms)


def _open_folder(options: TruthOptions, folder: Path, model: LabelSet) -> Truth:
    files, labels = _label_files(folder)
    meeting = match_classes(model, options.labels or labels)
    how = {"from": f"folder {folder}"}
    stamped = all(file.stem.isdecimal() and len(file.stem) >= _STAMP_DIGITS for file in files)
    if options.by == "stamp" and not stamped:
        raise SourceError(f"files of {folder} are not all named by stamp (nanoseconds), as {files[0].name} shows")
    if stamped and options.by != "sequence":
        return StampedFiles(files, meeting, how, options.tolerance_ms)
    return FilesInOrder(files, meeting, how)


def _label_files(folder: Path) -> tuple[list[Path], str | None]:
    """Label files of a folder, or of those below it, and what the names say about the classes."""
    if not folder.is_dir():
        raise SourceError(f"truth folder {str(folder)!r} is not there; give a folder of PNG files with class ids")
    files = sorted(folder.glob("*.png")) or sorted(folder.rglob("*.png"))
    for ending, labels in _CITYSCAPES_ENDINGS.items():
        if chosen := [file for file in files if file.name.endswith(ending)]:
            return chosen, labels
    if not files:
        raise SourceError(f"truth folder {str(folder)!r} holds no .png file; give a folder of PNG files with class ids")
    return files, None
