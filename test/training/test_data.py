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

"""The data modules: what is checked before training, which samples come, and where a run goes on."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from drawings import drawn
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from gain_ros.errors import DatasetError
from training.data import CamVid, Cityscapes, Scenes
from training.data.augment import Augmentation


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda image, mask: image.unlink(), "5 images .*expected 6"),
        (lambda image, mask: mask.unlink(), "labelIds.png: No such file"),
        (lambda image, mask: cut(image), "leftImg8bit.png: is cut short"),
        (lambda image, mask: mask.write_bytes(b""), "labelIds.png: is empty"),
    ],
)
def test_cityscapes_is_checked_before_training(cityscapes_root, damage, message):
    stem = "train/aachen/aachen_000000_000019"
    damage(
        cityscapes_root / f"leftImg8bit/{stem}_leftImg8bit.png", cityscapes_root / f"gtFine/{stem}_gtFine_labelIds.png"
    )
    with pytest.raises(DatasetError, match=f"(?s){message}"):
        Cityscapes(cityscapes_root).setup("fit")


def test_a_wrong_id_in_cityscapes_is_found_before_training(cityscapes_root):
    path = cityscapes_root / "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png"
    cv2.imwrite(str(path), np.full((72, 96), 34, np.uint8))
    with pytest.raises(DatasetError, match=r"000000_000019_gtFine_labelIds\.png: holds the value 34.*0-33"):
        Cityscapes(cityscapes_root).setup("fit")


def test_data_modules_give_training_and_whole_frame_batches(cityscapes_root):
    data = Cityscapes(cityscapes_root, train_split="trainval", batch_size=3, workers=0,
                      augmentation=Augmentation(crop=(32, 48)))  # fmt: skip
    data.setup("fit")
    data.setup("test")
    images, labels = next(iter(data.train_dataloader()))
    assert (images.shape, images.dtype.is_floating_point) == ((3, 3, 32, 48), False)
    assert (labels.shape, labels.dtype.itemsize) == ((3, 32, 48), 8)
    assert len(data.train_dataloader()) == 8 // 3
    assert data.train_label_counts().sum() == 8 * 70 * 96
    image, truth, names = next(iter(data.val_dataloader()))
    assert np.array_equal(image[0].permute(1, 2, 0), drawn(0).image)
    assert np.array_equal(truth[0], drawn(0).labels)
    assert list(names) == ["aachen_000000_000019_leftImg8bit"]
    assert len(list(data.test_dataloader())) == 3


def test_drives_held_out_are_val_and_not_trained_on(cambridge_root):
    data = CamVid(cambridge_root, masks="merged", train_split="trainval", held_out=("0016E5",), workers=0, scenes=1)
    data.setup("fit")
    assert [pair.name for pair in data.train_frames] == ["0001TP_008520", "0006R0_f00930", "scene1000"]
    assert [pair.name for pair in data.val_frames] == ["0016E5_08190", "0016E5_07959"]
    assert data.train_label_counts().sum() > 0


def test_cities_are_held_out_of_train_alone(cityscapes_root):
    data = Cityscapes(cityscapes_root, held_out=("bochum",), workers=0)
    data.setup("fit")
    data.setup("test")
    assert {pair.name.partition("_")[0] for pair in data.train_frames} == {"aachen"}
    assert {pair.name.partition("_")[0] for pair in data.val_frames} == {"bochum"}
    assert len(data.train_frames) + len(data.val_frames) == 6
    assert len(data.test_frames) == 3


@pytest.mark.parametrize("held_out", [("ulm",), ("aachen", "bochum")])
def test_what_cannot_be_held_out_is_refused(cityscapes_root, held_out):
    with pytest.raises(DatasetError, match="of the drives aachen, bochum"):
        Cityscapes(cityscapes_root, held_out=held_out).setup("fit")


def test_scenes_are_added_to_training_alone(camvid_root):
    data = CamVid(camvid_root, workers=0, scenes=2)
    data.setup("fit")
    assert [pair.name for pair in data.train_frames][5:] == ["5", "scene1000", "scene1001"]
    assert len(data.val_frames) == 2


def test_streets_need_no_files():
    data = Scenes(train=2, val=1, size=(48, 64), workers=0)
    data.setup("fit")
    assert [pair.labels.shape for pair in data.train_frames] == [(48, 64)] * 2
    assert not {p.name for p in data.train_frames} & {p.name for p in data.val_frames}


def test_what_a_checkpoint_keeps_is_plain(camvid_root):
    kept = CamVid(camvid_root, train_split="trainval", augmentation=Augmentation(paste_classes=("car",))).hparams
    assert (kept["data"], kept["masks"], kept["train_split"]) == ("CamVid", "segnet", "trainval")
    assert kept["augmentation"]["paste_classes"] == ["car"]
    assert "root" not in kept


def test_a_class_that_is_none_cannot_be_pasted(camvid_root):
    with pytest.raises(ValueError, match=r"paste_classes holds \['lorry'\]; expected some of .*'car'"):
        CamVid(camvid_root, augmentation=Augmentation(paste_classes=("car", "lorry")))


@pytest.fixture
def small_camvid(camvid_root):
    def make(**options):
        data = CamVid(camvid_root, batch_size=2, augmentation=Augmentation(crop=(32, 48)), **options)
        data.setup("fit")
        return data

    return make


def same(batches, others):
    pairs = list(zip(batches, others, strict=True))
    return bool(pairs) and all(torch.equal(a, b) for batch, other in pairs for a, b in zip(batch, other, strict=True))


def test_workers_change_nothing(small_camvid):
    here, elsewhere = (list(small_camvid(workers=workers, seed=4).train_dataloader()) for workers in (0, 2))
    assert same(here, elsewhere)
    assert not same(here, small_camvid(workers=0, seed=5).train_dataloader())


@pytest.mark.parametrize(("done", "epoch", "left"), [(0, 0, 3), (4, 1, 2), (6, 2, 3)])
def test_a_run_goes_on_where_it_stopped(small_camvid, done, epoch, left):
    data, resumed = small_camvid(workers=0), small_camvid(workers=0)
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    progress = SimpleNamespace(batch_progress=SimpleNamespace(total=SimpleNamespace(processed=done)))
    resumed.trainer = SimpleNamespace(
        global_rank=0, world_size=1, limit_train_batches=1.0, fit_loop=SimpleNamespace(epoch_loop=progress)
    )
    rest = list(resumed.train_dataloader())
    assert len(rest) == left
    assert same(rest, list(loader)[-left:])


def test_another_number_of_processes_is_not_the_run_to_resume(small_camvid):
    state, resumed = small_camvid(workers=0).state_dict(), small_camvid(workers=2)
    resumed.trainer = SimpleNamespace(global_rank=0, world_size=1, state=SimpleNamespace(fn="fit"))
    assert resumed.load_state_dict(state) is None  # workers may differ
    resumed.trainer.world_size = 2
    with pytest.raises(MisconfigurationException, match=r"processes is 2, was 1; give the same"):
        resumed.load_state_dict(state)
    resumed.trainer.state.fn = "validate"
    assert resumed.load_state_dict(state) is None
