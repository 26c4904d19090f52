# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
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
        ({"architecture": "unet"}, r"model\.yaml: found a network that cannot be made .*expected one of gain_r18"),
    ],
)
def test_another_network_is_refused(model_folder: Path, change: dict, text: str) -> None:
    with pytest.raises(ModelFolderError, match=text):
        load_model(dataclasses.replace(read_model_folder(model_folder), **change))
