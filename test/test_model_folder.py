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

"""The model folder: what is written comes back, and whatever is wrong with it is said in one line."""

from __future__ import annotations

import copy
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from schemas import errors

from gain_ros import model_folder as model_folder_module
from gain_ros.errors import ModelFolderError
from gain_ros.files import sha256
from gain_ros.labels import LabelSet
from gain_ros.model_folder import find_model, read_model_folder, write_model_folder
from gain_ros.pictures import encode

LABELS = LabelSet("toy", ("road", "sky", "car"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
CONTENT = {
    "name": "toy_net",
    "architecture": "gain_nano",
    "options": {"width": 32},
    "labels": LABELS,
    "input_size": (6, 8),
    "mean": (0.4, 0.5, 0.6),
    "std": (0.2, 0.25, 0.3),
    "training": {"data": "drawn", "split": "all", "epochs": 3},
    "metrics": {"val_miou": 0.625},
    "licence": "CC0",
}


def graph() -> onnx.ModelProto:
    node = helper.make_node("Add", ["x", "w"], ["y"])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1024]) for name in ("x", "y"))
    weight = numpy_helper.from_array(np.ones(1024, np.float32), "w")
    return helper.make_model(helper.make_graph([node], "g", [x], [y], [weight]))


GRAPH = graph().SerializeToString()


def golden() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (12, 16), dtype=np.uint8)
    labels[0, 0] = 255
    return rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), labels


def weights() -> dict[str, np.ndarray]:
    return {"stem.weight": np.arange(6, dtype=np.float16).reshape(2, 3), "count": np.array(7, np.int64)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    file = tmp_path / "graph.onnx"
    file.write_bytes(GRAPH)
    path = tmp_path / "models" / "toy_net"
    write_model_folder(path, **CONTENT, weights=weights(), golden=golden(), graph=file)
    return path


def edit(folder: Path, **changes: object) -> None:
    file = folder / "model.yaml"
    document = yaml.safe_load(file.read_text())
    document.update(changes)
    file.write_text(yaml.safe_dump({key: value for key, value in document.items() if value is not None}))


def rehash(folder: Path) -> dict[str, str]:
    names = yaml.safe_load((folder / "model.yaml").read_text())["sha256"]
    return {name: sha256(folder / name) for name in names}


def test_what_is_written_comes_back(folder: Path) -> None:
    opened = read_model_folder(folder)
    assert errors("model", yaml.safe_load((folder / "model.yaml").read_text())) == []
    assert {key: getattr(opened, key) for key in CONTENT} == CONTENT
    assert opened.path == folder
    assert opened.ignore_id == 255
    assert set(opened.sha256) == {"weights.safetensors", "golden.png", "golden_labels.png", "logits.onnx"}
    stored = opened.weights()
    assert stored.keys() == weights().keys()
    for key, value in weights().items():
        np.testing.assert_array_equal(stored[key], value)
        assert stored[key].dtype == value.dtype
    for found, expected in zip(opened.golden(), golden(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_remap_and_least_confidence_come_back_and_say_what_masks_hold(tmp_path: Path) -> None:
    rules = {"remap": {"road": 1, "others": 0}, "min_confidence": {"car": 0.5}}
    pictures = {"weights": weights(), "golden": golden(), "graph": None}
    opened = write_model_folder(tmp_path / "toy_net", **CONTENT, **pictures, **rules)
    assert errors("model", yaml.safe_load((opened.path / "model.yaml").read_text())) == []
    assert (opened.remap, opened.min_confidence) == (rules["remap"], rules["min_confidence"])
    labels, confidence = np.uint8([[0, 1, 2, 2]]), np.uint8([[9, 9, 9, 200]])
    assert opened.class_output().apply(labels, confidence).tolist() == [[1, 0, 255, 0]]
    assert opened.class_output(min_confidence=0.0).apply(labels).tolist() == [[1, 0, 0, 0]]
    assert opened.class_output({}, 0.0).as_network


@pytest.mark.parametrize(
    "changes",
    [
        {"remap": {"raod": 1}},
        {"remap": []},
        {"min_confidence": 2},
        {"min_confidence": False},
        {"min_confidence": {"road": "x"}},
    ],
)
def test_a_remap_that_does_not_fit_the_classes_is_refused(folder: Path, changes: dict[str, object]) -> None:
    edit(folder, **changes)
    with pytest.raises(
        ModelFolderError, match=rf"model\.yaml: found {next(iter(changes))}.* expected .*; (correct it|restore)"
    ):
        read_model_folder(folder)


def test_the_graph_is_the_one_that_was_given(folder: Path) -> None:
    assert read_model_folder(folder).graph() == GRAPH


def test_the_second_graph_of_earlier_versions_is_checked_and_not_read(folder: Path) -> None:
    hashes = read_model_folder(folder).sha256
    (folder / "model.onnx").write_bytes(GRAPH)
    edit(folder, sha256={**hashes, "model.onnx": hashes["logits.onnx"]})
    assert read_model_folder(folder).graph() == GRAPH
    (folder / "model.onnx").write_bytes(b"changed")
    with pytest.raises(ModelFolderError, match=r"model\.onnx: found sha256"):
        read_model_folder(folder)


def test_a_graph_with_tensors_in_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "split.onnx"
    onnx.save(graph(), file, save_as_external_data=True, location="w.bin", size_threshold=0)
    target = tmp_path / "split"
    with pytest.raises(ModelFolderError, match=r"logits\.onnx: found tensors in another file"):
        write_model_folder(target, **CONTENT, weights=weights(), golden=golden(), graph=file)
    assert not target.exists()


def test_only_the_folder_itself_is_left_behind(folder: Path) -> None:
    assert [path.name for path in folder.parent.iterdir()] == ["toy_net"]


def test_digest_follows_the_content_and_not_the_place(folder: Path, tmp_path: Path) -> None:
    first = read_model_folder(folder).digest
    moved = folder.rename(tmp_path / "elsewhere")
    assert read_model_folder(moved).digest == first
    other = {**weights(), "count": np.array(8, np.int64)}
    changed = write_model_folder(tmp_path / "changed", **CONTENT, weights=other, golden=golden(), graph=None)
    assert changed.digest != first


def test_writing_replaces_a_model_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    replaced = write_model_folder(folder, **CONTENT, weights={"a": np.zeros(1)}, golden=golden(), graph=None)
    assert list(replaced.weights()) == ["a"]
    assert replaced.graph() is None
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"meow")
    with pytest.raises(ModelFolderError, match="choose another place"):
        write_model_folder(tmp_path / "photos", **CONTENT, weights=weights(), golden=golden(), graph=None)
    assert (tmp_path / "photos" / "cat.png").read_bytes() == b"meow"


@pytest.mark.parametrize(
    "wrong",
    [
        {"metrics": {"val_miou": np.float64(0.6)}},
        {"std": (0.2, 0.0, 0.3)},
        {"golden": (golden()[0], golden()[1][:, :4])},
        {"golden": (golden()[0], np.full((12, 16), 3, np.uint8))},
        {"golden": (golden()[0].astype(np.float32), golden()[1])},
        {"graph": Path("nowhere.onnx")},
    ],
)
def test_a_failed_write_leaves_the_old_model(folder: Path, wrong: dict) -> None:
    before = read_model_folder(folder).digest
    arguments = {**CONTENT, "weights": weights(), "golden": golden(), "graph": None, **wrong}
    with pytest.raises(ModelFolderError):
        write_model_folder(folder, **arguments)
    assert read_model_folder(folder).digest == before
    assert [path.name for path in folder.parent.iterdir()] == ["toy_net"]


@pytest.mark.parametrize("name", ["weights.safetensors", "golden.png", "golden_labels.png", "logits.onnx"])
def test_a_changed_file_is_named(folder: Path, name: str) -> None:
    file = folder / name
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ModelFolderError, match=rf"{name}: found sha256 .* expected"):
        read_model_folder(folder)


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("weights.safetensors", lambda opened: opened.weights()),
        ("golden.png", lambda opened: opened.golden()),
        ("logits.onnx", lambda opened: opened.graph()),
    ],
)
def test_a_file_that_changes_after_the_check_is_not_loaded(folder: Path, name: str, load: Callable) -> None:
    opened = read_model_folder(folder)
    load(opened)
    content = bytearray((folder / name).read_bytes())
    content[-5] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelFolderError, match=rf"{name}: found sha256"):
        load(opened)


@pytest.mark.parametrize(
    "name", ["model.yaml", "weights.safetensors", "golden.png", "golden_labels.png", "logits.onnx"]
)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelFolderError, match=rf"{name}: found nothing"):
        read_model_folder(folder)


BOMB = "a0: &a0 [lol]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))


@pytest.mark.parametrize(
    "text",
    [
        "name: [unclosed",
        "- a\n- list",
        "",
        "!!python/object/apply:os.getcwd []",
        "\udcff",
        BOMB + "classes: *a8",
        "format: " + "9" * 5000,
        "options: {width: 0x" + "f" * 5000 + "}",
        "name: 2001-13-45",
        "training: {since: 2026-01-01}",
        "metrics: !!set {a, b}",
        "metrics: !!binary AAAA",
        "format: !!int abc",
        "format: !!bool abc",
        "format: !!timestamp abc",
        "options: " + "[" * 5_000,
        "options: " + "{a: " * 5_000 + "}" * 5_000,
        "name: " + "long " * 100_000,
    ],
    ids=lambda text: text[:20],
)
def test_broken_yaml(folder: Path, text: str) -> None:
    (folder / "model.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelFolderError, match="expected a YAML mapping") as caught:
        read_model_folder(folder)
    assert len(str(caught.value)) < 600


def test_a_value_is_shown_in_part(folder: Path) -> None:
    edit(folder, classes=["x" * 1000] * 100)
    with pytest.raises(ModelFolderError, match=r"classes: \['xxx.*\.\.\.") as caught:
        read_model_folder(folder)
    assert len(str(caught.value)) < 600


def test_values_that_share_an_object_are_written_out(folder: Path) -> None:
    shared = {"a": [1, 2]}
    content = {**CONTENT, "training": {"first": shared, "second": shared}}
    written = write_model_folder(folder, **content, weights=weights(), golden=golden(), graph=None)
    assert written.training == content["training"]


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    (folder / "golden.png").unlink()
    os.mkfifo(folder / "golden.png")
    with pytest.raises(ModelFolderError, match=r"golden\.png: found a file that cannot be read \(is no regular file\)"):
        read_model_folder(folder)


ROAD = {"name": "road", "color": [1, 2, 3]}
NOT_FINITE = [0.1, 0.2, float("nan")]
BEYOND_THE_SCHEMA = [
    ("name", "\x1b[2J"),
    ("classes", [ROAD, copy.deepcopy(ROAD)]),
    ("input_size", [6.0, 8.0]),
    ("input_size", [16_384, 16_384]),
    ("mean", NOT_FINITE),
]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("name", ["toy"]),
        ("name", ""),
        ("name", "\x1b[2J"),
        ("input_size", [100_000, 100]),
        ("input_size", [16_384, 16_384]),
        ("mean", [10**18, 0.5, 0.5]),
        ("mean", [1e300, 0.5, 0.5]),
        ("std", [1e-300, 0.5, 0.5]),
        ("architecture", 18),
        ("options", [1]),
        ("options", {3: 4}),
        ("label_set", 5),
        ("classes", []),
        ("classes", "road"),
        ("classes", [{"name": "road"}]),
        ("classes", [{"name": "road", "color": [1, 2]}]),
        ("classes", [{"name": "road", "color": [1, 2, 256]}]),
        ("classes", [ROAD, copy.deepcopy(ROAD)]),
        ("classes", [{"name": f"c{index}", "color": [1, 2, 3]} for index in range(256)]),
        ("ignore_id", 11),
        ("ignore_id", True),
        ("input_size", [6]),
        ("input_size", [6, 0]),
        ("input_size", [6.0, 8.0]),
        ("input_size", [6, True]),
        ("mean", [0.1, 0.2]),
        ("mean", NOT_FINITE),
        ("mean", ["0.1", "0.2", "0.3"]),
        ("std", [0.1, 0.2, -0.3]),
        ("training", "one night"),
        ("metrics", None),
        ("licence", 0),
        ("sha256", {"weights.safetensors": 12}),
        ("sha256", {"weights.safetensors": "12"}),
        ("sha256", []),
    ],
)
def test_wrong_types_name_the_key(folder: Path, key: str, value: object) -> None:
    edit(folder, **{key: value})
    assert errors("model", yaml.safe_load((folder / "model.yaml").read_text())) or (key, value) in BEYOND_THE_SCHEMA
    with pytest.raises(ModelFolderError, match=rf"model\.yaml: found .*'?{key}'?.* expected"):
        read_model_folder(folder)


@pytest.mark.parametrize("name", ["../weights.safetensors", "/etc/hostname", "sub/model.onnx", "notes.txt"])
def test_files_outside_the_known_set_are_refused(folder: Path, name: str) -> None:
    edit(folder, sha256={**read_model_folder(folder).sha256, name: "0" * 64})
    with pytest.raises(ModelFolderError, match="remove the entry"):
        read_model_folder(folder)


def test_a_file_without_hash_is_refused(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"not listed")
    with pytest.raises(ModelFolderError, match=r"model\.onnx: found no sha256"):
        read_model_folder(folder)


def test_a_required_hash_may_not_be_left_out(folder: Path) -> None:
    hashes = {name: value for name, value in read_model_folder(folder).sha256.items() if name != "golden.png"}
    (folder / "golden.png").unlink()
    edit(folder, sha256=hashes)
    with pytest.raises(ModelFolderError, match=r"no sha256 for golden\.png"):
        read_model_folder(folder)


@pytest.mark.parametrize("name", ["weights.pt", "model.PTH", "last.ckpt", "w.pkl"])
def test_pickle_files_are_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    with pytest.raises(ModelFolderError, match="can run code"):
        read_model_folder(folder)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_are_refused_by_content(folder: Path, protocol: int) -> None:
    file = folder / "weights.safetensors"
    file.write_bytes(pickle.dumps({"a": 1}, protocol=protocol))
    edit(folder, sha256=rehash(folder))
    with pytest.raises(ModelFolderError, match="a pickle inside"):
        read_model_folder(folder)


def test_weights_that_are_no_safetensors(folder: Path) -> None:
    (folder / "weights.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{not json at all")
    edit(folder, sha256=rehash(folder))
    with pytest.raises(ModelFolderError, match="no readable tensors"):
        read_model_folder(folder).weights()


def png_header(width: int, height: int) -> bytes:
    whole = encode(np.zeros((1, 1), np.uint8))
    return whole[:16] + struct.pack(">II", width, height) + whole[24:]


@pytest.mark.parametrize("content", [b"", png_header(16_384, 4_096), png_header(60_000, 10)])
def test_golden_that_is_no_picture(folder: Path, content: bytes) -> None:
    (folder / "golden.png").write_bytes(content)
    edit(folder, sha256=rehash(folder))
    with pytest.raises(ModelFolderError, match=r"golden\.png: found no picture"):
        read_model_folder(folder).golden()


def test_find_model_by_path_and_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_folder_module, "homes", lambda kind: [folder.parent])
    assert find_model(folder) == folder
    assert find_model(str(folder)) == folder
    assert find_model("toy_net") == folder
    with pytest.raises(ModelFolderError, match=r"a shipped model \(toy_net\)"):
        find_model("other_net")
    with pytest.raises(ModelFolderError, match=r"no model\.yaml"):
        find_model(folder.parent)
    with pytest.raises(ModelFolderError):
        find_model("../models/absent")


def test_an_imported_graph_has_no_weights(tmp_path: Path) -> None:
    file = tmp_path / "graph.onnx"
    file.write_bytes(GRAPH)
    content = {**CONTENT, "architecture": "onnx", "weights": None, "golden": golden()}
    opened = write_model_folder(tmp_path / "graph", **content, graph=file)
    assert opened.imported
    assert errors("model", yaml.safe_load((tmp_path / "graph" / "model.yaml").read_text())) == []
    with pytest.raises(ModelFolderError, match=r"an imported graph, expected a model with weights\.safetensors"):
        opened.weights()


@pytest.mark.parametrize(("architecture", "missing"), [("onnx", "logits.onnx"), ("gain_nano", "weights.safetensors")])
def test_what_the_network_is_in_has_to_be_there(folder: Path, architecture: str, missing: str) -> None:
    sums = {name: digest for name, digest in rehash(folder).items() if name != missing}
    (folder / missing).unlink()
    edit(folder, architecture=architecture, sha256=sums)
    assert any(missing in error for error in errors("model", yaml.safe_load((folder / "model.yaml").read_text())))
    with pytest.raises(ModelFolderError, match=f"no sha256 for {missing}"):
        read_model_folder(folder)
