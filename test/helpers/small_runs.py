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

"""Training runs of seconds: a tiny network on a few small drawings, through the real trainer."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import lightning
import torch
from drawings import drawn
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from torch import Tensor, nn

from gain_ros.datasets.frames import FramesInMemory
from gain_ros.labels import CAMVID
from gain_ros.model import GAIN
from gain_ros.model.backbones import conv_bn_relu
from gain_ros.model.gain import ARCHITECTURES
from training.classes import plain_classes
from training.data import LabelledFrames
from training.data.augment import Augmentation
from training.module import OptimizerOptions, SegmentationTask

SIZE = (72, 96)


class Tiny(nn.Module):
    """A backbone of four convolutions."""

    channels = {4: 8, 8: 12, 16: 16, 32: 16}

    def __init__(self) -> None:
        super().__init__()
        self.first = conv_bn_relu(3, 8, 5, stride=4)
        widths = list(self.channels.values())
        self.rest = nn.ModuleList(conv_bn_relu(a, b, 3, stride=2) for a, b in itertools.pairwise(widths))

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        maps = {4: self.first(x)}
        for stride, block in zip((8, 16, 32), self.rest, strict=True):
            maps[stride] = block(maps[stride // 2])
        return maps


ARCHITECTURES["tiny"] = lambda classes, channels=16: GAIN(Tiny(), classes, channels)


class Drawings(LabelledFrames):
    label_set, terms, pasted = CAMVID, "", ()

    def __init__(self, train: int, val: int, **options) -> None:
        super().__init__(train=train, val=val, **options)

    def open_split(self, split: str) -> FramesInMemory:
        first, count = (0, self.hparams.train) if split == "train" else (100, self.hparams.val)
        return FramesInMemory([drawn(first + i) for i in range(count)])


def small_data(train: int = 7, val: int = 3, **options) -> Drawings:
    options = {"batch_size": 2, "workers": 0, "augmentation": Augmentation(crop=(48, 64)), **options}
    return Drawings(train, val, **options)


def small_module(**options) -> SegmentationTask:
    lightning.seed_everything(0, verbose=False)
    options = {"labels": plain_classes(CAMVID), "optimizer": OptimizerOptions(lr=1e-3, warmup_steps=2), **options}
    return SegmentationTask(architecture="tiny", input_size=SIZE, **options)


def small_trainer(folder: Path, **options) -> lightning.Trainer:
    """Deterministic, with EMA; every step leaves ``folder/STEP.ckpt``, the end of an epoch ``folder/epochN.ckpt``."""
    named = {"dirpath": folder, "save_top_k": -1, "auto_insert_metric_name": False}
    callbacks = [
        EMAWeightAveraging(decay=0.7),
        ModelCheckpoint(filename="{step}", every_n_train_steps=1, **named),
        ModelCheckpoint(filename="epoch{epoch}", every_n_epochs=1, save_on_train_epoch_end=True, **named),
    ]
    defaults = {
        "max_epochs": 2, "accelerator": "cpu", "deterministic": True, "gradient_clip_val": 1.0, "logger": False,
        "num_sanity_val_steps": 0, "enable_progress_bar": False, "enable_model_summary": False,
        "default_root_dir": folder, "callbacks": callbacks,
    }  # fmt: skip
    return lightning.Trainer(**{**defaults, **options})


def train(folder: Path, module: SegmentationTask, data: LabelledFrames, resume: Path | None = None, **options) -> dict:
    """Fits and returns the content of the last checkpoint, ``folder/end.ckpt``."""
    trainer = small_trainer(folder, **options)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*your dataloader is not resumable")
        trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    trainer.save_checkpoint(folder / "end.ckpt")
    return torch.load(folder / "end.ckpt", weights_only=True)
