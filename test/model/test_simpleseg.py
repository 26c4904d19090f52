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

"""Import of published checkpoints, made here from our own networks under the names that the published code uses."""

import dataclasses
import functools
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from networks import trained_like

from gain_ros.errors import CheckpointError
from gain_ros.model import load_model, simpleseg
from gain_ros.model.simpleseg import convert, network
from gain_ros.model_folder import read_model_folder

# Ours → the checkpoint's. Written out, so that the importer's table has something to be wrong against.
SHARED_NAMES = {
    "context.pooled.conv": "seg_head.ppm.conv1.0",
    "context.pooled.bn": "seg_head.ppm.conv1.1",
    "context.fuse.conv": "seg_head.ppm.conv2.0",
    "context.fuse.bn": "seg_head.ppm.conv2.1",
    "gai16.query": "seg_head.cross_layer_attentions.0.conv1",
    "gai16.value": "seg_head.cross_layer_attentions.0.conv2",
    "gai16.to_q": "seg_head.cross_layer_attentions.0.attention.query_conv",
    "gai16.to_k": "seg_head.cross_layer_attentions.0.attention.key_conv",
    "gai16.to_v": "seg_head.cross_layer_attentions.0.attention.value_conv",
    "gai16.gamma": "seg_head.cross_layer_attentions.0.attention.gamma",
    "gai16.out_conv": "seg_head.cross_layer_attentions.0.bottleneck.0",
    "gai16.out_bn": "seg_head.cross_layer_attentions.0.bottleneck.1",
    "gai32.query": "seg_head.cross_layer_attentions.1.conv1",
    "gai32.value": "seg_head.cross_layer_attentions.1.conv2",
    "gai32.to_q": "seg_head.cross_layer_attentions.1.attention.query_conv",
    "gai32.to_k": "seg_head.cross_layer_attentions.1.attention.key_conv",
    "gai32.to_v": "seg_head.cross_layer_attentions.1.attention.value_conv",
    "gai32.gamma": "seg_head.cross_layer_attentions.1.attention.gamma",
    "gai32.out_conv": "seg_head.cross_layer_attentions.1.bottleneck.0",
    "gai32.out_bn": "seg_head.cross_layer_attentions.1.bottleneck.1",
    "aux16.conv": "dsn.0.layers.0",
    "aux16.bn": "dsn.0.layers.1",
    "aux16.classifier": "dsn.0.layers.4",
    "aux32.conv": "dsn.1.layers.0",
    "aux32.bn": "dsn.1.layers.1",
    "aux32.classifier": "dsn.1.layers.4",
}
PPM_NAMES = {
    "context.branches.0.conv": "seg_head.ppm.stages.0.1",
    "context.branches.0.bn": "seg_head.ppm.stages.0.2",
    "context.branches.1.conv": "seg_head.ppm.stages.1.1",
    "context.branches.1.bn": "seg_head.ppm.stages.1.2",
    "context.branches.2.conv": "seg_head.ppm.stages.2.1",
    "context.branches.2.bn": "seg_head.ppm.stages.2.2",
    "context.branches.3.conv": "seg_head.ppm.stages.3.1",
    "context.branches.3.bn": "seg_head.ppm.stages.3.2",
    "context.fuse.conv": "seg_head.ppm.bottleneck.0",
    "context.fuse.bn": "seg_head.ppm.bottleneck.1",
}
R18_NAMES = {
    "backbone.stem.0.conv": "backbone.conv1.0",
    "backbone.stem.0.bn": "backbone.conv1.1",
    "backbone.stem.1.conv": "backbone.conv1.3",
    "backbone.stem.1.bn": "backbone.conv1.4",
    "backbone.stem.2.conv": "backbone.conv1.6",
    "backbone.stem.2.bn": "backbone.bn1",
    "backbone.stage4": "backbone.layer1",
    "backbone.stage8": "backbone.layer2",
    "backbone.stage16": "backbone.layer3",
    "backbone.stage32": "backbone.layer4",
    "lateral.4.conv": "seg_head.fpn_in.0.0",
    "lateral.4.bn": "seg_head.fpn_in.0.1",
    "lateral.8.conv": "seg_head.fpn_in.1.0",
    "lateral.8.bn": "seg_head.fpn_in.1.1",
    "lateral.16.conv": "seg_head.fpn_in.2.0",
    "lateral.16.bn": "seg_head.fpn_in.2.1",
    "lateral.32.conv": "seg_head.fpn_in.3.0",
    "lateral.32.bn": "seg_head.fpn_in.3.1",
    "merge.0.conv": "seg_head.merge.0",
    "merge.0.bn": "seg_head.merge.1",
    "merge.1.conv": "seg_head.merge.3",
    "merge.1.bn": "seg_head.merge.4",
    "refine.conv": "seg_head.output.0",
    "refine.bn": "seg_head.output.1",
    "classifier": "seg_head.output.4",
}
DF2_NAMES = {
    "backbone.stem.0.conv": "backbone.stage1.0",
    "backbone.stem.0.bn": "backbone.stage1.1",
    "backbone.stem.1.conv": "backbone.stage1.3",
    "backbone.stem.1.bn": "backbone.stage1.4",
    "backbone.stage8.0": "backbone.stage2_1",
    "backbone.stage8.1": "backbone.stage2_2",
    "backbone.stage16.0": "backbone.stage3_1",
    "backbone.stage16.1": "backbone.stage3_2",
    "backbone.stage32.0": "backbone.stage4_1",
    "backbone.stage32.1": "backbone.stage4_2",
    "lateral.8.conv": "seg_head.fpn_in.0.0",
    "lateral.8.bn": "seg_head.fpn_in.0.1",
    "lateral.16.conv": "seg_head.fpn_in.1.0",
    "lateral.16.bn": "seg_head.fpn_in.1.1",
    "lateral.32.conv": "seg_head.fpn_in.2.0",
    "lateral.32.bn": "seg_head.fpn_in.2.1",
    "merge.0.conv": "seg_head.output.0",
    "merge.0.bn": "seg_head.output.1",
    "merge.1.conv": "seg_head.output.3",
    "merge.1.bn": "seg_head.output.4",
    "classifier": "seg_head.output.7",
}


@functools.lru_cache(maxsize=3)
def trained(arch: str, classes: int, **options) -> torch.nn.Module:
    return trained_like(f"gain_{arch}", classes, **options)


def published_state(arch: str, classes: int = 11, **options) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """One of our networks, and its tensors as the published code would save them."""
    model = trained(arch, classes, **options)
    names = {**SHARED_NAMES, **(R18_NAMES if arch == "r18" else DF2_NAMES)}
    if options.get("context") == "ppm":
        names |= PPM_NAMES
    state = {}
    for name, tensor in model.state_dict().items():
        ours = next(prefix for prefix in names if name == prefix or name.startswith(prefix + "."))
        inner = name.removeprefix(ours).replace("shortcut.conv", "downsample.0").replace("shortcut.bn", "downsample.1")
        state[names[ours] + inner] = tensor
    return model, state


@pytest.fixture
def small_pictures(monkeypatch):
    """The golden pair at a fraction of the published size, which decides nothing else here."""
    for name, published in simpleseg.DATASETS.items():
        monkeypatch.setitem(simpleseg.DATASETS, name, dataclasses.replace(published, input_size=(72, 96)))


def save(folder: Path, state: dict, **more) -> Path:
    torch.save({"model": state, **more}, folder / "checkpoint.pth")
    return folder / "checkpoint.pth"


@pytest.mark.parametrize(
    ("arch", "options", "dilation"),
    [
        ("r18", {"context": "gap", "fuse_3x3": True, "dilation": 2}, 2),
        ("r18", {"context": "", "fuse_3x3": False, "dilation": 1}, 1),
        ("r18", {"context": "ppm", "fuse_3x3": False, "dilation": 2}, 2),
        ("df2", {"context": "gap"}, 1),
        ("df2", {"context": ""}, 1),
        ("df2", {"context": "ppm"}, 1),
    ],
)
def test_every_published_form_is_read_off_the_tensors(arch, options, dilation):
    original, state = published_state(arch, **options)
    model, found = network(state, arch, dilation)
    assert found == options
    assert not model.training
    picture = torch.randn(1, 3, 97, 131)
    assert torch.equal(model(picture), original(picture))
    for name, tensor in original.state_dict().items():  # auxiliary heads too, which logits do not show
        assert name.endswith("num_batches_tracked") or torch.equal(model.state_dict()[name], tensor), name


def test_model_folder(tmp_path, small_pictures):
    original, state = published_state("r18", 19)
    checkpoint = save(tmp_path, state, iteration=76000, optimizer={"state": {}}, extra={"mIoU": 0.788, "iu": [0.9]})
    report = convert(checkpoint, "r18", "cityscapes", None, tmp_path / "model")
    assert report.parameters == 11_955_317
    assert report.options == {"context": "gap", "fuse_3x3": True, "dilation": 2}
    opened = read_model_folder(tmp_path / "model")
    assert (opened.architecture, opened.name, len(opened.labels)) == ("gain_r18", "model", 19)
    assert opened.training["iteration"] == 76000
    assert opened.training["stored_miou"] == 0.788
    assert opened.metrics == {}
    model = load_model(tmp_path / "model")
    picture = torch.randn(2, 3, 65, 33)
    assert torch.equal(model(picture), original(picture))
    rgb, labels = opened.golden()
    assert labels.shape == opened.input_size
    normalised = (torch.from_numpy(rgb) / 255 - torch.tensor(opened.mean)) / torch.tensor(opened.std)
    assert torch.equal(model(normalised.permute(2, 0, 1)[None])[0].argmax(0).byte(), torch.from_numpy(labels))
    assert len(labels[labels != labels[0, 0]])  # more than one class, or the pair would test little


@pytest.mark.parametrize(
    ("dataset", "classes", "given", "expected"),
    [("cityscapes", 19, None, 2), ("camvid", 11, None, 1), ("camvid", 11, 2, 2)],
)
def test_dilation_comes_from_the_data_set_unless_given(tmp_path, small_pictures, dataset, classes, given, expected):
    _, state = published_state("r18", classes)
    report = convert(save(tmp_path, state), "r18", dataset, given, tmp_path / "model")
    assert report.options["dilation"] == expected
    assert load_model(tmp_path / "model").backbone.stage32[1].conv2.dilation == (expected, expected)


def test_names_of_a_network_trained_on_several_gpus(tmp_path, small_pictures):
    original, state = published_state("df2")
    state = {f"module.{name}": tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    report = convert(save(tmp_path, state), "df2", "camvid", None, tmp_path / "model")
    assert report.options == {"context": "gap"}
    picture = torch.randn(1, 3, 40, 56)
    assert torch.equal(load_model(tmp_path / "model")(picture), original(picture))


def test_every_unmatched_tensor_is_listed(tmp_path):
    _, state = published_state("df2")
    del state["seg_head.cross_layer_attentions.1.attention.gamma"]
    del state["backbone.stage3_1.4.bn2.running_var"]
    state["seg_head.gaps.0.conv1.0.weight"] = torch.zeros(1)
    state["backbone.fc.weight"] = torch.zeros(1)
    state["seg_head.cross_layer_attentions.0.conv1.weight"] = torch.zeros(64, 128, 1, 1)  # the query of another variant
    with pytest.raises(CheckpointError) as error:
        convert(save(tmp_path, state), "df2", "camvid", None, tmp_path / "model")
    text = str(error.value)
    assert "in the checkpoint alone: seg_head.gaps.0.conv1.0.weight, backbone.fc.weight" in text
    assert "in the network alone: backbone.stage16.0.4.bn2.running_var, gai32.gamma" in text
    assert "seg_head.cross_layer_attentions.0.conv1.weight (64, 128, 1, 1) (expected (64, 256, 1, 1))" in text
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(("given", "held"), [("r18", "df2"), ("df2", "r18")])
def test_the_other_architecture_is_named(given, held):
    _, state = published_state(held)
    with pytest.raises(CheckpointError, match=f"holds a {held} network.*give --arch {held}"):
        network(state, given, 1)


def test_class_count_of_another_data_set(tmp_path):
    _, state = published_state("r18", 19)
    with pytest.raises(CheckpointError, match="has 19 classes, expected the 11 of camvid"):
        convert(save(tmp_path, state), "r18", "camvid", None, tmp_path / "model")


@pytest.mark.parametrize(
    ("arch", "dataset", "dilation", "text"),
    [
        ("r50", "camvid", None, "arch is 'r50'; expected one of r18, df2"),
        ("r18", "ade20k", None, "dataset is 'ade20k'; expected one of cityscapes, camvid"),
        ("df2", "camvid", 2, "dilation is 2 for df2"),
        ("r18", "camvid", 0, "dilation is 0 for r18"),
    ],
)
def test_wrong_arguments(tmp_path, arch, dataset, dilation, text):
    with pytest.raises(ValueError, match=text):
        convert(tmp_path / "unread.pth", arch, dataset, dilation, tmp_path / "model")


class Intruder:
    """Leaves a mark when unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


def test_code_in_a_checkpoint_does_not_run(tmp_path):
    mark = tmp_path / "ran"
    torch.save({"model": {"weight": torch.zeros(1)}, "extra": Intruder(mark)}, tmp_path / "zip.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"model": Intruder(mark)}, protocol=2))
    for name in ("zip.pth", "plain.pth"):
        with pytest.raises(CheckpointError, match="holds code or is no checkpoint"):
            convert(tmp_path / name, "r18", "camvid", None, tmp_path / "model")
    assert not mark.exists()
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "holds code or is no checkpoint"),
        (b"not a checkpoint at all", "holds code or is no checkpoint"),
        (b"e", "holds code or is no checkpoint"),  # a pickle that ends a list it never began
        (b"PK\x03\x04 and no archive", "holds code or is no checkpoint"),
        ([torch.zeros(1)], "holds list"),
        ({"state_dict": {}}, r"holds the keys \['state_dict'\]"),
        ({"model": {}}, r"holds the keys \['model'\]"),
        ({"model": {"weight": 3}}, r"holds the keys \['model'\]"),
        ({"model": {0: torch.zeros(1)}}, r"holds the keys \['model'\]"),
        ({"model": {"w": torch.zeros(2).to_sparse()}}, r"holds the keys \['model'\]"),
        ({"model": {"seg_head.output.4.weight": torch.tensor(1.0)}}, "has 0 classes; expected 1 to 255"),
        ({"model": {"seg_head.output.4.weight": torch.zeros(1).expand(10**12)}}, "has 1000000000000 classes"),
        ({"model": {"head.weight": torch.zeros(1)}}, "has no seg_head.output.4.weight"),
    ],
)
def test_other_files_are_refused(tmp_path, content, text):
    path = tmp_path / "other.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match=text):
        convert(path, "r18", "camvid", None, tmp_path / "model")


def test_a_checkpoint_is_no_larger_than_its_file(tmp_path, monkeypatch):
    """A data.pkl of a few kilobytes, deflated, becomes gigabytes."""
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(1 << 22))
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(CheckpointError, match=r"unpacks to 4194304 bytes \(1 entries are compressed\)"):
        convert(path, "r18", "camvid", None, tmp_path / "model")


def test_entries_that_share_bytes_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "shared.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("shared/data.pkl", bytes(1 << 16))
        archive.filelist *= 50
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(CheckpointError, match="unpacks to 3276800 bytes"):
        convert(path, "r18", "camvid", None, tmp_path / "model")


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read"):
        convert(tmp_path / "nowhere.pth", "r18", "camvid", None, tmp_path / "model")
