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

"""A run stopped at any step and resumed ends with the same bits as one never stopped; a seed repeats a run."""

from __future__ import annotations

import pytest
import torch
from small_runs import small_data, small_module, train

# What a run ends with: averaged weights, its own weights and buffers, the average's count, moments, schedule, position.
STATE = ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers", "global_step")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Seven frames in batches of two make three steps an epoch; validation runs after each epoch."""
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, train(folder, small_module(), small_data())


def differences(a, b, path=""):
    """Where two nested values differ by a single bit."""
    if isinstance(a, torch.Tensor):
        return [] if torch.equal(a, b) else [path]
    if isinstance(a, dict):
        keys = [path] if a.keys() != b.keys() else []
        return keys + [d for key in a for d in differences(a[key], b.get(key), f"{path}/{key}")]
    if isinstance(a, (list, tuple)):
        return [d for i, (x, y) in enumerate(zip(a, b, strict=True)) for d in differences(x, y, f"{path}/{i}")]
    return [] if a == b else [path]


def final(content):
    return {name: content[name] for name in STATE}


@pytest.mark.parametrize("stop", ["step1", "step2", "step3", "epoch0", "step4", "step5"])
def test_resumed_equals_never_stopped(unbroken, tmp_path, stop):
    folder, expected = unbroken
    resumed = train(tmp_path, small_module(), small_data(), folder / f"{stop.removeprefix('step')}.ckpt")
    assert resumed["global_step"] == 6
    assert differences(final(resumed), final(expected)) == []


def test_workers_change_nothing_not_even_in_a_resumed_run(unbroken, tmp_path):
    folder, expected = unbroken
    resumed = train(tmp_path, small_module(), small_data(workers=1), folder / "2.ckpt")
    assert differences(final(resumed), final(expected)) == []


def test_the_same_seed_gives_the_same_result_and_another_does_not(unbroken, tmp_path):
    _, expected = unbroken
    again = train(tmp_path / "again", small_module(), small_data())
    other = train(tmp_path / "other", small_module(), small_data(seed=1), max_steps=2)
    assert differences(final(again), final(expected)) == []
    early = torch.load(unbroken[0] / "2.ckpt", weights_only=True)
    assert differences(other["current_model_state"], early["current_model_state"])
