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

"""A data set of one's own, from the folder to the masks of the model: its classes, its size, its checkpoint."""

from __future__ import annotations

import json
import sys

import cv2
import numpy as np
import pytest
import torch
import yaml
from dataset_folders import FOLDER_CLASSES
from drawings import drawn
from small_runs import small_module, train

from gain_ros.cli import main as gain
from gain_ros.datasets.frames import FramesOnDisk, Pair
from gain_ros.errors import ClassFileError, DatasetError
from gain_ros.model_folder import read_model_folder
from training.__main__ import main
from training.classes import plain_classes
from training.data import Folder
from training.data.folder import ReducedFrames, near_size
from training.module import OptimizerOptions, SegmentationTask
from training.package import main as package_main
from training.package import package


class Sized(FramesOnDisk):
    """One frame of a size."""

    def __getitem__(self, index):
        return Pair(None, np.zeros(self.files, np.uint8), "")


@pytest.mark.parametrize(
    ("size", "near"),
    [
        ((227, 320), (224, 320)),  # as it is
        ((360, 480), (352, 480)),
        ((1080, 1920), (320, 544)),
        ((720, 1280), (320, 544)),
        ((1536, 2048), (352, 480)),
        ((40, 50), (64, 64)),
    ],
)
def test_a_network_sees_pictures_near_their_size_and_aspect(size, near):
    assert near_size(Sized(size)) == near


def test_training_draws_views_of_that_size_and_validates_on_whole_pictures(folder_root):
    data = Folder(folder_root, batch_size=3, workers=0)
    data.setup("fit")
    assert data.input_size == (64, 96)
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (3, 3, 64, 96)
    assert set(labels.unique().tolist()) <= {0, 1, 2, 255}
    image, _, _ = next(iter(data.val_dataloader()))
    assert image.shape == (1, 3, 72, 96)
    assert data.train_label_counts().shape == (3,)


def test_the_size_may_be_given(folder_root):
    data = Folder(folder_root, size=(96, 128), batch_size=3, workers=0)
    data.setup("fit")
    assert next(iter(data.train_dataloader()))[0].shape == (3, 3, 96, 128)


def test_labels_of_reduced_frames_are_picked_where_the_picture_is():
    pair = drawn(0)
    wide = Pair(*(np.repeat(np.repeat(array, 3, 0), 3, 1) for array in (pair.image, pair.labels)), "wide")
    reduced = ReducedFrames([wide], pair.labels.shape)[0]
    assert np.array_equal(reduced.labels, pair.labels)
    assert np.array_equal(reduced.image, pair.image)


def test_both_splits_are_looked_at_before_training(folder_root):
    cv2.imwrite(str(folder_root / "masks/val/1.png"), np.full((72, 96), 9, np.uint8))
    with pytest.raises(DatasetError, match=r"val/1\.png: holds the value 9"):
        Folder(folder_root, batch_size=2).setup("fit")
    with pytest.raises(ClassFileError, match="nowhere"):
        Folder(folder_root / "nowhere")


def test_fewer_frames_than_a_step_takes_are_refused(folder_root):
    data = Folder(folder_root, batch_size=8)
    data.setup("fit")
    with pytest.raises(DatasetError, match=r"6 frames to train on; expected at least the batch_size, 8"):
        data.train_dataloader()


@pytest.fixture
def trained(folder_root, tmp_path):
    """A checkpoint of two epochs in three classes."""
    data = Folder(folder_root, batch_size=2, workers=0)
    module = small_module(labels=plain_classes(data.label_set), optimizer=OptimizerOptions(lr=0.02, warmup_steps=1))
    train(tmp_path / "run", module, data)
    return tmp_path / "run/end.ckpt"


def test_a_checkpoint_holds_its_classes_and_needs_no_folder(trained, folder_root):
    (folder_root / "classes.yaml").unlink()
    module = SegmentationTask.load_from_checkpoint(trained, weights_only=True)
    assert module.labels.names == ("road", "vehicle", "other")
    assert module.labels.colors[1] == (0, 0, 142)
    assert module.labels.groups[1] == ("obstacle", "dynamic")


def test_a_model_folder_has_the_classes_and_gain_segment_and_bags_use_them(trained, folder_root, tmp_path, capsys):
    out = tmp_path / "models/mine"
    assert package_main([str(trained), "--data", str(folder_root), "--out", str(out)]) == 0
    opened = read_model_folder(out)
    assert opened.labels == plain_set(folder_root)
    assert set(opened.metrics["val_iou"]) == {"road", "vehicle", "other"}
    masks = tmp_path / "masks"
    assert gain(["segment", str(folder_root / "images/val"), "--model", str(out), "--out", str(masks)]) == 0
    assert {value for file in masks.glob("*.png") for value in np.unique(cv2.imread(str(file), -1))} <= {0, 1, 2}
    capsys.readouterr()


def plain_set(root):
    return Folder(root).label_set


def test_data_with_other_classes_is_not_what_a_checkpoint_was_trained_on(trained, folder_root, tmp_path):
    file = folder_root / "classes.yaml"
    file.write_text(FOLDER_CLASSES.replace("vehicle", "lorry"))
    with pytest.raises(ValueError, match="knows the classes road, vehicle, other, the data road, lorry, other"):
        package(trained, tmp_path / "models/mine", folder_root)


@pytest.fixture
def command(monkeypatch, folder_root, tmp_path):
    def run(subcommand, *arguments):
        small = ("--data.batch_size=2", "--data.workers=0", "--model.architecture=tiny", "--model.initial_weights=null")
        places = (f"--data.root={folder_root}", f"--trainer.default_root_dir={tmp_path / 'runs'}")
        quick = ("--trainer.max_steps=4", "--trainer.val_check_interval=2", "--trainer.accelerator=cpu")
        options = (*small, *places, *quick, "--trainer.enable_progress_bar=false", "--last.every_n_train_steps=2")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["training", subcommand, "--config", "finetune", *options, *arguments])
        return main()

    return run


def test_the_config_is_found_by_name_from_any_directory_and_ends_by_itself(command, tmp_path):
    cli = command("fit")
    assert cli.trainer.global_step == 4
    run = tmp_path / "runs/fit/version_0"
    content = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    assert [entry["name"] for entry in content["hyper_parameters"]["labels"]["classes"]] == ["road", "vehicle", "other"]
    assert content["hyper_parameters"]["input_size"] == [64, 96]
    assert (run / "checkpoints/best.ckpt").is_file()
    assert yaml.safe_load((run / "config.yaml").read_text())["data"]["init_args"]["root"].endswith("streets")


def test_a_run_in_own_classes_goes_on_and_validates(command, tmp_path, folder_root, capsys):
    command("fit")
    last = str(tmp_path / "runs/fit/version_0/checkpoints/last.ckpt")
    assert command("fit", "--ckpt_path", last, "--trainer.max_steps=6").trainer.global_step == 6
    assert 0 <= command("validate", "--ckpt_path", last).trainer.callback_metrics["val_miou"] <= 1
    (folder_root / "classes.yaml").write_text(FOLDER_CLASSES.replace("vehicle", "lorry"))
    with pytest.raises(SystemExit):
        command("validate", "--ckpt_path", last)
    assert "the data has the classes road, lorry, other; expected" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "masks/val/1.png").unlink(), "images/val/1.png: has no mask"),
        (lambda root: (root / "classes.yaml").unlink(), "classes.yaml"),
        (lambda root: None, "nothing_there"),
    ],
)
def test_a_run_that_fails_leaves_no_folder(command, folder_root, tmp_path, capsys, damage, message):
    damage(folder_root)
    weights = ("--model.initial_weights=nothing_there",) if message == "nothing_there" else ()
    with pytest.raises(SystemExit) as ended:
        command("fit", *weights)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("runs/fit/*"))


def test_a_folder_becomes_a_bag_with_truth_that_gain_evaluate_scores(trained, folder_root, tmp_path, capsys):
    pytest.importorskip("rosbags")
    package(trained, tmp_path / "models/mine", folder_root)
    bag = tmp_path / "val_bag"
    assert gain(["bag-from", str(folder_root), "--split", "val", "--out", str(bag)]) == 0
    capsys.readouterr()
    given = ["evaluate", str(bag), "--model", str(tmp_path / "models/mine")]
    assert gain([*given, "--out", str(tmp_path / "out"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert result["miou"] == pytest.approx(read_model_folder(tmp_path / "models/mine").metrics["val_miou"], abs=0.01)
