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

"""Weights meet the network that model.yaml describes, or are refused before it takes memory."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gain_ros.errors import ModelFolderError
from gain_ros.model import load_model
from gain_ros.model_folder import read_model_folder


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"options": {"channels": 1_000_000}}, r"weights\.safetensors: found \d+ tensors that do not fit"),
        ({"options": {"channels": -1}}, r"model\.yaml: found a network that cannot be made"),
        ({"options": {"channels": "wide"}}, r"model\.yaml: found a network that cannot be made"),
        ({"options": {"layers": 3}}, r"model\.yaml: found a network that cannot be made"),
        (
            {"architecture": "unet"},
            r"model\.yaml: found a network that cannot be made .*expected one of gain, gain_r18",
        ),
    ],
)
def test_another_network_is_refused(model_folder: Path, change: dict, text: str) -> None:
    with pytest.raises(ModelFolderError, match=text):
        load_model(dataclasses.replace(read_model_folder(model_folder), **change))
