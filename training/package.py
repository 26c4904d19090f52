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

"""``python -m training package CKPT --out models/NAME``: checkpoint → model folder, with the numbers it really reaches.

Auxiliary heads are left out. The logits are divided by the temperature that fits their confidence to frames that were
not trained on. Weights are stored in fp16 where that costs at most 0.05 points of val mIoU, else in fp32.
The metrics are measured here, on the stored weights, through the input resize and the output step that every engine
uses. ``python -m training validate --ckpt_path models/NAME`` measures them again. ``gain calibrate`` adds what
int8 on CPUs needs, and what it costs.
"""

from __future__ import annotations

import argparse
import inspect
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import training.data
from gain_ros.datasets.frames import Frames
from gain_ros.errors import CheckpointError, ModelFolderError
from gain_ros.labels import LabelSet
from gain_ros.model import GAIN, build
from gain_ros.model.checkpoint import read_checkpoint
from gain_ros.model.deploy import LabelsForm
from gain_ros.model_folder import IMAGENET_MEAN, IMAGENET_STD, ModelFolder, read_model_folder, write_model_folder
from gain_ros.onnx.export import add_onnx
from training.calibration import divide_logits, fit_temperature
from training.classes import classes_of
from training.data import LabelledFrames
from training.evaluation import Evaluator
from training.metrics import SegmentationScore
from training.scenes import StreetScene
from training.weights import place_of

HALF_PRECISION_LOSS = 0.0005
GOLDEN_SCENE, GOLDEN_TIME_S, GOLDEN_HEIGHT = 7, 2.0, 360
WRITTEN = "a checkpoint of `python -m training fit`"
LIBRARIES = ("torch", "lightning", "numpy", "opencv-python-headless")
PLACES = ("root", "default_root_dir", "ckpt_path", "config", "initial_weights")  # of the run, and not of the model


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training package", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint of `python -m training fit`")
    parser.add_argument(
        "--out", type=Path, required=True, help="model folder to write; its name becomes the model's name"
    )
    parser.add_argument("--data", type=Path, help="folder of the data set it was trained on, for the val metrics")
    parser.add_argument(
        "--train-only", type=Path, metavar="MODEL",
        help="for weights that saw val in training: the model folder of the same recipe trained on train alone",
    )  # fmt: skip
    parser.add_argument(
        "--note", default="", help="what the checkpoint does not know of its own history; kept in model.yaml"
    )
    given = parser.parse_args(arguments)
    try:
        model_folder = package(given.checkpoint, given.out, given.data, given.train_only, given.note)
    except (ValueError, OSError) as error:
        parser.exit(2, f"{error}\n")
    miou, weights = model_folder.metrics["val_miou"], model_folder.training["weights"]
    seen = ", val seen in training" if model_folder.metrics["val_seen_in_training"] else ""
    print(f"{model_folder.path}: val mIoU {100 * miou:.2f} ({weights}{seen})")
    return 0


def package(
    checkpoint: Path, out: Path, root: Path | None = None, train_only: Path | None = None, note: str = ""
) -> ModelFolder:
    """Write the model folder ``out`` from a Lightning checkpoint of :class:`training.module.SegmentationTask`.

    The checkpoint names the data set; ``root`` is its folder, where it has one. ``train_only`` is a model folder whose
    val metrics are given beside those of weights that were trained on train and val. Raises ValueError for a file that
    is no such checkpoint, ModelFolderError and DatasetError.
    """
    content = read_run(checkpoint)
    model, data = content["hyper_parameters"], open_data(content["datamodule_hyper_parameters"], root)
    labels, input_size = checked_classes(model["labels"], data.label_set), tuple(model["input_size"])
    network = load_network(content, labels)
    temperature = held_out_temperature(network, data, input_size, train_only)
    divide_logits(network, temperature)
    weights, precision, measured = store(network, data.val_frames, labels, input_size)
    golden_size = (GOLDEN_HEIGHT, round(GOLDEN_HEIGHT * input_size[1] / input_size[0]))
    image, _ = StreetScene(GOLDEN_SCENE, golden_size).frame(GOLDEN_TIME_S)
    golden_labels, _ = LabelsForm(network, IMAGENET_MEAN, IMAGENET_STD, input_size)(torch.from_numpy(image)[None])
    write_model_folder(
        out,
        name=out.name,
        architecture=model["architecture"],
        options=model["options"] or {},
        labels=labels,
        input_size=input_size,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        training=training_record(content, checkpoint, data, precision)
        | {"temperature": round(temperature, 4)}
        | ({"note": note} if note else {}),
        metrics=metrics_record(measured, data, input_size) | sibling_record(train_only, model, data),
        licence=f"{data.terms} That holds for these weights; the code is Apache-2.0." + terms_of_start(model),
        weights=weights,
        golden=(image, golden_labels[0].numpy()),
        graph=None,
    )
    return add_onnx(out)


def read_run(path: Path) -> dict[str, Any]:
    content = read_checkpoint(path, f"expected {WRITTEN}")
    found = content.keys() if isinstance(content, dict) else set()
    missing = {"state_dict", "hyper_parameters", "datamodule_hyper_parameters"} - found
    if missing:
        raise CheckpointError(f"{path} has no {sorted(missing)[0]}; expected {WRITTEN}")
    return content


def checked_classes(labels: dict[str, Any] | str, data: LabelSet) -> LabelSet:
    """Return the classes of a checkpoint. Raises CheckpointError where the data has others."""
    if isinstance(labels, str):  # the name alone, as earlier checkpoints have it
        return data
    own = classes_of(labels)
    if own.names != data.names:
        raise CheckpointError(
            f"the checkpoint knows the classes {', '.join(own.names)}, the data {', '.join(data.names)}; "
            "give the data that it was trained on"
        )
    return own


def open_data(hyper_parameters: dict[str, Any], root: Path | None) -> LabelledFrames:
    """Open the data module of a run, with its val frames opened; ``root`` may have moved since."""
    kind = getattr(training.data, hyper_parameters["data"])
    options = {k: v for k, v in own(hyper_parameters).items() if k not in ("data", "augmentation")}
    if "root" in inspect.signature(kind).parameters:
        if root is None:
            raise ValueError(f"the metrics are measured on {kind.__name__}'s val split; give its folder as --data")
        options["root"] = root
    data = kind(**options)
    data.setup("validate")
    return data


def load_network(content: dict[str, Any], labels: LabelSet) -> GAIN:
    """Return the network with the checkpoint's weights (averaged ones where the run kept an average), in eval mode."""
    model = content["hyper_parameters"]
    network = build(model["architecture"], len(labels), **(model["options"] or {}))
    prefix = "network."
    state = {k.removeprefix(prefix): v for k, v in content["state_dict"].items() if k.startswith(prefix)}
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def store(
    network: GAIN, val: Frames, labels: LabelSet, input_size: tuple[int, int]
) -> tuple[dict[str, np.ndarray], str, dict[str, float]]:
    """Return the weights to store, "fp16" or "fp32", and what they reach; ``network`` then holds them."""
    state = {name: value.clone() for name, value in network.state_dict().items() if not is_training_only(name)}
    full = evaluate(network, val, labels, input_size)
    half = {name: value.half() for name, value in state.items()}
    network.load_state_dict(half, strict=False)
    measured = evaluate(network, val, labels, input_size)
    if full["miou"] - measured["miou"] <= HALF_PRECISION_LOSS:
        return to_numpy(half), "fp16", measured
    network.load_state_dict(state, strict=False)
    return to_numpy(state), "fp32", full


def held_out_temperature(
    network: GAIN, data: LabelledFrames, input_size: tuple[int, int], train_only: Path | None
) -> float:
    """Return the temperature fitted on val; for weights that saw val, that of the twin which did not, or else 1."""
    if not val_seen(data):
        return fit_temperature(network, data.val_frames, input_size)
    return float(read_model_folder(train_only).training.get("temperature", 1.0)) if train_only else 1.0


def to_numpy(state: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in state.items()}


def is_training_only(name: str) -> bool:
    return name.startswith(("aux16.", "aux32.")) or name.endswith("num_batches_tracked")


def evaluate(network: GAIN, frames: Frames, labels: LabelSet, input_size: tuple[int, int]) -> dict[str, float]:
    """:meth:`SegmentationScore.compute` over whole frames, labels at the truth's size."""
    evaluator, score = Evaluator(network, input_size), SegmentationScore(labels.names)
    for i in range(len(frames)):
        pair = frames[i]
        score.update(pair.labels, *evaluator(pair.image, pair.labels.shape))
    return score.compute()


def own(hyper_parameters: dict[str, Any]) -> dict[str, Any]:
    """Without the entries that Lightning adds for itself."""
    return {name: value for name, value in hyper_parameters.items() if not name.startswith("_")}


def training_record(content: dict[str, Any], checkpoint: Path, data: LabelledFrames, precision: str) -> dict[str, Any]:
    model, trained_on = own(content["hyper_parameters"]), train_split(data)
    val = "val seen in training" if val_seen(data) else "val for choosing checkpoints alone"
    if held_out := data.hparams.get("held_out"):
        trained_on, val = f"{trained_on} without {', '.join(held_out)}", "what was held out is val"
    return {
        "data": data.terms,
        "split": f"{trained_on}; {val}, test never seen",
        "checkpoint": checkpoint.name,
        "pretraining": Path(model["initial_weights"]).name if model.get("initial_weights") else "none",
        "epochs": content["loops"]["fit_loop"]["epoch_progress"]["current"]["ready"],
        "steps": content["global_step"],
        "seed": content["datamodule_hyper_parameters"]["seed"],
        "config": portable(
            content.get("run_config") or {"model": model, "data": own(content["datamodule_hyper_parameters"])}
        ),
        "weights": precision,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
    }


def train_split(data: LabelledFrames) -> str:
    return data.hparams.get("train_split", "train")


def val_seen(data: LabelledFrames) -> bool:
    return train_split(data) == "trainval" and not data.hparams.get("held_out")


def portable(config: Any) -> Any:
    """Return a resolved config without what was left open and without places on the machine that ran it."""
    if isinstance(config, dict):
        return {k: portable(v) for k, v in own(config).items() if v is not None and k not in PLACES}
    return [portable(value) for value in config] if isinstance(config, (list, tuple)) else config


def metrics_record(measured: dict[str, float], data: LabelledFrames, input_size: tuple[int, int]) -> dict[str, Any]:
    rounded = {name: round(value, 6) for name, value in measured.items()}
    height, width = input_size
    return {
        "protocol": f"val split, {len(data.val_frames)} frames, network at {width}x{height}, labels at the truth's "
        "size, single scale, fp32 computation, 255 ignored, fractions",
        "val_seen_in_training": val_seen(data),
        **{f"val_{name}": value for name, value in rounded.items() if "/" not in name},
        "val_iou": {name.partition("/")[2]: value for name, value in rounded.items() if "/" in name},
    }


def terms_of_start(model: dict[str, Any]) -> str:
    """Return what the weights that a run began with add to its licence note."""
    if not model.get("initial_weights"):
        return ""
    try:
        start = read_model_folder(place_of(model["initial_weights"]))
    except ModelFolderError:  # a backbone, a checkpoint, or no longer there
        return f" They began as {Path(model['initial_weights']).name}, whose terms hold too."
    return f" They began as {start.name}, whose terms hold too: {start.licence}"


def sibling_record(folder: Path | None, model: dict[str, Any], data: LabelledFrames) -> dict[str, Any]:
    """Return val metrics of the same recipe trained on train alone: what weights that saw val cannot say themselves."""
    if folder is None:
        return {}
    sibling = read_model_folder(folder)
    if not val_seen(data) or sibling.metrics.get("val_seen_in_training", False):
        raise ModelFolderError(
            folder, "a pair that does not fit", "a model trained on train, told with one on trainval", ""
        )
    if (sibling.architecture, sibling.options) != (model["architecture"], model["options"] or {}):
        raise ModelFolderError(
            folder, sibling.architecture, f"{model['architecture']} {model['options']}", "give its twin"
        )
    return {"train_only": {k: v for k, v in sibling.metrics.items() if k.startswith("val_")}}
