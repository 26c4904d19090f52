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

"""From checkpoint to model folder: what is stored, and that its numbers hold wherever they are measured."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from small_runs import SIZE, small_module, train

from gain_ros.cli import main as gain
from gain_ros.errors import ModelFolderError
from gain_ros.labels import CITYSCAPES
from gain_ros.model_folder import read_model_folder
from gain_ros.runtime.opening import open_segmenter
from gain_ros.score import confusion_matrix, mean_iou
from training import package as packaging
from training.__main__ import main as training
from training.classes import plain_classes
from training.data import Cityscapes
from training.data.augment import Augmentation
from training.module import OptimizerOptions
from training.package import main as package_main
from training.package import package


@pytest.fixture
def trained(camvid_root, camvid_checkpoints):
    """The folder of a small CamVid, and a checkpoint that was trained on its like."""
    return camvid_root, camvid_checkpoints["train"]


def test_folder_holds_what_the_run_reached(trained):
    root, checkpoint = trained
    opened = package(checkpoint, root / "models" / "tiny", root, note="two epochs")
    record, state = opened.training, torch.load(checkpoint, weights_only=True)["state_dict"]
    assert (record["epochs"], record["steps"], record["seed"], record["note"]) == (2, 6, 0, "two epochs")
    assert record["split"] == "train; val for choosing checkpoints alone, test never seen"
    assert record["checkpoint"] == checkpoint.name
    assert record["weights"] == "fp16"
    assert record["config"]["model"]["optimizer"]["lr"] == 0.02
    assert str(root) not in (opened.path / "model.yaml").read_text()
    assert opened.metrics["val_seen_in_training"] is False
    assert {len(opened.metrics["val_iou"]), len(opened.labels)} == {11}
    weights = opened.weights()
    assert not [name for name in weights if name.startswith("aux")]
    temperature = record["temperature"]
    assert temperature > 0
    assert temperature != 1
    for name, value in weights.items():
        divisor = temperature if name.startswith("classifier.") else 1
        assert np.allclose(value, state[f"network.{name}"].numpy() / divisor, rtol=2e-3, atol=1e-6), name
    with open_segmenter(opened.path, engine="onnxruntime") as segmenter:  # runs the golden pair
        assert segmenter.model_folder.input_size == SIZE


def test_a_config_in_the_folder_names_no_place_of_the_machine():
    config = {"model": {"initial_weights": "/home/me/start.ckpt", "options": None, "labels": "camvid"}, "config": ["a"]}
    config["data"] = {"init_args": {"root": "/data", "scenes": 3}}
    assert packaging.portable(config) == {"model": {"labels": "camvid"}, "data": {"init_args": {"scenes": 3}}}


def test_validate_and_the_masks_of_gain_segment_give_the_number_of_model_yaml(trained, monkeypatch, tmp_path):
    root, checkpoint = trained
    opened = package(checkpoint, root / "models" / "tiny", root)
    arguments = ["validate", "--ckpt_path", str(opened.path), "--data", "CamVid", "--data.root", str(root)]
    quiet = ["--trainer.default_root_dir", str(tmp_path), "--trainer.accelerator", "cpu"]
    monkeypatch.setattr("sys.argv", ["training", *arguments, *quiet, "--trainer.enable_progress_bar", "false"])
    cli = training()
    validated = cli.trainer.callback_metrics["val_miou"].item()
    out = tmp_path / "masks"
    segment = ["segment", str(root / "val"), "--model", str(opened.path), "--engine", "torch", "--out", str(out)]
    assert gain(segment) == 0
    total = sum(confusion_matrix(truth, mask, 11) for truth, mask in scored_by_hand(root, out))
    assert (total.sum(0) > 0).sum() > 2  # not one class everywhere
    assert validated == pytest.approx(opened.metrics["val_miou"], abs=1e-6)
    assert mean_iou(total) == pytest.approx(validated, abs=1e-6)


def test_a_cityscapes_run_is_packaged_with_its_classes_and_validates_to_its_number(
    cityscapes_root, monkeypatch, tmp_path
):
    module = small_module(labels=plain_classes(CITYSCAPES), optimizer=OptimizerOptions(lr=0.02, warmup_steps=1))
    data = Cityscapes(cityscapes_root, batch_size=2, workers=0, augmentation=Augmentation(crop=(48, 64)))
    train(tmp_path, module, data)
    out, root = tmp_path / "models/streets", str(cityscapes_root)
    assert package_main([str(tmp_path / "end.ckpt"), "--data", root, "--out", str(out)]) == 0
    opened = read_model_folder(out)
    assert (opened.labels, opened.training["data"]) == (CITYSCAPES, Cityscapes.terms)
    assert tuple(opened.metrics["val_iou"]) == CITYSCAPES.names
    assert opened.metrics["protocol"].startswith("val split, 2 frames")
    arguments = ["validate", "--ckpt_path", str(out), "--data", "Cityscapes", "--data.root", root]
    quiet = ["--trainer.default_root_dir", str(tmp_path), "--trainer.accelerator", "cpu"]
    monkeypatch.setattr("sys.argv", ["training", *arguments, *quiet, "--trainer.enable_progress_bar", "false"])
    validated = training().trainer.callback_metrics["val_miou"].item()
    assert validated == pytest.approx(opened.metrics["val_miou"], abs=1e-6)


def scored_by_hand(root, out):
    for path in sorted(out.glob("*.png")):
        truth = cv2.imread(str(root / "valannot" / path.name), cv2.IMREAD_UNCHANGED)
        yield np.where(truth == 11, 255, truth).astype(np.uint8), cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_weights_that_lose_too_much_in_fp16_are_stored_as_they_are(trained, monkeypatch):
    root, checkpoint = trained
    monkeypatch.setattr(packaging, "HALF_PRECISION_LOSS", -1.0)
    opened = package(checkpoint, root / "models" / "exact", root)
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert opened.training["weights"] == "fp32"
    trunk = {name: value for name, value in opened.weights().items() if not name.startswith("classifier.")}
    assert all(np.array_equal(v, state[f"network.{name}"].numpy()) for name, v in trunk.items())


def test_weights_that_saw_val_say_so_and_tell_what_the_same_recipe_reached_without(trained, camvid_checkpoints):
    root, checkpoint = trained
    twin = package(checkpoint, root / "models" / "twin", root)
    both = camvid_checkpoints["trainval"]
    opened = package(both, root / "models" / "shipped", root, train_only=twin.path)
    assert opened.metrics["val_seen_in_training"] is True
    assert opened.metrics["train_only"]["val_miou"] == twin.metrics["val_miou"]
    assert opened.metrics["train_only"]["val_seen_in_training"] is False
    assert opened.training["split"] == "trainval; val seen in training, test never seen"
    with pytest.raises(ModelFolderError, match="a model trained on train"):
        package(both, root / "models" / "wrong", root, train_only=opened.path)


def without_val(root, checkpoint):
    (root / "val.txt").unlink()
    return checkpoint, "--data", root


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (without_val, "val.txt"),
        (lambda root, checkpoint: (checkpoint,), "give its folder as --data"),
        (lambda root, checkpoint: (root / "val.txt", "--data", root), "no checkpoint"),
        (lambda root, checkpoint: (root / "nothing.ckpt", "--data", root), "nothing.ckpt"),
        (lambda root, checkpoint: (weights_alone(root), "--data", root), "has no datamodule_hyper_parameters"),
        (lambda root, checkpoint: (a_tensor(root), "--data", root), "has no datamodule_hyper_parameters"),
    ],
)
def test_wrong_use_ends_with_one_line_and_code_2(trained, capsys, arguments, message):
    root, checkpoint = trained
    with pytest.raises(SystemExit) as error:
        package_main([*map(str, arguments(root, checkpoint)), "--out", str(root / "models/tiny")])
    said = capsys.readouterr().err.strip().splitlines()
    assert error.value.code == 2
    assert message in said[-1]


def a_tensor(root):
    torch.save(torch.zeros(3), root / "tensor.ckpt")
    return root / "tensor.ckpt"


def weights_alone(root):
    torch.save({"state_dict": {}}, root / "weights.ckpt")
    return root / "weights.ckpt"
