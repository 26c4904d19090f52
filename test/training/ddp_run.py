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

"""`torchrun --nproc-per-node 2 ddp_run.py OUT 2`, or the same run in one process: `python ddp_run.py OUT 1`.

Here the mean over the processes' gradients is the gradient of the batches put together: every pixel is labelled, and
the network has neither dropout nor batch statistics.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from small_runs import Drawings, small_module, small_trainer
from torch import nn

from gain_ros.datasets.frames import FramesInMemory, Pair
from training.data.augment import Augmentation
from training.losses import LossOptions
from training.module import OptimizerOptions


class Labelled(Drawings):
    def open_split(self, split: str) -> FramesInMemory:
        pairs = super().open_split(split).pairs
        return FramesInMemory([Pair(p.image, np.minimum(p.labels, 10), p.name) for p in pairs])


def main(out: Path, world: int) -> None:
    torch.set_num_threads(1)
    # Adam would blow rounding up: it divides by the size of a gradient, however small.
    module = small_module(
        optimizer=OptimizerOptions("sgd", lr=0.05, warmup_steps=1), loss=LossOptions(class_weight_power=0.0)
    )
    for part in module.network.modules():
        if isinstance(part, (nn.BatchNorm2d, nn.Dropout2d)):
            part.eval().train = lambda mode, part=part: part
    inside = Augmentation(crop=(48, 64), scale=(1.0, 1.5), aspect=1.0, rotation_deg=0.0)
    data = Labelled(train=8, val=5, batch_size=4 // world, workers=0, augmentation=inside)
    trainer = small_trainer(out, devices=world, strategy="ddp" if world > 1 else "auto")
    trainer.fit(module, data)
    if trainer.is_global_zero:
        measured = {name: value.item() for name, value in trainer.callback_metrics.items()}
        (out / "measured.json").write_text(json.dumps(measured))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
