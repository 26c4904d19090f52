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

"""The model folder: everything that makes one trained network usable, in plain files that cannot run code.

schema/model.schema.json describes model.yaml for others. Here it is checked by hand: a validator would cost five
packages and some tenths of a second at each start, and knows neither finite numbers nor unique names.

model.yaml           what the model is: network, classes with colours, input, training, metrics, sha256 of each file
weights.safetensors  the parameters; a network that was imported as a graph (architecture "onnx") has none
golden.png           one 8-bit RGB picture ...
golden_labels.png    ... and the class ids this model gives for it (uint8, same size): the self-test at start
logits.onnx          optional: uint8 frames at network size in, the head's logits out
precisions.json      optional: what int8 needs on CPUs, and what int8 and bf16 cost there
model.onnx           in folders of earlier versions: checked, and not read
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import reprlib
import shutil
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gain_ros.class_file import class_entries, is_class_list, label_set
from gain_ros.class_output import ClassOutput, MinConfidence, class_output
from gain_ros.errors import ClassOutputError, ImageError, ModelFolderError, did_you_mean
from gain_ros.files import atomic, read_bounded, sha256
from gain_ros.fit import FITS
from gain_ros.graph_check import beyond_plain_graph
from gain_ros.labels import UNLABELLED, LabelSet
from gain_ros.lower_precision import LowerPrecision, read_lower_precision
from gain_ros.pictures import MAX_SIDE, decode_ids, decode_rgb, encode
from gain_ros.shipped import homes
from gain_ros.yaml_files import read_yaml, write_yaml

MODEL_YAML = "model.yaml"
WEIGHTS = "weights.safetensors"
GOLDEN = "golden.png"
GOLDEN_LABELS = "golden_labels.png"
LOWER_PRECISION = "precisions.json"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # RGB in 0..1
GRAPH = "logits.onnx"

IMPORTED = "onnx"  # the architecture of a network that is there as a graph alone

_FORMAT = 1
_REQUIRED = (GOLDEN, GOLDEN_LABELS)
_KNOWN = (WEIGHTS, *_REQUIRED, GRAPH, "model.onnx", LOWER_PRECISION)
_PICKLE_SUFFIXES = {".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib"}
_MAX_FILE_BYTES = 1 << 31  # protobuf's own limit
_MAX_INPUT_PIXELS = 1 << 24
_MAX_GOLDEN_PIXELS = 1 << 25
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@dataclass(frozen=True)
class ModelFolder:
    """One model folder, checked. Make it with ``read_model_folder``.

    ``input_size`` is (height, width) in pixels; ``mean`` and ``std`` are per RGB channel for values in 0..1;
    ``sha256`` maps file name to hex digest; ``options`` are keyword arguments of the architecture; ``fit`` says how
    frames of another shape go in (:mod:`gain_ros.fit`). ``labels`` are the network's classes; :meth:`class_output` says
    what masks hold.
    """

    path: Path
    name: str
    architecture: str
    options: dict[str, Any]
    labels: LabelSet
    input_size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    ignore_id: int
    training: dict[str, Any]
    metrics: dict[str, Any]
    licence: str
    sha256: dict[str, str]
    remap: Mapping[str, int] = field(default_factory=dict)
    min_confidence: MinConfidence = 0.0
    fit: str = "stretch"

    @property
    def digest(self) -> str:
        """Return the model's identity: hex sha256 over the names and hashes of its files."""
        lines = "".join(f"{name} {self.sha256[name]}\n" for name in sorted(self.sha256))
        return hashlib.sha256(lines.encode()).hexdigest()

    def class_output(
        self, remap: Mapping[str, int] | None = None, min_confidence: MinConfidence | None = None
    ) -> ClassOutput:
        """Return what masks hold by model.yaml, or by what is given in its place. Raises ClassOutputError."""
        return class_output(
            self.labels,
            self.remap if remap is None else remap,
            self.min_confidence if min_confidence is None else min_confidence,
        )

    @property
    def imported(self) -> bool:
        """Tell whether the network is a graph of others, which PyTorch cannot run."""
        return self.architecture == IMPORTED

    def weights(self) -> dict[str, np.ndarray]:
        """Parameter name → array, in the stored precision. Raises ModelFolderError for another kind of file or none."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        if WEIGHTS not in self.sha256:
            raise ModelFolderError(
                self.path, "an imported graph", f"a model with {WEIGHTS}", "take another model, or an engine for ONNX"
            )
        try:
            return load(self.read(WEIGHTS))
        except (SafetensorError, ValueError, TypeError, KeyError) as error:
            raise ModelFolderError(
                self.path / WEIGHTS, f"no readable tensors ({error})", "a safetensors file", "package again"
            ) from error

    def golden(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the self-test: RGB uint8 (H, W, 3) and the class ids this model gives for it, uint8 (H, W)."""
        rgb = np.ascontiguousarray(self._picture(GOLDEN, decode_rgb))
        labels = self._picture(GOLDEN_LABELS, decode_ids)
        if labels.shape != rgb.shape[:2]:
            raise ModelFolderError(
                self.path / GOLDEN_LABELS,
                f"{labels.shape[1]}x{labels.shape[0]} pixels",
                f"the {rgb.shape[1]}x{rgb.shape[0]} of {GOLDEN}",
                "package the model again",
            )
        unknown = labels[(labels >= len(self.labels)) & (labels != self.ignore_id)]
        if unknown.size:
            raise ModelFolderError(
                self.path / GOLDEN_LABELS,
                f"class id {unknown.max()}",
                f"ids below {len(self.labels)} or {self.ignore_id}",
                "package the model again",
            )
        return rgb, labels

    def graph(self) -> bytes | None:
        """Return the ONNX graph from images at the network's size to logits; None where the folder has none."""
        return self.read(GRAPH) if GRAPH in self.sha256 else None

    def lower_precision(self) -> LowerPrecision:
        """Return what the folder knows of int8 and bf16, nothing where it has no such file. Raises ModelFolderError."""
        if LOWER_PRECISION not in self.sha256:
            return LowerPrecision()
        try:
            return read_lower_precision(self.read(LOWER_PRECISION))
        except ValueError as error:
            raise ModelFolderError(
                self.path / LOWER_PRECISION, str(error), "ranges and costs of this version", "calibrate the model again"
            ) from error

    def read(self, name: str) -> bytes:
        """Return the bytes of one of its files: those that model.yaml lists. Raises ModelFolderError for others.

        What is loaded comes from here, never from the path: a file may change once it has been checked.
        """
        return _checked_bytes(self.path / name, self.sha256[name])

    def _picture(self, name: str, decode: Callable[[bytes, int], np.ndarray]) -> np.ndarray:
        try:
            return decode(self.read(name), _MAX_GOLDEN_PIXELS)
        except ImageError as error:
            raise ModelFolderError(
                self.path / name, f"no picture of the golden pair ({error})", "an 8-bit PNG", "package the model again"
            ) from error


def find_model(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the model folder for a path, or for the name of a shipped model.

    A name is looked up in the checkout first, then in the ament share folder. Raises ModelFolderError where there is no
    such folder; the text lists the shipped names.
    """
    given = Path(name_or_path).expanduser()
    if os.path.isfile(given / MODEL_YAML):  # Path.is_file raises for a name that is too long
        return given.resolve()
    is_name = given.name == str(name_or_path)
    for home in homes("models") if is_name else ():
        if (home / given.name / MODEL_YAML).is_file():
            return (home / given.name).resolve()
    if os.path.exists(given):
        raise ModelFolderError(given, f"no {MODEL_YAML}", "a model folder", "give the folder that holds it")
    names = [folder.name for folder in shipped_models()]
    expected = f"a model folder or a shipped model ({', '.join(names) or 'none'})"
    raise ModelFolderError(given, "nothing", expected, "check the path or the name" + did_you_mean(given.name, names))


def shipped_models() -> list[Path]:
    """Folders of the shipped models, sorted by name; of two with one name, the one that find_model takes."""
    files = [file for home in reversed(homes("models")) for file in home.glob(f"*/{MODEL_YAML}")]
    folders = {file.parent.name: file.parent for file in files}
    return [folders[name] for name in sorted(folders)]


def read_model_folder(folder: str | os.PathLike[str]) -> ModelFolder:
    """Read and check a model folder.

    Raises ModelFolderError for anything missing, changed, of a wrong type, or able to run code when loaded.
    """
    path = Path(folder).expanduser().resolve()
    fields = _Fields(path / MODEL_YAML)
    model_folder = _parse(path, fields)
    _check_files(model_folder)
    return model_folder


def write_model_folder(
    folder: str | os.PathLike[str],
    *,
    name: str,
    architecture: str,
    options: dict[str, Any],
    labels: LabelSet,
    input_size: tuple[int, int],
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    training: dict[str, Any],
    metrics: dict[str, Any],
    licence: str,
    weights: dict[str, np.ndarray] | None,
    golden: tuple[np.ndarray, np.ndarray],
    graph: Path | None,
    remap: Mapping[str, int] | None = None,
    min_confidence: MinConfidence = 0.0,
    fit: str = "stretch",
) -> ModelFolder:
    """Write a model folder in one step: it is complete and verified, or it is not there.

    ``golden`` is (RGB uint8 (H, W, 3), labels uint8 (H, W)); ``weights`` are None for an imported graph;
    ``graph`` is a file with the "logits" graph, which is copied in; ``remap`` and ``min_confidence`` are those of
    :func:`gain_ros.class_output.class_output`. A model folder already at ``folder`` is replaced, any other folder there
    is left alone. Raises ModelFolderError.
    """
    target = Path(folder).expanduser().absolute()
    if target.exists() and not (target / MODEL_YAML).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise ModelFolderError(
            target, "something that is no model folder", "a model folder or nothing", "choose another place"
        )
    document = {
        "format": _FORMAT,
        "name": name,
        "architecture": architecture,
        "options": dict(options),
        "label_set": labels.name,
        "classes": class_entries(labels),
        **({"remap": dict(remap)} if remap else {}),
        **({"min_confidence": min_confidence} if min_confidence else {}),
        "ignore_id": UNLABELLED,
        "input_size": [int(side) for side in input_size],
        "mean": [float(value) for value in mean],
        "std": [float(value) for value in std],
        "training": dict(training),
        "metrics": dict(metrics),
        "licence": licence,
        **({} if fit == "stretch" else {"fit": fit}),
    }
    with atomic(target, replace_folder=True) as scratch:
        scratch.mkdir()
        _write_files(scratch, weights, golden, graph)
        hashes = {file: sha256(scratch / file) for file in _KNOWN if (scratch / file).is_file()}
        try:
            write_yaml(scratch / MODEL_YAML, {**document, "sha256": hashes})
        except ValueError as error:
            raise ModelFolderError(
                target, str(error), "plain text, numbers, lists and mappings", "convert the values"
            ) from error
        written = read_model_folder(scratch)
        written.golden()
    return replace(written, path=target.resolve())


def with_lower_precision(model_folder: ModelFolder, known: LowerPrecision) -> ModelFolder:
    """Put ``known`` into a model folder, in place of what it had, in one step. Raises OSError, ModelFolderError."""
    content, target = known.to_bytes(), model_folder.path
    with atomic(target, replace_folder=True) as scratch:
        shutil.copytree(target, scratch)
        document = read_yaml(scratch / MODEL_YAML)
        document["sha256"][LOWER_PRECISION] = hashlib.sha256(content).hexdigest()
        (scratch / LOWER_PRECISION).write_bytes(content)
        write_yaml(scratch / MODEL_YAML, document)
        written = read_model_folder(scratch)
    return replace(written, path=target)


class _Fields:
    """Typed access to the top level of model.yaml; every failure is a ModelFolderError that names the key."""

    def __init__(self, file: Path):
        self.file = file
        try:
            self._values = read_yaml(file)
        except FileNotFoundError as error:
            raise ModelFolderError(
                file, "nothing", "the description of a model", "give a model folder or package again"
            ) from error
        except (OSError, ValueError) as error:
            raise ModelFolderError(file, str(error), "a YAML mapping", "restore the file") from error
        if not isinstance(self._values, dict):
            raise ModelFolderError(file, type(self._values).__name__, "a YAML mapping", "restore the file")

    def take_optional(self, key: str, default: Any, expected: str, valid: Callable[[Any], bool]) -> Any:
        return self.take(key, expected, valid) if key in self._values else default

    def take(self, key: str, expected: str, valid: Callable[[Any], bool]) -> Any:
        if key not in self._values:
            raise ModelFolderError(self.file, f"no key '{key}'", expected, "restore the file or package again")
        value = self._values[key]
        if not valid(value):
            found = f"{key}: {reprlib.repr(value)}"
            raise ModelFolderError(self.file, found, expected, "restore the file or package again")
        return value


def _parse(path: Path, fields: _Fields) -> ModelFolder:
    fields.take("format", f"format {_FORMAT}, the one this version reads", lambda value: value == _FORMAT)
    classes = fields.take(
        "classes",
        "1 to 255 entries {name: text, color: [r, g, b] in 0..255, groups: [text]}, groups optional, names unique",
        is_class_list,
    )
    labels = label_set(fields.take("label_set", "text", _is_text), classes)
    model_folder = ModelFolder(
        path=path,
        name=fields.take("name", "text", _is_text),
        architecture=fields.take("architecture", "text", _is_text),
        options=fields.take("options", "a mapping", _is_mapping),
        labels=labels,
        input_size=tuple(
            fields.take("input_size", f"[height, width], of at most {_MAX_INPUT_PIXELS} pixels", _is_size)
        ),
        mean=_rgb(fields.take("mean", "three numbers, for values in 0 to 1", _is_rgb)),
        std=_rgb(fields.take("std", "three numbers above 1e-6", lambda value: _is_rgb(value) and min(value) >= 1e-6)),
        ignore_id=fields.take("ignore_id", str(UNLABELLED), lambda value: _is_int(value, UNLABELLED, UNLABELLED)),
        training=fields.take("training", "a mapping", _is_mapping),
        metrics=fields.take("metrics", "a mapping", _is_mapping),
        licence=fields.take("licence", "text", lambda value: isinstance(value, str) and value != ""),
        sha256=fields.take("sha256", "file name: 64 hex digits, quoted", _is_hash_table),
        remap=fields.take_optional("remap", {}, "class or group: id in masks", _is_mapping),
        min_confidence=fields.take_optional(
            "min_confidence", 0.0, "a number from 0 to 1, or class or group: such a number", _is_number_or_mapping
        ),
        fit=fields.take_optional("fit", "stretch", f"one of {', '.join(FITS)}", lambda value: value in FITS),
    )
    try:
        model_folder.class_output()
    except ClassOutputError as error:
        raise ModelFolderError(fields.file, error.found, error.expected, "correct it (docs/classes.md)") from error
    return model_folder


def _check_files(model_folder: ModelFolder) -> None:
    for file in model_folder.path.iterdir():
        if file.suffix.lower() in _PICKLE_SUFFIXES:
            raise ModelFolderError(
                file, "a pickle file, which can run code", "safetensors and ONNX only", "delete it or convert it"
            )
        if file.name in _KNOWN and file.name not in model_folder.sha256:
            raise ModelFolderError(
                file, "no sha256 in model.yaml", "each model file listed there", "package the model again"
            )
    for name in (*_REQUIRED, GRAPH if model_folder.imported else WEIGHTS):
        if name not in model_folder.sha256:
            raise ModelFolderError(
                model_folder.path / MODEL_YAML, f"no sha256 for {name}", "one", "package the model again"
            )
    for name in model_folder.sha256:
        if name not in _KNOWN:
            raise ModelFolderError(
                model_folder.path / MODEL_YAML,
                f"sha256 of {reprlib.repr(name)}",
                f"only {', '.join(_KNOWN)}",
                "remove the entry",
            )
        model_folder.read(name)


def _checked_bytes(file: Path, expected_sha256: str) -> bytes:
    try:
        content = read_bounded(file, _MAX_FILE_BYTES)
    except OSError as error:
        found = "nothing" if isinstance(error, FileNotFoundError) else f"a file that cannot be read ({error.strerror})"
        raise ModelFolderError(
            file, found, "the file that model.yaml lists", "copy the whole model folder again"
        ) from error
    if content.startswith(_PICKLE_STARTS):
        raise ModelFolderError(
            file, "a pickle inside", "no file that can run code", "convert the checkpoint to safetensors"
        )
    if (found := hashlib.sha256(content).hexdigest()) != expected_sha256:
        raise ModelFolderError(
            file, f"sha256 {found}", expected_sha256, "the file was changed: copy or package the model again"
        )
    if file.suffix == ".onnx" and (odd := beyond_plain_graph(content)):
        raise ModelFolderError(
            file, odd, "a graph that stands alone, without control flow", "export it anew, and package the model again"
        )
    return content


def _write_files(
    folder: Path,
    weights: dict[str, np.ndarray] | None,
    golden: tuple[np.ndarray, np.ndarray],
    graph: Path | None,
) -> None:
    from safetensors.numpy import save_file

    rgb, golden_labels = golden
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or golden_labels.dtype != np.uint8:
        found = f"{rgb.dtype} {rgb.shape} and {golden_labels.dtype} {golden_labels.shape}"
        raise ModelFolderError("golden", found, "uint8 (H, W, 3) RGB and uint8 (H, W)", "convert the pictures")
    if weights is not None:
        save_file({key: np.ascontiguousarray(value) for key, value in weights.items()}, folder / WEIGHTS)
    for name, picture in {GOLDEN: rgb, GOLDEN_LABELS: golden_labels}.items():
        (folder / name).write_bytes(encode(picture))
    if graph is not None:
        if not graph.is_file():
            raise ModelFolderError(graph, "nothing", 'the file of the "logits" graph', "correct the call")
        shutil.copyfile(graph, folder / GRAPH)
    for file in folder.iterdir():
        file.chmod(0o644)  # safetensors writes for the owner alone; models are installed for everyone


def _rgb(values: list[float]) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()


def _is_int(value: Any, low: int, high: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 1e6


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def _is_number_or_mapping(value: Any) -> bool:
    return _is_number(value) or _is_mapping(value)


def _is_list(value: Any, counts: Container[int], valid: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and len(value) in counts and all(map(valid, value))


def _is_size(value: Any) -> bool:
    return _is_list(value, (2,), lambda side: _is_int(side, 1, MAX_SIDE)) and math.prod(value) <= _MAX_INPUT_PIXELS


def _is_rgb(value: Any) -> bool:
    return _is_list(value, (3,), _is_number)


def _is_hash_table(value: Any) -> bool:
    return _is_mapping(value) and all(
        isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest) for digest in value.values()
    )
