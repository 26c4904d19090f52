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

"""``python -m training robustness models/NAME --data DIR --out DIR``: what is left of a model's mIoU in bad pictures.

The val frames of the model's own run, clean and under each corruption of training/data/corruptions.py at three
strengths, go through the network as in ``validate``. OUT gets ``robustness.json``, ``robustness.md`` and, for each
corruption at its strongest, the frame that came out worst: picture, truth and mask side by side.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gain_ros import score
from gain_ros.datasets.frames import Frames, SomeFrames
from gain_ros.files import atomic
from gain_ros.labels import UNLABELLED, LabelSet
from gain_ros.model import load_model
from gain_ros.model_folder import ModelFolder, read_model_folder
from gain_ros.pictures import encode
from training.data.corruptions import CORRUPTIONS, STRENGTHS, CorruptedFrames
from training.evaluation import EvaluationOptions, Evaluator
from training.package import open_data


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training robustness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="a model folder that `python -m training package` wrote")
    parser.add_argument("--data", type=Path, help="folder of the data set it was trained on")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each N-th frame (default: all)")
    given = parser.parse_args(arguments)
    try:
        result = robustness(given.model, given.data, given.out, max(1, given.every))
    except (ValueError, OSError) as error:
        parser.exit(2, f"{error}\n")
    print(table(result))
    return 0


def robustness(model: Path, root: Path | None, out: Path, every: int = 1) -> dict[str, Any]:
    """Measure a model folder and write the folder ``out``; returns what ``robustness.json`` holds.

    ``root`` is the folder of its data set, where that has one. Raises ModelFolderError and DatasetError, ValueError for
    a model folder whose run is not recorded, and OSError where ``out`` holds anything.
    """
    model_folder = read_model_folder(model)
    data = open_data(data_of(model_folder), root)
    frames = SomeFrames(data.val_frames, range(0, len(data.val_frames), every))
    options, labels = EvaluationOptions(fit=model_folder.fit), model_folder.labels
    evaluator = Evaluator(load_model(model_folder), model_folder.input_size, options)
    with atomic(out) as folder:
        folder.mkdir()
        clean, _ = measure(evaluator, frames, labels)
        rows: dict[str, list[float]] = {}
        for corruption in CORRUPTIONS:
            corrupted = [CorruptedFrames(frames, corruption, strength) for strength in STRENGTHS]
            measured = [measure(evaluator, some, labels) for some in corrupted]
            rows[corruption] = [round(miou, 6) for miou, _ in measured]
            worst = side_by_side(evaluator, corrupted[-1], measured[-1][1], labels)
            (folder / f"worst_{corruption.replace(' ', '_')}.jpg").write_bytes(encode(worst, ".jpg"))
        result = {
            "model": model_folder.name,
            "frames": len(frames),
            "val_seen_in_training": model_folder.metrics.get("val_seen_in_training", False),
            "miou": round(clean, 6),
            "corrupted_miou": rows,
            "mean": round(float(np.mean(list(rows.values()))), 6),
        }
        (folder / "robustness.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        (folder / "robustness.md").write_text(table(result) + "\n", encoding="utf-8")
    return result


def data_of(model_folder: ModelFolder) -> dict[str, Any]:
    """Return the data options of the run that made a model folder, as :func:`training.package.open_data` takes them."""
    recorded = model_folder.training.get("config", {}).get("data", {})
    options = {"data": recorded.get("class_path", "").rpartition(".")[2], **recorded.get("init_args", recorded)}
    if not options["data"]:
        raise ValueError(f"{model_folder.path / 'model.yaml'} does not tell its data; expected training.config.data")
    return options


def measure(evaluator: Evaluator, frames: Frames, labels: LabelSet) -> tuple[float, int]:
    """Return the mIoU over ``frames``, a fraction, and the index of the frame that is worst by its own mIoU."""
    confusions = [
        score.confusion_matrix(pair.labels, evaluator(pair.image, pair.labels.shape)[0], len(labels)) for pair in frames
    ]
    by_frame = np.array([score.mean_iou(confusion) for confusion in confusions])
    return score.mean_iou(np.sum(confusions, axis=0)), int(np.nanargmin(by_frame))


def side_by_side(evaluator: Evaluator, frames: Frames, index: int, labels: LabelSet) -> np.ndarray:
    """Picture, truth and mask of one frame, RGB uint8 (H, 3 W, 3)."""
    pair = frames[index]
    palette = np.zeros((UNLABELLED + 1, 3), np.uint8)
    palette[: len(labels)] = labels.colors
    mask, _ = evaluator(pair.image, pair.labels.shape)
    return np.hstack((pair.image, palette[pair.labels], palette[mask]))


def table(result: dict[str, Any]) -> str:
    """Return a Markdown table, in per cent."""
    seen = ", which training saw" if result["val_seen_in_training"] else ""
    rows = {"none": [result["miou"]] * len(STRENGTHS), **result["corrupted_miou"]}
    return "\n".join(
        [
            f"{result['model']}: mIoU over {result['frames']} val frames{seen}; mean {100 * result['mean']:.1f}",
            "",
            "| corruption | " + " | ".join(f"strength {strength}" for strength in STRENGTHS) + " |",
            "|---" * (1 + len(STRENGTHS)) + "|",
            *(f"| {name} | " + " | ".join(f"{100 * v:.1f}" for v in values) + " |" for name, values in rows.items()),
        ]
    )
