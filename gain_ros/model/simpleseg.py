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

"""Published checkpoints (the training format of hustvl/simpleseg, the paper's code) → model folder.

Such a file is a dict whose "model" maps names to tensors, each name behind "module." where several GPUs trained it.
Tensors are matched by name, completely: one without a counterpart is an error, never a random weight.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gain_ros.errors import CheckpointError
from gain_ros.files import sha256
from gain_ros.labels import CAMVID, CITYSCAPES, UNLABELLED, LabelSet
from gain_ros.model.checkpoint import read_checkpoint
from gain_ros.model.gain import GAIN, build
from gain_ros.model_folder import IMAGENET_MEAN, IMAGENET_STD, write_model_folder

ARCHITECTURES = {"r18": "gain_r18", "df2": "gain_df2"}
CLASSIFIERS = {"r18": "seg_head.output.4.weight", "df2": "seg_head.output.7.weight"}  # in the checkpoint
FIRST_STAGES = {"r18": "backbone.layer1.", "df2": "backbone.stage2_1."}
AUXILIARY = ("aux16.", "aux32.")  # in our networks; training only
WRITTEN = "what simpleseg's training writes: a dict whose 'model' is a dict of tensors"


@dataclass(frozen=True)
class Published:
    """What the published configs of one data set say and a checkpoint does not."""

    labels: LabelSet
    input_size: tuple[int, int]  # height, width
    dilation: int  # of ResNet-18's last stage
    terms: str


DATASETS = {
    "cityscapes": Published(CITYSCAPES, (1024, 2048), 2, "Cityscapes: non-commercial use only"),
    "camvid": Published(CAMVID, (720, 960), 1, "CamVid: research use"),
}


@dataclass(frozen=True)
class ImportReport:
    """``parameters`` counts the weights that inference uses."""

    path: Path
    architecture: str
    options: dict[str, str | int | bool]
    parameters: int


def convert(checkpoint: str | Path, arch: str, dataset: str, dilation: int | None, out: str | Path) -> ImportReport:
    """Write the model folder ``out`` from a checkpoint file.

    ``arch`` is "r18" (ResCLANet) or "df2" (DFCLANet), ``dataset`` "cityscapes" or "camvid". ``dilation`` is that of
    ResNet-18's last stage, which no tensor tells: None takes the published config's. The head's form is read off the
    tensors, except for the kind of attention: it is taken to be the paper's criss-cross ("CC").

    Raises CheckpointError for anything that does not match, ValueError for a wrong argument.
    """
    published = choose("dataset", dataset, DATASETS)
    architecture = choose("arch", arch, ARCHITECTURES)
    if dilation is not None and (arch != "r18" or dilation < 1):
        raise ValueError(f"dilation is {dilation} for {arch}; expected 1 or more and r18 (df2 has no dilated stage)")
    content = read_published(checkpoint)
    model, options = network(content["model"], arch, published.dilation if dilation is None else dilation)
    if model.classes != len(published.labels):
        raise CheckpointError(
            f"{checkpoint}: has {model.classes} classes, expected the {len(published.labels)} of {dataset}; "
            "name the data set it was trained on"
        )
    rgb = street(*published.input_size)
    model_folder = write_model_folder(
        out,
        name=Path(out).absolute().name,
        architecture=architecture,
        options=options,
        labels=published.labels,
        input_size=published.input_size,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        training=origin(Path(checkpoint), content),
        metrics={},
        licence=f"Imported: the owner's terms apply (hustvl/simpleseg states none). Trained on {published.terms}.",
        weights={name: tensor.numpy() for name, tensor in inference_state(model).items()},
        golden=(rgb.numpy(), segment(model, rgb).numpy()),
        graph=None,
    )
    used = [p.numel() for name, p in model.named_parameters() if not name.startswith(AUXILIARY)]
    return ImportReport(model_folder.path, architecture, options, sum(used))


def read_published(path: str | Path) -> dict:
    """Return the checkpoint's dict, its "model" without "module."."""
    content = read_checkpoint(path, f"expected {WRITTEN}")
    state = content.get("model") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(map(_is_entry, state.items())):
        found = f"the keys {reprlib.repr(list(content))}" if isinstance(content, dict) else type(content).__name__
        raise CheckpointError(f"{path}: holds {found}; expected {WRITTEN}")
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return {**content, "model": state}


def _is_entry(item: tuple[object, object]) -> bool:
    name, tensor = item
    return isinstance(name, str) and isinstance(tensor, Tensor) and tensor.layout == torch.strided


def network(state: dict[str, Tensor], arch: str, dilation: int) -> tuple[GAIN, dict[str, str | int | bool]]:
    """Return the network in eval mode, with the checkpoint's weights, and the options it was built with."""
    options = head_form(state, arch)
    if arch == "r18":
        options["dilation"] = dilation
    classes = state[CLASSIFIERS[arch]].shape[0] if state[CLASSIFIERS[arch]].ndim else 0
    if not 1 <= classes <= UNLABELLED:
        raise CheckpointError(f"the checkpoint has {classes} classes; expected 1 to {UNLABELLED}")
    model = build(ARCHITECTURES[arch], classes, **options)
    return load(model, state, arch), options


def head_form(state: dict[str, Tensor], arch: str) -> dict[str, str | int | bool]:
    """Return the options of :func:`gain_ros.model.build` that tensors tell.

    They are context and, for R18, the 3x3 after the merge.
    """
    for other, stage in FIRST_STAGES.items():
        if other != arch and any(name.startswith(stage) for name in state):
            raise CheckpointError(
                f"the checkpoint holds a {other} network ({stage}*), arch is {arch}; give --arch {other}"
            )
    if CLASSIFIERS[arch] not in state:
        raise CheckpointError(
            f"the checkpoint has no {CLASSIFIERS[arch]}; expected the head of the published {arch} configs"
        )
    context = {"seg_head.ppm.conv1.0.weight": "gap", "seg_head.ppm.stages.0.1.weight": "ppm"}
    options: dict[str, str | int | bool] = {}
    options["context"] = next((form for name, form in context.items() if name in state), "")
    if arch == "r18":
        options["fuse_3x3"] = "seg_head.merge.3.weight" in state
    return options


def load(model: GAIN, state: dict[str, Tensor], arch: str) -> GAIN:
    """Fill ``model`` from the checkpoint's tensors, all of them and all of its own, and put it in eval mode.

    Raises CheckpointError that lists every tensor without a counterpart and every one of another shape.
    """
    names = module_names(arch)
    expected = {name: tensor for name, tensor in model.state_dict().items() if is_weight(name)}
    given = {name: rename(name, names) for name in state if is_weight(name)}
    extra = [name for name, ours in given.items() if ours not in expected]
    missing = sorted(expected.keys() - given.values())
    shapes = [
        f"{name} {tuple(state[name].shape)} (expected {tuple(expected[ours].shape)})"
        for name, ours in given.items()
        if ours in expected and state[name].shape != expected[ours].shape
    ]
    problems = {"in the checkpoint alone": extra, "in the network alone": missing, "of another shape": shapes}
    found = "; ".join(f"{what}: {', '.join(names)}" for what, names in problems.items() if names)
    if found:
        raise CheckpointError(
            f"the checkpoint does not fit the published {arch} network; tensors {found}; check its training config"
        )
    model.load_state_dict({ours: state[name] for name, ours in given.items() if ours is not None}, strict=False)
    return model.eval().requires_grad_(False)


def is_weight(name: str) -> bool:
    """Batch norm counts its batches; nothing uses the count here, and old versions did not save it."""
    return not name.endswith("num_batches_tracked")


def rename(name: str, names: dict[str, str]) -> str | None:
    """Our name of a checkpoint's tensor; None where there is none."""
    for theirs, ours in names.items():
        if name.startswith(theirs + "."):
            inner = name.removeprefix(theirs)
            return ours + inner.replace(".downsample.0.", ".shortcut.conv.").replace(".downsample.1.", ".shortcut.bn.")
    return None


def module_names(arch: str) -> dict[str, str]:
    """Map modules in the checkpoint to ours. Longer names come before the ones they begin with."""
    return {**_backbone_names(arch), **_head_names(arch), **_gai_names("0", "gai16"), **_gai_names("1", "gai32")}


def _conv_bn(theirs: str, first: int, ours: str) -> dict[str, str]:
    return {f"{theirs}.{first}": f"{ours}.conv", f"{theirs}.{first + 1}": f"{ours}.bn"}


def _backbone_names(arch: str) -> dict[str, str]:
    if arch == "r18":
        stem = {
            **_conv_bn("conv1", 0, "stem.0"),
            **_conv_bn("conv1", 3, "stem.1"),
            "conv1.6": "stem.2.conv",
            "bn1": "stem.2.bn",
        }
        stages = {"layer1": "stage4", "layer2": "stage8", "layer3": "stage16", "layer4": "stage32"}
    else:
        stem = {**_conv_bn("stage1", 0, "stem.0"), **_conv_bn("stage1", 3, "stem.1")}
        stages = {f"stage{n}_{half + 1}": f"stage{2 ** (n + 1)}.{half}" for n in (2, 3, 4) for half in (0, 1)}
    return {f"backbone.{theirs}": f"backbone.{ours}" for theirs, ours in {**stem, **stages}.items()}


def _head_names(arch: str) -> dict[str, str]:
    names = {
        **_conv_bn("seg_head.ppm.conv1", 0, "context.pooled"),
        **_conv_bn("seg_head.ppm.conv2", 0, "context.fuse"),
        **_conv_bn("seg_head.ppm.bottleneck", 0, "context.fuse"),
        CLASSIFIERS[arch].removesuffix(".weight"): "classifier",
    }
    for bin_ in range(4):
        names |= _conv_bn(f"seg_head.ppm.stages.{bin_}", 1, f"context.branches.{bin_}")
    for level, stride in enumerate((4, 8, 16, 32) if arch == "r18" else (8, 16, 32)):
        names |= _conv_bn(f"seg_head.fpn_in.{level}", 0, f"lateral.{stride}")
    merge = "seg_head.merge" if arch == "r18" else "seg_head.output"
    names |= {**_conv_bn(merge, 0, "merge.0"), **_conv_bn(merge, 3, "merge.1")}
    if arch == "r18":
        names |= _conv_bn("seg_head.output", 0, "refine")
    for index, ours in enumerate(AUXILIARY):
        layers = {"0": "conv", "1": "bn", "4": "classifier"}
        names |= {f"dsn.{index}.layers.{layer}": ours + name for layer, name in layers.items()}
    return names


def _gai_names(index: str, ours: str) -> dict[str, str]:
    parts = {
        "attention.query_conv": ".to_q",
        "attention.key_conv": ".to_k",
        "attention.value_conv": ".to_v",
        "attention": "",  # gamma
        "conv1": ".query",
        "conv2": ".value",
        "bottleneck.0": ".out_conv",
        "bottleneck.1": ".out_bn",
    }
    return {f"seg_head.cross_layer_attentions.{index}.{theirs}": ours + name for theirs, name in parts.items()}


def inference_state(model: GAIN) -> dict[str, Tensor]:
    """Return what a model folder holds: no auxiliary heads, no batch counts."""
    state = model.state_dict()
    return {name: state[name] for name in state if is_weight(name) and not name.startswith(AUXILIARY)}


def origin(path: Path, content: dict) -> dict[str, str | int | float]:
    """Where the weights are from, for model.yaml. The stored mIoU is the authors' figure, not ours."""
    record: dict[str, str | int | float] = {
        "source": "hustvl/simpleseg checkpoint",
        "file": path.name,
        "sha256": sha256(path),
    }
    if isinstance(content.get("iteration"), int):
        record["iteration"] = content["iteration"]
    extra = content.get("extra")
    if isinstance(extra, dict) and isinstance(extra.get("mIoU"), float):
        record["stored_miou"] = extra["mIoU"]
    return record


def segment(model: GAIN, rgb: Tensor) -> Tensor:
    """Class ids uint8 H×W of one uint8 H×W×3 picture at the network's size, where no resize comes between."""
    normalised = (rgb.float() / 255 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    with torch.inference_mode():
        return model(normalised.permute(2, 0, 1)[None])[0].argmax(0).to(torch.uint8)


def street(height: int, width: int) -> Tensor:
    """Draw the golden picture, uint8 H×W×3: sky, houses, road and two cars, each with a fine pattern."""
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    pattern = ((torch.arange(height)[:, None] // 6 + torch.arange(width) // 6) % 2 * 16)[..., None]
    house = (y > 0.15 + 0.2 * (x * 7 % 1)) & ((x < 0.35) | (x > 0.6))
    road = (y > 0.45) & ((x - 0.48).abs() < 0.05 + 0.9 * (y - 0.45))
    line = road & ((x - 0.48).abs() < 0.01 * (1 + y)) & (y * 12 % 1 < 0.5)
    car = ((x - 0.62).abs() < 0.06) & ((y - 0.58).abs() < 0.07) | ((x - 0.3).abs() < 0.1) & ((y - 0.7).abs() < 0.1)
    picture = torch.stack((120 + 60 * y, 150 + 50 * y, 220 - 20 * y), dim=2)
    for area, color in (
        (house, (120, 95, 80)),
        (y > 0.5, (130, 125, 120)),
        (road, (75, 75, 80)),
        (line, (220, 220, 220)),
        (car, (150, 25, 30)),
    ):
        picture = torch.where(area[..., None], torch.tensor(color, dtype=picture.dtype), picture)
    return (picture + pattern).to(torch.uint8)


def choose(what: str, given: str, table: dict):
    if given not in table:
        raise ValueError(f"{what} is {given!r}; expected one of {', '.join(table)}")
    return table[given]
