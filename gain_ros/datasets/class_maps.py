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

"""A model's classes, the truth's classes, and the table between them where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gain_ros.class_file import distinct_color, read_class_file
from gain_ros.errors import ClassFileError, ModelFolderError, SourceError
from gain_ros.labels import (
    CAMVID,
    CAMVID_VOID,
    CITYSCAPES,
    CITYSCAPES_IDS,
    CITYSCAPES_LAST_ID,
    LABEL_SETS,
    UNLABELLED,
    LabelSet,
)
from gain_ros.model_folder import find_model, read_model_folder
from gain_ros.yaml_files import read_yaml

# Cityscapes' 19 classes in CamVid's 11, by the grouping of CamVid's own 32 classes (traffic lights are signs, walls are
# buildings, every vehicle on four wheels or more is a car, two-wheelers and their riders are bicyclists).
CITYSCAPES_TO_CAMVID: Mapping[str, str] = {
    "road": "road",
    "sidewalk": "pavement",
    "building": "building",
    "wall": "building",
    "fence": "fence",
    "pole": "pole",
    "traffic light": "sign",
    "traffic sign": "sign",
    "vegetation": "tree",
    "terrain": "tree",
    "sky": "sky",
    "person": "pedestrian",
    "rider": "bicyclist",
    "car": "car",
    "truck": "car",
    "bus": "car",
    "train": "car",
    "motorcycle": "bicyclist",
    "bicycle": "bicyclist",
}


@dataclass(frozen=True)
class ClassMap:
    """A table from one class set to another; None: not scored."""

    source: tuple[str, ...]
    target: LabelSet
    table: Mapping[str, str | None]

    def ids(self) -> np.ndarray:
        """Target id of each id, uint8 (256,); UNLABELLED for what has none."""
        found = np.full(256, UNLABELLED, np.uint8)
        for index, name in enumerate(self.source):
            if self.table[name] is not None:
                found[index] = self.target.names.index(self.table[name])
        return found


@dataclass(frozen=True)
class ClassMatch:
    """How masks and truth are brought to the scored classes: look-up tables, uint8 (256,), None where ids stay."""

    classes: LabelSet
    labels: np.ndarray | None
    truth: np.ndarray
    known: np.ndarray

    def project(self, labels: np.ndarray) -> np.ndarray:
        """Return a model's mask, uint8 (H, W), in the scored classes."""
        return labels if self.labels is None else cv2.LUT(labels, self.labels)

    def check_and_project_truth(self, ids: np.ndarray) -> np.ndarray:
        """Truth as recorded, uint8 (H, W), in the scored classes. Raises ValueError for ids outside its class set."""
        unknown = cv2.LUT(ids, self.known) == 0
        if unknown.any():
            raise ValueError(f"the truth holds id {int(ids[unknown].max())}, which its classes do not have")
        return cv2.LUT(ids, self.truth)


def match_classes(model: LabelSet, given: str | LabelSet | None) -> ClassMatch:
    """Return tables for truth whose ids mean ``given``.

    That is None (the model's classes), a class set, or text: "camvid", "cityscapes", "cityscapes-ids" (official ids
    0-33), a class file, a map (both YAML), a model folder or the name of a shipped model. Where truth and model have
    different classes, a table must lead from one to the other: names that are alike where the model has all of the
    truth's, the built-in one from Cityscapes to CamVid, or the map's. Raises SourceError.
    """
    mapped = _read_map(Path(given)) if isinstance(given, str) and _is_map(Path(given)) else None
    if mapped is not None:
        names = mapped.target.names if mapped.source == model.names else mapped.source
        raw = _plain_ids(len(names))
    else:
        names, raw = _classes_and_ids(model, given)
    known = np.where(raw < 0, 0, 1).astype(np.uint8)
    raw = np.where(raw < 0, UNLABELLED, raw).astype(np.uint8)
    if mapped is None and names == model.names:
        return ClassMatch(model, None, raw, known)
    mapped = mapped or _built_in(model, names)
    if (mapped.source, mapped.target.names) == (names, model.names):
        return ClassMatch(model, None, mapped.ids()[raw], known)
    if (mapped.source, mapped.target.names) == (model.names, names):
        unscored = [name for name in mapped.source if mapped.table[name] is None]
        if unscored:
            raise SourceError(
                f"{given}: the model's {', '.join(unscored)} lead nowhere; every class of the model needs a target"
            )
        return ClassMatch(mapped.target, mapped.ids(), raw, known)
    raise SourceError(
        f"the model has classes {', '.join(model.names)} and the truth {', '.join(names)}; "
        "give --truth-labels a YAML file that leads from one to the other"
    )


def _built_in(model: LabelSet, names: tuple[str, ...]) -> ClassMap:
    if set(names) <= set(model.names):
        return ClassMap(names, model, {name: name for name in names})
    return ClassMap(CITYSCAPES.names, CAMVID, CITYSCAPES_TO_CAMVID)


def _plain_ids(classes: int, *void: int) -> np.ndarray:
    """Class of each raw id, int (256,); UNLABELLED for the void ones, -1 for ids that do not exist."""
    raw = np.full(256, -1)
    raw[:classes] = np.arange(classes)
    raw[[*void, UNLABELLED]] = UNLABELLED
    return raw


def _classes_and_ids(model: LabelSet, given: str | LabelSet | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the truth's classes, and the class of each raw id."""
    if given == "cityscapes-ids":
        raw = _plain_ids(0, *range(CITYSCAPES_LAST_ID + 1))
        raw[list(CITYSCAPES_IDS)] = np.arange(len(CITYSCAPES_IDS))
        return CITYSCAPES.names, raw
    labels = model if given is None else given if isinstance(given, LabelSet) else _named(given)
    return labels.names, _plain_ids(len(labels), *([CAMVID_VOID] if labels.names == CAMVID.names else []))


def _named(given: str) -> LabelSet:
    """Return the class set of a published data set, a class file, a model folder or a shipped model."""
    if given in LABEL_SETS:
        return LABEL_SETS[given]
    try:
        return read_class_file(given) if _is_yaml(Path(given)) else read_model_folder(find_model(given)).labels
    except ClassFileError as error:
        raise SourceError(str(error)) from error
    except ModelFolderError as error:
        raise SourceError(
            f"truth labels {given!r} are unknown ({error}); expected {', '.join(LABEL_SETS)}, cityscapes-ids, a class "
            "file or a map (YAML), or a model"
        ) from error


def _is_yaml(file: Path) -> bool:
    return file.suffix in (".yaml", ".yml")


def _is_map(file: Path) -> bool:
    """Tell whether a YAML file is a map from class to class; one that cannot be read is, to be named as such."""
    if not _is_yaml(file):
        return False
    try:
        content = read_yaml(file)
    except (OSError, ValueError):
        return True
    return not isinstance(content, dict) or "classes" not in content


def _read_map(file: Path) -> ClassMap:
    """Read a YAML file ``{from: SET, to: SET, map: {class: class or null}}``.

    A set is a list of names, or what :func:`_named` takes; files and folders are found from the map's folder.
    """
    try:
        content = read_yaml(file)
        source, target = (_label_set(content[key], file.parent) for key in ("from", "to"))
        table = dict(content["map"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SourceError(
            f"{file} is no class map: {error!r}; expected from, to (a list of names, or the name of a class set, a "
            "class file or a model) and map"
        ) from error
    missing = [name for name in source.names if name not in table]
    unknown = [name for name, other in table.items() if name not in source.names or other not in (*target.names, None)]
    if missing or unknown:
        raise SourceError(f"{file}: classes without a line: {missing}; lines that name no class: {unknown}")
    return ClassMap(source.names, target, table)


def _label_set(given: Any, folder: Path) -> LabelSet:
    if isinstance(given, str):
        beside = folder / Path(given).expanduser()
        return _named(str(beside) if beside.exists() else given)
    names = tuple(str(name) for name in given)
    return LabelSet("own", names, tuple(distinct_color(place) for place in range(len(names))))
