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

"""Initial weights from a file: an ImageNet backbone under its published names, or a network of our own.

Tensors are matched by name and shape, and rows of classifiers by the names of their classes, in upper or lower case.
What a kind of file cannot hold (the head, an auxiliary head, a stem of another form, classes of other names) keeps its
initialisation and is named in the report; any other difference is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gain_ros.errors import CheckpointError
from gain_ros.model import GAIN
from gain_ros.model.checkpoint import read_checkpoint
from gain_ros.model.simpleseg import is_weight, module_names, rename
from gain_ros.model.timm_backbone import TimmBackbone
from gain_ros.model_folder import MODEL_YAML, find_model, read_model_folder
from training.classes import classes_of

EXPECTED = (
    "expected a model folder, a checkpoint of this package, or, trained on ImageNet, a ResNet-18 (torchvision, or with "
    "the deep stem) or DF-2"
)
DOWNLOAD = "imagenet"
CLASS_DEPENDENT = ("classifier.", "aux16.classifier.", "aux32.classifier.")
AUXILIARY = ("aux16.", "aux32.")


@dataclass(frozen=True)
class LoadReport:
    """Names of tensors: ``matched`` and ``missing`` are the network's, ``unexpected`` the file's.

    ``classes`` are those whose rows of the classifiers come from the file, ``new_classes`` the others, where the file's
    classes are not the network's.
    """

    kind: str
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    classes: tuple[str, ...] = ()
    new_classes: tuple[str, ...] = ()

    def __str__(self) -> str:
        total = len(self.matched) + len(self.missing)
        text = f"initial weights ({self.kind}): {len(self.matched)} of {total} tensors matched"
        parts = {
            "keep their initialisation": modules(self.missing),
            "not used from the file": modules(self.unexpected),
            "classes known to the file": ", ".join(self.classes),
            "classes that begin anew": ", ".join(self.new_classes),
        }
        return "; ".join([text, *(f"{what}: {names}" for what, names in parts.items() if names)])


@dataclass(frozen=True)
class Kind:
    """A kind of file: module in it → ours, and the beginnings of names that may stay without a counterpart."""

    name: str
    names: dict[str, str]
    may_miss: tuple[str, ...]
    may_have: tuple[str, ...]


def backbones() -> dict[str, Kind]:
    """Return published backbones by a tensor that tells them from the ones below.

    Their names: the code of hustvl/simpleseg and lxtGH/SFSegNets, CSAILVision/semantic-segmentation-pytorch,
    torchvision.
    """
    r18, df2 = (
        {theirs.removeprefix("backbone."): ours for theirs, ours in module_names(arch).items() if "backbone" in ours}
        for arch in ("r18", "df2")
    )
    layers = {theirs: ours for theirs, ours in r18.items() if theirs.startswith("layer")}
    stem = {f"{part}{i + 1}": f"backbone.stem.{i}.{part}" for i in range(3) for part in ("conv", "bn")}
    own_stem = ("backbone.stem.", "backbone.stage4.0.conv1.", "backbone.stage4.0.shortcut.")
    other_stem = ("conv1.", "bn1.", "layer1.0.conv1.")
    return {
        "stage2_1.0.conv1.weight": Kind("DF-2", df2, (), ("fc.",)),
        "conv1.0.weight": Kind("ResNet-18 with the deep stem", r18, (), ("fc.",)),
        "conv3.weight": Kind("ResNet-18 with the deep stem", stem | layers, (), ("fc.",)),
        "layer1.0.conv1.weight": Kind("torchvision ResNet-18", layers, own_stem, ("fc.", *other_stem)),
    }


def load_initial(network: GAIN, path: str | Path, classes: Sequence[str]) -> LoadReport:
    """Fill ``network``, which knows ``classes``, from ``path``.

    That is a model folder or the name of a shipped one, a Lightning checkpoint of ours (its averaged weights, where it
    has them), or a published backbone; for a backbone of timm a file of timm's weights, or "imagenet", which downloads
    them.

    Raises CheckpointError for a file of another kind and for every tensor that should match and does not,
    ModelFolderError for a model folder that is none.
    """
    if str(path) == DOWNLOAD:
        return fill_timm(network, None, DOWNLOAD)
    path = place_of(path)
    if (path / MODEL_YAML).is_file():
        model_folder = read_model_folder(path)
        stored = {name: torch.from_numpy(array) for name, array in model_folder.weights().items()}
        return fill_own(network, classes, stored, model_folder.labels.names, "model folder", path)
    content = read_checkpoint(path, EXPECTED)
    state = read_state(content, path)
    if any(name.startswith("network.") for name in state):
        own = {name.removeprefix("network."): t for name, t in state.items() if name.startswith("network.")}
        return fill_own(network, classes, own, classes_in(content), "checkpoint", path)
    if isinstance(network.backbone, TimmBackbone):
        return fill_timm(network, state, path)
    kind = next((kind for marker, kind in backbones().items() if marker in state), None)
    if kind is None:
        hint = "; import it first: gain import-simpleseg" if any(n.startswith("seg_head.") for n in state) else ""
        raise CheckpointError(f"{path}: holds {modules(tuple(state))}{hint}; {EXPECTED}")
    ours = {name: rename(name, kind.names) for name in state if is_weight(name)}
    head = tuple(f"{name}." for name, _ in network.named_children() if name != "backbone")
    kind = replace(kind, may_miss=(*kind.may_miss, *head))
    return fill(network, {name: (ours[name], state[name]) for name in ours}, kind, path)


def fill_timm(network: GAIN, state: dict[str, Tensor] | None, origin: Path | str) -> LoadReport:
    """From timm's own weights for the network's backbone: those in ``state``, or their download."""
    if not isinstance(network.backbone, TimmBackbone):
        raise CheckpointError(f"{origin}: is for backbones of timm (architecture: gain); {EXPECTED}")
    try:
        network.backbone.load_pretrained(state)
    except (RuntimeError, OSError) as error:
        raise CheckpointError(
            f"{origin}: no weights of timm's {network.backbone.name} ({error}); {EXPECTED}"
        ) from error
    names = tuple(name for name in network.state_dict() if is_weight(name))
    matched = tuple(name for name in names if name.startswith("backbone."))
    return LoadReport(f"timm's {network.backbone.name}", matched, tuple(sorted(set(names) - set(matched))), ())


def place_of(path: str | Path) -> Path:
    """Return a path, or where a shipped model of that name is. Raises ModelFolderError for a name of none."""
    given = Path(path)
    is_name = given.name == str(path) and not given.suffix and not given.exists()
    return find_model(given) if is_name else given


def fill_own(
    network: GAIN, classes: Sequence[str], state: dict[str, Tensor], theirs: Sequence[str] | None, kind: str, path: Path
) -> LoadReport:
    """From a network of the same architecture; auxiliary heads may be missing, the classes ``theirs`` may differ.

    Where nobody knows ``theirs`` (None), as many are taken to be the same.
    """
    given = {name: (name, tensor) for name, tensor in state.items() if is_weight(name)}
    if theirs is None:
        theirs = classes if "classifier.weight" in state and len(state["classifier.weight"]) == len(classes) else ()
    if tuple(theirs) == tuple(classes):
        return fill(network, given, Kind(kind, {}, AUXILIARY, ()), path)
    known = {name.casefold(): row for row, name in enumerate(theirs)}
    rows = {row: known[name.casefold()] for row, name in enumerate(classes) if name.casefold() in known}
    own = network.state_dict()
    for name in given.keys() & own.keys():
        if name.startswith(CLASS_DEPENDENT) and rows and own[name].shape[1:] == state[name].shape[1:]:
            given[name] = (name, with_rows(own[name], state[name], rows))
    report = fill(network, given, Kind(kind, {}, (*AUXILIARY, *CLASS_DEPENDENT), CLASS_DEPENDENT), path)
    of_file, new = (tuple(n for row, n in enumerate(classes) if (row in rows) is found) for found in (True, False))
    return replace(report, classes=of_file, new_classes=new)


def classes_in(checkpoint: dict[str, Any]) -> tuple[str, ...] | None:
    """Return the names of a checkpoint's classes; None where it does not tell."""
    labels = checkpoint.get("hyper_parameters", {}).get("labels")
    return classes_of(labels).names if isinstance(labels, dict) else None


def with_rows(ours: Tensor, theirs: Tensor, rows: Mapping[int, int]) -> Tensor:
    """Return ``ours`` with some of its rows (first index) taken from ``theirs``."""
    mixed = ours.clone()
    mixed[list(rows)] = theirs[list(rows.values())].to(mixed.dtype)
    return mixed


def fill(network: GAIN, given: Mapping[str, tuple[str | None, Tensor]], kind: Kind, path: Path) -> LoadReport:
    """Load ``given`` (name in the file → our name and tensor) where name and shape fit."""
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items() if is_weight(name)}
    fits = {theirs: ours for theirs, (ours, tensor) in given.items() if ours and shapes.get(ours) == tensor.shape}
    missing = tuple(sorted(shapes.keys() - fits.values()))
    unexpected = tuple(name for name in given if name not in fits)
    wrong = [name for name in missing if not name.startswith(kind.may_miss)]
    extra = [f"{name} {tuple(given[name][1].shape)}" for name in unexpected if not name.startswith(kind.may_have)]
    if wrong or extra:
        found = {"in the network alone": wrong, "in the file alone, or of another shape": extra}
        raise CheckpointError(
            f"{path}: a {kind.name} that does not fit this network; tensors "
            + "; ".join(f"{what}: {', '.join(names[:6])} ({len(names)})" for what, names in found.items() if names)
            + "; name the architecture it was made for"
        )
    network.load_state_dict({ours: given[theirs][1] for theirs, ours in fits.items()}, strict=False)
    return LoadReport(kind.name, tuple(fits.values()), missing, unexpected)


def read_state(content: Any, path: Path) -> dict[str, Tensor]:
    """Return a checkpoint's tensors by name, from "state_dict" or "model", without "module." and "backbone."."""
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        raise CheckpointError(f"{path}: holds no tensors by name; {EXPECTED}")
    for prefix in ("module.", "backbone."):
        if all(name.startswith(prefix) for name in content):
            content = {name.removeprefix(prefix): tensor for name, tensor in content.items()}
    return content


def modules(names: tuple[str, ...]) -> str:
    """Return the first parts of tensor names, each once."""
    return ", ".join(dict.fromkeys(name.partition(".")[0] for name in names)) or "nothing"
