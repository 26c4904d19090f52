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

"""Initial weights from files that we write under the names of the published ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from timm_double import install as install_timm
from torch import nn

from gain_ros.errors import CheckpointError, ModelFolderError
from gain_ros.labels import CAMVID, CITYSCAPES
from gain_ros.model import build
from gain_ros.model.simpleseg import is_weight
from gain_ros.model_folder import write_model_folder
from training.classes import plain_classes
from training.weights import load_initial

CLASSES = CAMVID.names
STEMS = {
    "simpleseg": (("conv1.0", "conv1.1"), ("conv1.3", "conv1.4"), ("conv1.6", "bn1")),
    "csail": (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")),
}


def equal(network: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(network.parameters(), other.parameters(), strict=True))


def published_resnet(stem: str) -> dict[str, torch.Tensor]:
    """ResNet-18 on ImageNet: tensor names and shapes as published, written out here, values random."""
    first, state = (64 if stem == "torchvision" else 128), {}

    def conv(name, c_out, c_in, size):
        state[f"{name}.weight"] = torch.randn(c_out, c_in, size, size)

    def norm(name, channels):
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.{part}"] = torch.rand(channels)
        state[f"{name}.num_batches_tracked"] = torch.tensor(0)

    if stem == "torchvision":
        conv("conv1", 64, 3, 7)
        norm("bn1", 64)
    else:
        for (c_in, c_out), (conv_name, norm_name) in zip(((3, 64), (64, 64), (64, 128)), STEMS[stem], strict=True):
            conv(conv_name, c_out, c_in, 3)
            norm(norm_name, c_out)
    for layer, width in enumerate((64, 128, 256, 512), start=1):
        before = first if layer == 1 else width // 2
        for block, c_in in enumerate((before, width)):
            name = f"layer{layer}.{block}"
            conv(f"{name}.conv1", width, c_in, 3)
            norm(f"{name}.bn1", width)
            conv(f"{name}.conv2", width, width, 3)
            norm(f"{name}.bn2", width)
            if c_in != width:
                conv(f"{name}.downsample.0", width, c_in, 1)
                norm(f"{name}.downsample.1", width)
    state["fc.weight"], state["fc.bias"] = torch.randn(1000, 512), torch.randn(1000)
    return state


@pytest.fixture
def save(tmp_path):
    def write(content):
        torch.save(content, tmp_path / "weights.pth")
        return tmp_path / "weights.pth"

    return write


@pytest.mark.parametrize("stem", STEMS)
def test_a_deep_stem_file_fills_the_whole_backbone(save, stem):
    network, state = build("gain_r18", 11), published_resnet(stem)
    report = load_initial(network, save(state), CLASSES)
    assert not [name for name in report.missing if name.startswith("backbone.")]
    assert [name for name in report.matched if not name.startswith("backbone.")] == []
    assert report.unexpected == ("fc.weight", "fc.bias")
    stem_names = {"simpleseg": ("conv1.3", "bn1"), "csail": ("conv2", "bn3")}[stem]
    backbone = network.backbone
    assert torch.equal(backbone.stem[1].conv.weight, state[f"{stem_names[0]}.weight"])
    assert torch.equal(backbone.stem[2].bn.running_var, state[f"{stem_names[1]}.running_var"])
    assert torch.equal(backbone.stage4[0].shortcut.conv.weight, state["layer1.0.downsample.0.weight"])
    assert torch.equal(backbone.stage32[1].bn2.bias, state["layer4.1.bn2.bias"])
    assert "ResNet-18 with the deep stem" in str(report)
    assert "not used from the file: fc" in str(report)


def test_torchvision_fills_all_but_the_stem(save):
    network, state = build("gain_r18", 11), published_resnet("torchvision")
    before = network.backbone.stem[2].bn.weight.clone()
    report = load_initial(network, save({f"module.{name}": tensor for name, tensor in state.items()}), CLASSES)
    left = {name for name in report.missing if name.startswith("backbone.")}
    assert {name.split(".")[1] for name in left} == {"stem", "stage4"}
    assert {name for name in left if "stage4" in name} == {
        "backbone.stage4.0.conv1.weight",
        *(f"backbone.stage4.0.shortcut.{part}" for part in ("conv.weight", "bn.weight", "bn.bias")),
        *(f"backbone.stage4.0.shortcut.bn.running_{part}" for part in ("mean", "var")),
    }
    assert set(report.unexpected) > {"conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "fc.bias"}
    assert torch.equal(network.backbone.stage4[0].conv2.weight, state["layer1.0.conv2.weight"])
    assert torch.equal(network.backbone.stem[2].bn.weight, before)


def test_df2_under_its_published_names(save):
    trained, network = build("gain_df2", 11), build("gain_df2", 19)
    stages = {"stem": "stage1", "stage8": "stage2", "stage16": "stage3", "stage32": "stage4"}
    inner = {"0.conv": "0", "0.bn": "1", "1.conv": "3", "1.bn": "4"}
    state = {"fc.weight": torch.randn(1000, 512)}
    for name, tensor in trained.backbone.state_dict().items():
        stage, _, rest = name.partition(".")
        if stage == "stem":
            layer, part = rest.rsplit(".", 1)
            theirs = f"stage1.{inner[layer]}.{part}"
        else:
            half, rest = rest.split(".", 1)
            theirs = f"{stages[stage]}_{int(half) + 1}.{rest}"
        state[theirs.replace("shortcut.conv", "downsample.0").replace("shortcut.bn", "downsample.1")] = tensor
    report = load_initial(network, save({"state_dict": state}), CLASSES)
    assert report.kind == "DF-2"
    assert equal(network.backbone, trained.backbone)
    with pytest.raises(CheckpointError, match="a DF-2 that does not fit this network"):
        load_initial(build("gain_r18", 11), save(state), CLASSES)


@pytest.fixture(scope="module")
def nano():
    return build("gain_nano", 11, channels=16)


def test_a_model_folder_fills_all_but_auxiliary_heads(tmp_path, nano):
    stored = (name for name in nano.state_dict() if not name.startswith("aux") and is_weight(name))
    weights = {name: nano.state_dict()[name].half().numpy() for name in stored}
    picture = np.zeros((8, 8, 3), np.uint8)
    write_model_folder(
        tmp_path / "m", name="m", architecture="gain_nano", options={}, labels=CAMVID, input_size=(8, 8),
        mean=(0.5,) * 3, std=(0.5,) * 3, training={}, metrics={}, licence="none", weights=weights,
        golden=(picture, picture[..., 0]), graph=None,
    )  # fmt: skip
    network = build("gain_nano", 11, channels=16)
    report = load_initial(network, tmp_path / "m", CLASSES)
    assert {name.partition(".")[0] for name in report.missing} == {"aux16", "aux32"}
    assert report.unexpected == ()
    assert torch.allclose(network.classifier.weight, nano.classifier.weight, atol=1e-3)
    with pytest.raises(CheckpointError, match=r"does not fit.*in the network alone.*of another shape"):
        load_initial(build("gain_nano", 11, channels=32), tmp_path / "m", CLASSES)


def test_a_checkpoint_for_other_classes_leaves_the_classifiers(save, nano):
    state = {f"network.{name}": tensor for name, tensor in nano.state_dict().items()} | {"loss.weights": torch.ones(11)}
    network = build("gain_nano", 19, channels=16)
    report = load_initial(network, save({"state_dict": state}), CITYSCAPES.names)
    assert {name.rpartition(".")[0] for name in report.missing} == {
        "classifier", "aux16.classifier", "aux32.classifier"
    }  # fmt: skip
    assert torch.equal(network.aux16.conv.weight, nano.aux16.conv.weight)
    same = build("gain_nano", 11, channels=16)
    assert load_initial(same, save({"state_dict": state}), CLASSES).missing == ()
    assert equal(same, nano)


def test_rows_of_classifiers_come_from_classes_of_the_same_name(save, nano):
    state = {f"network.{name}": tensor for name, tensor in nano.state_dict().items()}
    content = {"state_dict": state, "hyper_parameters": {"labels": plain_classes(CAMVID)}}
    network = build("gain_nano", 3, channels=16)
    before = network.classifier.weight.clone()
    report = load_initial(network, save(content), ("Road", "vehicle", "sky"))
    assert (report.classes, report.new_classes, report.missing) == (("Road", "sky"), ("vehicle",), ())
    assert "classes known to the file: Road, sky; classes that begin anew: vehicle" in str(report)
    road, sky = CAMVID.names.index("road"), CAMVID.names.index("sky")
    for ours, theirs in ((network.classifier, nano.classifier), (network.aux32.classifier, nano.aux32.classifier)):
        assert torch.equal(ours.weight[[0, 2]], theirs.weight[[road, sky]])
        assert torch.equal(ours.bias[[0, 2]], theirs.bias[[road, sky]])
    assert torch.equal(network.classifier.weight[1], before[1])


def test_as_many_classes_of_other_names_are_other_classes(save, nano):
    state = {f"network.{name}": tensor for name, tensor in nano.state_dict().items()}
    content = {"state_dict": state, "hyper_parameters": {"labels": plain_classes(CAMVID)}}
    network, turned = build("gain_nano", 11, channels=16), tuple(reversed(CLASSES))
    load_initial(network, save(content), turned)
    assert torch.equal(network.classifier.weight, nano.classifier.weight.flip(0))


def test_a_shipped_model_is_found_by_its_name():
    network = build("gain_nano", 3)
    report = load_initial(network, "gain_nano_camvid", ("road", "vehicle", "other"))
    assert (report.kind, report.classes) == ("model folder", ("road",))
    with pytest.raises(ModelFolderError, match=r"a shipped model \(.*gain_nano_camvid"):
        load_initial(network, "gain_nano_nowhere", ("road", "vehicle", "other"))


def test_a_missing_tensor_is_an_error_that_names_it(save):
    state = published_resnet("simpleseg")
    del state["layer3.1.bn1.bias"]
    state["layer2.0.conv1.weight"] = torch.zeros(128, 64, 1, 1)
    with pytest.raises(CheckpointError, match=r"stage16\.1\.bn1\.bias.*layer2\.0\.conv1\.weight \(128, 64, 1, 1\)"):
        load_initial(build("gain_r18", 11), save(state), CLASSES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"seg_head.merge.0.weight": torch.zeros(1), "x": torch.zeros(1)}, "gain import-simpleseg"),
        ({"a.b": torch.zeros(1), "a.c": torch.zeros(1)}, "holds a; expected a model folder"),
        ({"epoch": 3}, "holds no tensors by name"),
        (nn.ReLU(), "holds code or is no checkpoint"),
    ],
)
def test_other_files_are_refused(save, content, message):
    with pytest.raises(CheckpointError, match=message):
        load_initial(build("gain_nano", 11), save(content), CLASSES)


def test_a_file_that_is_not_there_or_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="No such file"):
        load_initial(build("gain_nano", 11), tmp_path / "none.pth", CLASSES)
    (tmp_path / "plain.pkl").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_initial(build("gain_nano", 11), tmp_path / "plain.pkl", CLASSES)


def test_weights_of_timm_come_from_its_file(monkeypatch, tmp_path):
    install_timm(monkeypatch)
    network, theirs = (build("gain", 4, backbone="small", channels=32) for _ in range(2))
    save_file(theirs.backbone.features.state_dict(), tmp_path / "model.safetensors")
    report = load_initial(network, tmp_path / "model.safetensors", "abcd")
    assert equal(network.backbone, theirs.backbone)
    assert not equal(network.merge, theirs.merge)
    assert "timm's small" in str(report)
    assert "merge" in str(report)


def test_a_download_of_timm_that_fails_or_has_no_place_is_one_line(monkeypatch):
    install_timm(monkeypatch)
    network = build("gain", 4, backbone="small", channels=32)

    def no_network(state=None):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(network.backbone, "load_pretrained", no_network)
    with pytest.raises(CheckpointError, match=r"imagenet: no weights of timm's small \(Network is unreachable\)"):
        load_initial(network, "imagenet", "abcd")
    with pytest.raises(CheckpointError, match="imagenet: is for backbones of timm"):
        load_initial(build("gain_nano", 4), "imagenet", "abcd")
