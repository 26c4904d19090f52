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

"""Corruptions grow with their strength and leave labels alone; the table is what the network reaches on them."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from drawings import drawn

from gain_ros.datasets.frames import FramesInMemory
from gain_ros.model import load_model
from training.data import CamVid
from training.data.corruptions import CORRUPTIONS, STRENGTHS, CorruptedFrames
from training.package import evaluate, package
from training.robustness import main


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_corruption_grows_with_its_strength_and_repeats(corruption):
    frames = FramesInMemory([drawn(0), drawn(1)])
    seen = [CorruptedFrames(frames, corruption, strength)[1] for strength in STRENGTHS]
    damage = [np.abs(pair.image.astype(int) - frames[1].image).mean() for pair in seen]
    assert 0 < damage[0] < damage[1] < damage[2]
    for pair in seen:
        assert (pair.image.dtype, pair.image.shape, pair.name) == (np.uint8, frames[1].image.shape, frames[1].name)
        assert pair.labels is frames[1].labels
    assert np.array_equal(CorruptedFrames(frames, corruption, 3)[1].image, seen[2].image)


def test_the_table_is_what_the_network_reaches(camvid_root, camvid_checkpoints, capsys):
    model = package(camvid_checkpoints["trainval"], camvid_root / "models" / "tiny", camvid_root)
    out = camvid_root / "robust"
    assert main([str(model.path), "--data", str(camvid_root), "--out", str(out)]) == 0
    result = json.loads((out / "robustness.json").read_text())
    assert result["miou"] == pytest.approx(model.metrics["val_miou"], abs=1e-6)
    data = CamVid(camvid_root)
    data.setup("validate")
    blurred = CorruptedFrames(data.val_frames, "blur", 2)
    by_hand = evaluate(load_model(model), blurred, model.labels, model.input_size)["miou"]
    assert result["corrupted_miou"]["blur"][1] == pytest.approx(by_hand, abs=1e-6)
    assert result["mean"] == pytest.approx(np.mean(list(result["corrupted_miou"].values())), abs=1e-6)
    printed = capsys.readouterr().out
    assert printed == (out / "robustness.md").read_text()
    assert "val frames, which training saw" in printed
    height, width = data.val_frames[0].labels.shape
    worst = sorted(out.glob("worst_*.jpg"))
    assert len(worst) == len(CORRUPTIONS)
    assert cv2.imread(str(worst[0])).shape == (height, 3 * width, 3)


def test_a_model_folder_without_its_run_is_refused_in_one_line(camvid_root, model_folder, capsys):
    with pytest.raises(SystemExit) as error:
        main([str(model_folder), "--data", str(camvid_root), "--out", str(camvid_root / "robust")])
    assert error.value.code == 2
    assert "does not tell its data" in capsys.readouterr().err
    assert not (camvid_root / "robust").exists()
