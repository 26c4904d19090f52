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

"""GAIN on backbones of timm: the seam with a stand-in, and, by `make test-timm`, the real library."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from timm_double import install

from gain_ros.errors import UsageError
from gain_ros.labels import LabelSet
from gain_ros.model import build, load_model
from gain_ros.model.deploy import LabelsForm, LogitsForm
from gain_ros.model_folder import IMAGENET_MEAN, IMAGENET_STD, write_model_folder
from gain_ros.onnx.export import add_onnx
from gain_ros.runtime.opening import open_segmenter

SIZE = (64, 96)
NAMES = ("mobilenetv3_large_100", "resnet18", "efficientnet_lite0", "convnext_atto", "mobilenetv4_conv_small")
needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="make test-timm installs timm")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)


def network(name: str) -> torch.nn.Module:
    """A network whose batch norms have seen pictures, in eval mode."""
    torch.manual_seed(0)
    made = build("gain", 4, backbone=name, channels=32)
    for _ in range(3):
        made(torch.randn(2, 3, *SIZE))
    return made.eval()


def check_folding(name: str) -> None:
    made = network(name)
    frames = torch.randint(0, 256, (1, *SIZE, 3), dtype=torch.uint8)
    normalised = (frames.permute(0, 3, 1, 2) / 255 - torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)) / torch.tensor(
        IMAGENET_STD
    ).view(1, 3, 1, 1)
    with torch.no_grad():
        expected, folded = made.features(normalised)[0], LogitsForm(made, IMAGENET_MEAN, IMAGENET_STD)(frames)
    assert expected.std() > 0.01
    assert torch.allclose(folded, expected, atol=1e-4)


def check_deployment(name: str, folder: Path) -> None:
    """Package, load, export, run: each engine gives PyTorch's labels (opening one holds it against the golden pair)."""
    made, labels = network(name), LabelSet("four", tuple("abcd"), ((0, 0, 0),) * 4)
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    golden, _ = LabelsForm(made, IMAGENET_MEAN, IMAGENET_STD, SIZE)(torch.from_numpy(frame)[None])
    state = {k: v.numpy() for k, v in made.state_dict().items() if not k.startswith("aux")}
    write_model_folder(
        folder, name=folder.name, architecture="gain", options={"backbone": name, "channels": 32}, labels=labels,
        input_size=SIZE, mean=IMAGENET_MEAN, std=IMAGENET_STD, training={}, metrics={}, licence="none",
        weights=state, golden=(frame, golden[0].numpy()), graph=None,
    )  # fmt: skip
    loaded = load_model(add_onnx(folder))
    assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in made.state_dict().items() if not k.startswith("aux"))
    for engine in ("onnxruntime", "openvino", "torch"):
        with open_segmenter(folder, engine=engine, device="cpu") as segmenter:
            assert segmenter.segment([frame])[0].labels.shape == SIZE


@pytest.mark.usefixtures("stand_in")
def test_maps_at_the_head_s_strides_go_on() -> None:
    made = build("gain", 4, backbone="small", channels=32)
    assert made.backbone.channels == {4: 8, 8: 12, 16: 16, 32: 20}
    assert made.output_stride == 4
    assert made.eval()(torch.randn(1, 3, 65, 97)).shape == (1, 4, 65, 97)


@pytest.mark.usefixtures("stand_in")
def test_a_norm_that_is_its_activation_too_is_kept() -> None:
    check_folding("small")


@pytest.mark.usefixtures("stand_in")
def test_a_folder_of_it_runs_everywhere(tmp_path: Path) -> None:
    check_deployment("small", tmp_path / "small")


@pytest.mark.usefixtures("stand_in")
def test_pretrained_weights_come_from_a_file_of_theirs() -> None:
    made, other = (build("gain", 4, backbone="small", channels=32).backbone for _ in range(2))
    made.load_pretrained(other.features.state_dict())
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in other.state_dict().items())


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("name", "message"),
    [("tiny", "unknown; expected a name of timm"), ("hf-hub:a/b", "unknown"), ("coarse", r"\(missing \[8\]\)")],
)
def test_other_backbones_are_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build("gain", 4, backbone=name)


def test_without_timm_its_name_and_what_to_install_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gain_ros.libraries.has_module", lambda name: False)
    with pytest.raises(UsageError, match="backbone 'resnet18' needs timm; pip install timm"):
        build("gain", 4, backbone="resnet18")


@pytest.fixture(scope="module")
def real_timm() -> ModuleType:
    """timm, also beside PyTorch's CPU build: torchvision wants two operators there that its CUDA wheel cannot bring."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for module in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[module]
        declared = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            declared.define(f"{operator}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    import timm

    return timm


@needs_timm
@pytest.mark.parametrize("name", NAMES)
def test_the_real_backbones_run_everywhere(real_timm: ModuleType, name: str, tmp_path: Path) -> None:
    check_folding(name)
    check_deployment(name, tmp_path / name)
    made = build("gain", 4, backbone=name).backbone
    theirs = real_timm.create_model(name, pretrained=False)
    made.load_pretrained(theirs.state_dict())
    first = next(iter(theirs.state_dict().values()))
    assert torch.equal(next(iter(made.state_dict().values())), first)


@needs_timm
def test_real_backbones_without_the_strides_are_refused(real_timm: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"missing \[8, 32\]"):
        build("gain", 4, backbone="vit_tiny_patch16_224")
