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

"""gain import-onnx: its words, its errors, and what the other verbs make of what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from foreign_networks import CLASS_FILE, CLASSES, NETWORKS, SIZE, After, Foreign
from onnx import TensorProto, helper
from random_model_folder import picture

from gain_ros.cli import import_onnx, main
from gain_ros.model_folder import read_model_folder
from gain_ros.onnx.presets import PRESETS
from gain_ros.resize import resize_input
from gain_ros.score import agreement


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a class file, networks, and one of them imported, in M."""
    folder = tmp_path_factory.mktemp("import")
    (folder / "classes.yaml").write_text(CLASS_FILE, encoding="utf-8")
    for name in ("logits", "stride_4_any_size", "two_outputs", "uint8_nhwc"):
        NETWORKS[name].export(folder / f"{name}.onnx")
    assert main([*words(folder, "logits"), "--out", str(folder / "M")]) == 0
    return folder


def words(folder: Path, name: str) -> list[str]:
    return ["import-onnx", str(folder / f"{name}.onnx"), "--classes", str(folder / "classes.yaml")]


def last_json(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """The one line of a command that is refused."""
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_json_says_what_was_found(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "M"
    arguments = [*words(place, "stride_4_any_size"), "--size", "64x48", "--out", str(out), "--licence", "MIT", "--json"]
    assert main(arguments) == 0
    result = last_json(capsys)
    assert result["out"] == str(out)
    (source,), (output,) = result["inputs"], result["outputs"]
    assert source | {"name": "x", "dtype": "float", "size": [48, 64], "dynamic_batch": True} == source
    assert output | {"name": "out", "kind": "logits", "classes": CLASSES, "size": [12, 16]} == output
    folder = read_model_folder(out)
    assert (folder.name, folder.licence, folder.labels.names[1]) == ("M", "MIT", "class1")


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("logits", ["--size", "128x96"], "size is fixed, 64x48, and --size is 128x96"),
        ("logits", ["--output", "mask"], "--output 'mask' is none of the network's: out"),
        ("logits", ["--layout", "nhwc"], "is ?x3x48x64, not nhwc"),
        ("logits", ["--mean", "123,116,103"], "--mean 123.0 is above 1"),
        ("logits", ["--range", "255", "--std", "0.2,0.2,0.2"], "--std 0.2 is too small for --range 255"),
        ("logits", ["--preset", "mask2former"], "no output 'class_queries_logits' (it has out)"),
        ("stride_4_any_size", [], "give --size WxH"),
        ("two_outputs", [], "2 outputs fit the 5 classes: out (logits), aux (logits); choose one with --output NAME"),
        ("uint8_nhwc", ["--mean", "0.4,0.4,0.4"], "is uint8, so the network normalises itself"),
    ],
)
def test_wrong_use_is_one_line(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, more: list[str], said: str
) -> None:
    assert said in refused(capsys, [*words(place, name), *more, "--out", str(tmp_path / "out")])
    assert not list(tmp_path.iterdir())


def test_another_number_of_classes_names_both(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "three.yaml"
    file.write_text("classes: [{name: road}, {name: vehicle}, {name: other}]", encoding="utf-8")
    arguments = ["import-onnx", str(place / "logits.onnx"), "--classes", str(file), "--out", str(tmp_path / "out")]
    line = refused(capsys, arguments)
    assert "output 'out' is 1x5x48x64, so of 5 classes; expected the 3 classes of the class file" in line


def network(inputs: list[tuple[str, int, list[int]]], nodes: list[onnx.NodeProto], outputs: list[str]) -> bytes:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


RELU = helper.make_node("Relu", ["x"], ["y"])
FLOAT = TensorProto.FLOAT


def on_x(shape: list[int], *nodes: onnx.NodeProto, kind: int = FLOAT) -> bytes:
    """A network from ``x`` to ``y``; default: a ReLU."""
    return network([("x", kind, shape)], list(nodes) or [RELU], ["y"])


PICTURE = [1, 3, 8, 8]
MEAN = helper.make_node("ReduceMean", ["x"], ["y"], axes=[1, 2], keepdims=0)
UNKNOWN = helper.make_node("Own", ["x"], ["y"], domain="own")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no graph", "expected an ONNX"),
        (b"", "holds no graph"),
        (network([("x", FLOAT, PICTURE), ("z", FLOAT, [1])], [RELU], ["y"]), "has 2 inputs (x, z); expected one"),
        (on_x([1, 4, 8, 8]), "is 1x4x8x8, not RGB"),
        (on_x([3, 8, 8]), "is 3x8x8; expected Nx3xHxW or NxHxWx3"),
        (on_x([1, 3, 8, 3]), "give --layout nchw or nhwc"),
        (on_x(PICTURE, kind=TensorProto.INT64), "is int64; expected float or uint8"),
        (on_x(PICTURE), "is 1x3x8x8, so of 3 classes; expected the 5"),
        (on_x(PICTURE, MEAN), "expected NxCxhxw"),
        (on_x(PICTURE, UNKNOWN), "ONNX Runtime cannot run the network"),
    ],
    ids=lambda value: value if isinstance(value, str) else "network",
)
def test_networks_that_cannot_be_used(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    arguments = ["import-onnx", str(tmp_path / "net.onnx"), "--classes", str(place / "classes.yaml")]
    assert said in refused(capsys, [*arguments, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_ids_outside_the_classes_are_named(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ids.onnx"
    Foreign(After(lambda x: x.argmax(1) + 7)).export(file)
    arguments = ["import-onnx", str(file), "--classes", str(place / "classes.yaml"), "--out", str(tmp_path / "out")]
    line = refused(capsys, arguments)
    assert "gives id" in line
    assert "expected the 5 classes of the class file" in line


def test_presets_of_the_command_line_are_those_that_have_values() -> None:
    assert {*import_onnx.PRESETS} == PRESETS.keys()


def test_nothing_is_written_over(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    assert "exists already" in refused(capsys, [*words(place, "logits"), "--out", str(tmp_path / "mine")])


def test_a_network_that_sees_one_class_alone_is_doubted(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "one.onnx"
    Foreign(After(lambda x: torch.cat((x[:, :2], x[:, 2:3] + 1e4, x[:, 3:]), 1))).export(file)
    arguments = ["import-onnx", str(file), "--classes", str(place / "classes.yaml"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert "sees class2 alone on the picture of a street" in capsys.readouterr().err


@pytest.fixture(scope="module")
def scored(place: Path) -> Path:
    """Three pictures of the network's size, and as their truth what its own script gives."""
    for folder in ("val", "valannot"):
        (place / folder).mkdir()
    for seed in range(3):
        frame = picture(*SIZE, seed)
        ids = NETWORKS["logits"].ids(resize_input(frame, SIZE), SIZE)
        cv2.imwrite(str(place / "val" / f"{seed}.png"), frame[..., ::-1])
        cv2.imwrite(str(place / "valannot" / f"{seed}.png"), ids.astype(np.uint8))
    return place / "val"


def test_segment(place: Path, scored: Path, tmp_path: Path) -> None:
    assert main(["segment", str(scored), "--model", str(place / "M"), "--out", str(tmp_path / "masks")]) == 0
    for file in sorted((place / "valannot").iterdir()):
        mask, expected = (
            cv2.imread(str(each), cv2.IMREAD_UNCHANGED) for each in (tmp_path / "masks" / file.name, file)
        )
        assert agreement(mask, expected) >= 0.999


def test_compare_leaves_torch_out(place: Path, scored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(place / "M"), "--images", str(scored), "--json"]) == 0
    rows = last_json(capsys)["rows"]
    assert {row["engine"] for row in rows} == {"onnxruntime", "openvino"}
    assert all(row["agreement"] >= 0.999 for row in rows)
    assert main(["compare", str(place / "M"), "--images", str(scored), "--engines", "torch"]) == 2
    assert "imported graph" in capsys.readouterr().err


@pytest.mark.parametrize("size", [[], ["--size", "200x90"]])
def test_export_writes_the_step_from_frames_to_masks(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: list[str]
) -> None:
    assert main(["export", str(place / "M"), "--onnx", str(tmp_path / "g.onnx"), *size, "--json"]) == 0
    assert last_json(capsys)["parity"] >= 0.999


def test_export_refuses_to_make_its_logits_anew(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(place / "M"), "--onnx", str(tmp_path / "g.onnx"), "--form", "logits"]
    line = refused(capsys, words)
    assert "is an imported graph" in line
    assert str(place / "M" / "logits.onnx") in line


def test_the_background_is_255_in_masks_and_the_other_ids_stay(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "picture.png"), picture(*SIZE))
    assert main([*words(place, "logits"), "--out", str(tmp_path / "M"), "--background", "class1"]) == 0
    for model, out in ((place / "M", "plain"), (tmp_path / "M", "without")):
        source = [str(tmp_path / "picture.png"), "--model", str(model), "--engine", "onnxruntime"]
        assert main(["segment", *source, "--out", str(tmp_path / out)]) == 0
    plain, without = (cv2.imread(str(tmp_path / out / "picture.png"), -1) for out in ("plain", "without"))
    assert (plain == 1).any()
    assert np.array_equal(without, np.where(plain == 1, 255, plain))
    assert "no class of" in refused(
        capsys, [*words(place, "logits"), "--out", str(tmp_path / "N"), "--background", "void"]
    )
