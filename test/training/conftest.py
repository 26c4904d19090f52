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

"""Runs on the small data sets."""

from __future__ import annotations

import pytest
from dataset_folders import COUNTS, write_camvid
from small_runs import small_module, train

from gain_ros.datasets import camvid
from training.data import CamVid
from training.data.augment import Augmentation
from training.module import OptimizerOptions


@pytest.fixture(scope="session")
def camvid_checkpoints(tmp_path_factory):
    """{"train": ..., "trainval": ...}: checkpoints of two epochs on a CamVid like that of ``camvid_root``."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(camvid, "COUNTS", COUNTS)
        root = write_camvid(folder)
        for split in ("train", "trainval"):
            how = {"batch_size": 2, "workers": 0, "augmentation": Augmentation(crop=(48, 64))}
            module = small_module(optimizer=OptimizerOptions(lr=0.02, warmup_steps=1))
            train(folder / "runs" / split, module, CamVid(root, train_split=split, **how))
    return {split: folder / "runs" / split / "end.ckpt" for split in ("train", "trainval")}
