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

"""The Lightning module: schedule, parameter groups, class weights, precision, whole-frame evaluation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from small_runs import SIZE, small_data, small_module, small_trainer, train

from gain_ros.labels import CITYSCAPES, CITYSCAPES_IDS
from gain_ros.model import GAI
from training.classes import plain_classes
from training.data import Cityscapes
from training.losses import LossOptions, class_weights
from training.module import OptimizerOptions, SegmentationTask
from training.package import evaluate


class StepRecorder:
    """Learning rates as the optimiser used them."""

    def __init__(self, module):
        self.rates, self.kind = [], None
        step = module.optimizer_step

        def record(epoch, batch, optimizer, closure):
            self.rates.append([group["lr"] for group in optimizer.param_groups])
            self.kind = type(optimizer.optimizer)
            step(epoch, batch, optimizer, closure)

        module.optimizer_step = record


@pytest.mark.parametrize(("name", "kind"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_the_rate_warms_up_and_falls_by_the_power(tmp_path, name, kind):
    module = small_module(optimizer=OptimizerOptions(name, lr=0.01, warmup_steps=3, power=0.9))
    recorder = StepRecorder(module)
    train(tmp_path, module, small_data())
    expected = [0.01 * min((i + 1) / 3, (1 - i / 6) ** 0.9) for i in range(6)]
    assert recorder.kind is kind
    assert np.allclose(recorder.rates, np.array([expected] * 2).T)


def test_biases_norms_and_gates_are_not_decayed():
    module = small_module()
    decayed, free = module.parameter_groups()
    assert all(p.ndim > 1 for p in decayed["params"])
    assert free["weight_decay"] == 0
    assert any(p is module.network.gai16.gamma for p in free["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(module.parameters()))


def test_class_weights_come_from_the_training_labels(tmp_path):
    module, data = small_module(loss=LossOptions(class_weight_power=0.5)), small_data()
    train(tmp_path, module, data, max_steps=1)
    assert torch.equal(module.loss.weights, class_weights(data.train_label_counts(), 0.5))
    assert len(set(module.loss.weights.tolist())) > 1


def test_data_with_other_classes_is_refused(tmp_path):
    module = SegmentationTask(plain_classes(CITYSCAPES), "tiny", None, SIZE)
    with pytest.raises(
        MisconfigurationException, match=r"classes sky, building.*; expected those of the network, road, sidewalk"
    ):
        small_trainer(tmp_path).fit(module, small_data())


def test_validation_measures_the_averaged_weights_in_float32_also_under_bf16(tmp_path):
    module, data = small_module(), small_data()
    trainer = small_trainer(tmp_path, precision="bf16-mixed")
    trainer.fit(module, data)
    measured = {name.removeprefix("val_"): value.item() for name, value in trainer.callback_metrics.items()}
    averaged = torch.load(tmp_path / "6.ckpt", weights_only=True)["state_dict"]
    module.load_state_dict(averaged)
    expected = evaluate(module.network, data.val_frames, module.labels, SIZE)
    assert {name: measured[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert measured["loss"] > 0


def test_a_checkpoint_holds_plain_values_and_rebuilds_the_module(tmp_path):
    given = small_module(optimizer=OptimizerOptions("sgd", lr=0.02), loss=LossOptions(kind="ohem"))
    train(tmp_path, given, small_data(), max_steps=1)
    again = SegmentationTask.load_from_checkpoint(tmp_path / "1.ckpt", weights_only=True)
    assert again.optimizer_options == OptimizerOptions("sgd", lr=0.02)
    assert again.loss.options == LossOptions(kind="ohem")
    assert dict(again.hparams) == dict(given.hparams)


def test_frames_without_truth_become_a_submission_in_official_ids(cityscapes_root, tmp_path):
    import cv2

    module = SegmentationTask(plain_classes(CITYSCAPES), "tiny", None, SIZE)
    trainer = small_trainer(tmp_path / "run")
    trainer.test(module, Cityscapes(cityscapes_root, workers=0))
    masks = sorted((tmp_path / "run/submission").glob("*.png"))
    assert len(masks) == 3
    assert set(np.unique(cv2.imread(str(masks[0]), cv2.IMREAD_UNCHANGED))) <= set(CITYSCAPES_IDS)
    assert "test_miou" not in trainer.callback_metrics


def test_fused_attention_is_one_switch_and_learns_the_same():
    pytest.importorskip("triton")
    gradients = []
    for fused in (False, True):
        torch.manual_seed(0)
        module = small_module(fused_attention=fused).train()
        for gai in (module.network.gai16, module.network.gai32):
            torch.nn.init.constant_(gai.gamma, 0.5)
        torch.manual_seed(1)
        main, *auxiliary = module(torch.randint(0, 256, (2, 3, 32, 40), dtype=torch.uint8))
        (main.square().mean() + sum(each.square().mean() for each in auxiliary)).backward()
        gradients.append({name: p.grad for name, p in module.named_parameters()})
        assert (module.network.gai16.attend is GAI.attend) != fused
    plain, same = gradients
    assert plain["network.gai16.gamma"].abs() > 0
    assert all(torch.allclose(plain[name], same[name], atol=1e-4) for name in plain)
