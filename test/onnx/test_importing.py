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

"""Networks of others as model folders: masks equal those of the networks' own scripts, in every engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from foreign_networks import CLASS_FILE, CLASSES, NETWORKS, SIZE, Foreign
from onnx import TensorProto, helper, numpy_helper
from random_model_folder import picture
from schemas import errors

from gain_ros.class_file import read_class_file
from gain_ros.cli import main
from gain_ros.errors import EngineUnavailable, NetworkError
from gain_ros.graph_check import beyond_plain_graph
from gain_ros.model_folder import read_model_folder
from gain_ros.onnx.export import labels_graph
from gain_ros.onnx.foreign import read_network
from gain_ros.onnx.importing import Options, import_onnx
from gain_ros.onnx.precision import typed_onnx
from gain_ros.onnx.yuv_input import with_yuv_input
from gain_ros.resize import labels_from_logits, resize_input
from gain_ros.runtime.opening import open_segmenter
from gain_ros.score import MIN_AGREEMENT, agreement

OTHER_SIZE = (90, 121)
Importer = Callable[[str], Path]


@pytest.fixture(scope="module")
def class_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("classes") / "classes.yaml"
    file.write_text(CLASS_FILE, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory, class_file: Path) -> Importer:
    """Model folders of NETWORKS by name, each imported once."""
    folder, done = tmp_path_factory.mktemp("imported"), {}

    def give(name: str) -> Path:
        if name not in done:
            network, out = NETWORKS[name], folder / name
            file = network.export(folder / f"{name}.onnx")
            assert (
                main(["import-onnx", str(file), "--classes", str(class_file), "--out", str(out), *network.words]) == 0
            )
            done[name] = out
        return done[name]

    return give


def sizes(network: Foreign) -> list[tuple[int, int]]:
    """Sizes of frames for which the network's script is defined."""
    return [SIZE, OTHER_SIZE] if network.any_size else [SIZE]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", NETWORKS)
def test_masks_are_those_of_the_networks_own_script(imported: Importer, name: str, engine: str) -> None:
    network = NETWORKS[name]
    with open_segmenter(imported(name), engine=engine, threads=1) as segmenter:
        for size in sizes(network):
            frames = [picture(*size, seed) for seed in range(2)]
            masks = [mask.labels for mask in segmenter.segment(frames)]
            expected = [network.ids(resize_input(frame, SIZE), size) for frame in frames]
            assert len(np.unique(expected)) >= 3, "a network that sees one class alone tests nothing"
            assert agreement(np.stack(masks), np.stack(expected)) >= MIN_AGREEMENT


@pytest.mark.parametrize("name", NETWORKS)
def test_the_labels_graph_gives_the_masks_of_the_segmenter(imported: Importer, name: str) -> None:
    folder = read_model_folder(imported(name))
    session = onnxruntime.InferenceSession(labels_graph(folder).SerializeToString())
    with open_segmenter(folder.path, engine="onnxruntime", threads=1) as segmenter:
        for size in (*sizes(NETWORKS[name]), (30, 200)):
            frame = picture(*size, 5)
            labels, confidence = session.run(["labels", "confidence"], {"frames": frame[None]})
            mask = segmenter.segment([frame])[0]
            assert agreement(labels[0], mask.labels) >= MIN_AGREEMENT
            assert mask.confidence is not None
            near = np.abs(confidence[0].astype(int) - mask.confidence) <= 1
            assert near.mean() >= 0.99, "a level that lies on a half may be rounded either way"


@pytest.mark.parametrize("fit", ["letterbox", "area"])
def test_typed_graphs_of_an_imported_network_are_fitted(imported: Importer, fit: str) -> None:
    folder = dataclasses.replace(read_model_folder(imported("stride_4_any_size")), fit=fit)
    frame = picture(90, 200, 5)
    (labels, confidence) = onnxruntime.InferenceSession(
        typed_onnx(folder, "labels", "fp32", size=(90, 200)).SerializeToString()
    ).run(["labels", "confidence"], {"frames": frame[None]})
    with open_segmenter(folder.path, engine="onnxruntime", threads=1, fit=fit) as segmenter:
        mask = segmenter.segment([frame])[0]
    assert agreement(labels[0], mask.labels) >= MIN_AGREEMENT
    assert (np.abs(confidence[0].astype(int) - mask.confidence) <= 2).mean() >= 0.99


def test_a_network_of_one_size_refuses_area_in_words(imported: Importer) -> None:
    folder = dataclasses.replace(read_model_folder(imported("bgr_levels")), fit="area")
    with pytest.raises(EngineUnavailable, match=r"fit 'area' .*; take fit letterbox or crop"):
        typed_onnx(folder, "labels", "fp32", size=(90, 200))


def test_model_yaml_is_complete(imported: Importer) -> None:
    folder = imported("bgr_levels")
    document = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
    assert errors("model", document) == []
    assert document["architecture"] == "onnx"
    assert document["input_size"] == [*SIZE]
    assert document["mean"] == pytest.approx([0.485, 0.456, 0.406])
    assert document["std"] == pytest.approx([0.229, 0.224, 0.225])
    assert document["sha256"].keys() == {"golden.png", "golden_labels.png", "logits.onnx"}
    training = document["training"]
    assert training["imported_from"] == "bgr_levels.onnx"
    assert len(training["sha256"]) == 64
    assert training["input"] | {"name": "x", "dtype": "float", "channels_last": False, "bgr": True} == training["input"]
    assert training["output"] | {"name": "out", "kind": "logits", "classes": CLASSES} == training["output"]
    assert len(np.unique(read_model_folder(folder).golden()[1])) > 1


@pytest.mark.parametrize(
    ("name", "kind", "confidences"),
    [
        ("logits", "logits", 100),
        ("softmax", "probabilities", 100),
        ("ids_int64", "ids", 1),
        ("queries", "probabilities", 100),
    ],
)
def test_kinds_of_output_are_seen(imported: Importer, name: str, kind: str, confidences: int) -> None:
    folder = read_model_folder(imported(name))
    assert folder.training["output"]["kind"] == kind
    with open_segmenter(folder.path, engine="onnxruntime", threads=1) as segmenter:
        confidence = segmenter.segment([picture(*SIZE)])[0].confidence
    assert confidence is not None
    assert confidence.max() >= 250, "what is certain comes out as certain"
    assert len(np.unique(confidence)) >= confidences


def test_a_graph_for_one_picture_runs_batches_one_by_one(imported: Importer) -> None:
    dims = [
        onnx.load_from_string(read_model_folder(imported(name)).graph()).graph.input[0].type.tensor_type.shape
        for name in ("one_alone", "logits")
    ]
    assert [shape.dim[0].dim_value for shape in dims] == [1, 0]


def test_a_graph_for_any_size_stays_one(imported: Importer) -> None:
    folder = read_model_folder(imported("stride_4_any_size"))
    assert folder.training["input"]["any_size"] is True
    session = onnxruntime.InferenceSession(folder.graph())
    assert session.get_inputs()[0].shape == ["N", "H", "W", 3]
    frame = picture(80, 160)
    (logits,) = session.run(None, {"images": frame[None]})
    assert logits.shape == (1, CLASSES, 20, 40)
    ids = labels_from_logits(logits[0], (80, 160))[0]
    assert agreement(ids, NETWORKS["stride_4_any_size"].ids(frame, (80, 160))) >= MIN_AGREEMENT
    assert read_model_folder(imported("logits")).training["input"]["any_size"] is False


def test_torch_says_that_it_runs_no_imported_graph_and_auto_leaves_it_out(imported: Importer) -> None:
    with pytest.raises(EngineUnavailable, match=r"imported graph.*onnxruntime, openvino or auto"):
        open_segmenter(imported("logits"), engine="torch")
    with open_segmenter(imported("logits")) as segmenter:
        assert segmenter.info.engine in ("onnxruntime", "openvino")
        assert "torch" not in segmenter.info.reason


@pytest.mark.parametrize(
    "name", ["logits", "nhwc", "stride_4_any_size", "softmax", "ids_int64", "queries", "new_opset"]
)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_typed_graphs_for_tensorrt_give_the_same(imported: Importer, name: str, precision: str) -> None:
    folder, size = read_model_folder(imported(name)), (90, 122)
    frames = [picture(*size, seed) for seed in range(4)]
    graph = typed_onnx(folder, "labels", precision, frames, size)
    onnx.checker.check_model(graph, full_check=True)
    labels = onnxruntime.InferenceSession(graph.SerializeToString()).run(["labels"], {"frames": frames[0][None]})[0]
    with open_segmenter(folder.path, engine="onnxruntime", threads=1) as segmenter:
        expected = segmenter.segment(frames[:1])[0].labels
    assert agreement(labels[0], expected) >= {"fp32": 0.999, "fp16": 0.99, "int8": 0.9}[precision]
    nv12 = with_yuv_input(graph, (1, size[0] * 3 // 2, size[1]))
    assert onnxruntime.InferenceSession(nv12.SerializeToString()).get_inputs()[0].shape == [1, 135, 122]


def test_tensors_beside_the_file_are_embedded(tmp_path: Path, class_file: Path) -> None:
    file = NETWORKS["logits"].export(tmp_path / "plain.onnx")
    onnx.save(
        onnx.load(file), tmp_path / "split.onnx", save_as_external_data=True, location="data.bin", size_threshold=0
    )
    assert beyond_plain_graph((tmp_path / "split.onnx").read_bytes())
    whole = read_network(tmp_path / "split.onnx")
    assert beyond_plain_graph(whole.SerializeToString()) is None
    (tmp_path / "data.bin").rename(tmp_path / "elsewhere.bin")
    with pytest.raises(NetworkError, match=r"keeps tensors in 'data.bin', which is not there"):
        read_network(tmp_path / "split.onnx")


def test_tensors_outside_the_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    NETWORKS["logits"].export(tmp_path / "plain.onnx")
    model = onnx.load(tmp_path / "plain.onnx")
    onnx.save(model, tmp_path / "split.onnx", save_as_external_data=True, location="data.bin", size_threshold=0)
    model = onnx.load(tmp_path / "split.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = entry.value.replace("data.bin", "../data.bin")
    (tmp_path / "inner" / "split.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(NetworkError, match=r"'../data.bin'"):
        read_network(tmp_path / "inner" / "split.onnx")


def with_branch(file: Path) -> Path:
    """Put an If in front of a network's output: on its input's height (decided), or on a pixel where asked."""
    model = onnx.load(NETWORKS["stride_4_any_size"].export(file))
    graph = model.graph
    graph.node[-1].output[0] = "before"
    branches = {}
    for name, sign in (("then_branch", 1.0), ("else_branch", -1.0)):
        factor = helper.make_node(
            "Constant", [], [f"{name}_f"], value=numpy_helper.from_array(np.array(sign, np.float32))
        )
        product = helper.make_node("Mul", ["before", f"{name}_f"], [f"{name}_o"])
        output = helper.make_tensor_value_info(f"{name}_o", TensorProto.FLOAT, None)
        branches[name] = helper.make_graph([factor, product], name, [], [output])
    graph.node.extend(
        [
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("Gather", ["shape", "two"], ["height"], axis=0),
            helper.make_node("Greater", ["height", "ten"], ["tall"]),
            helper.make_node("If", ["tall"], ["out"], **branches),
        ]
    )
    graph.initializer.extend(
        [numpy_helper.from_array(np.array(2), "two"), numpy_helper.from_array(np.array(10), "ten")]
    )
    file.write_bytes(model.SerializeToString())
    return file


def test_control_flow_is_refused_unless_asked_for(tmp_path: Path, class_file: Path) -> None:
    file, labels = with_branch(tmp_path / "branch.onnx"), read_class_file(class_file)
    with pytest.raises(NetworkError, match=r"control flow.*--allow-control-flow"):
        import_onnx(file, labels, tmp_path / "out", Options(size=SIZE), "none")
    import_onnx(file, labels, tmp_path / "out", Options(size=SIZE, control_flow=True), "none")
    with open_segmenter(tmp_path / "out", engine="openvino", threads=1) as segmenter:
        frame = picture(*SIZE)
        assert agreement(segmenter.segment([frame])[0].labels, NETWORKS["stride_4_any_size"].ids(frame, SIZE)) == 1


def test_control_flow_on_pixels_is_refused(tmp_path: Path, class_file: Path) -> None:
    model = onnx.load(with_branch(tmp_path / "branch.onnx"))
    shape = next(node for node in model.graph.node if node.output[0] == "shape")
    shape.CopyFrom(helper.make_node("ReduceMax", ["x"], ["brightest"], keepdims=0))
    gather = next(node for node in model.graph.node if node.output[0] == "height")
    gather.CopyFrom(helper.make_node("Cast", ["brightest"], ["height"], to=TensorProto.INT64))
    (tmp_path / "pixels.onnx").write_bytes(model.SerializeToString())
    options = Options(size=SIZE, control_flow=True)
    with pytest.raises(NetworkError, match=r"decides on each frame what runs \(If\)"):
        import_onnx(tmp_path / "pixels.onnx", read_class_file(class_file), tmp_path / "out", options, "none")


def test_the_new_exporter_of_pytorch(tmp_path: Path, class_file: Path) -> None:
    pytest.importorskip("onnxscript")
    network = NETWORKS["logits"]
    file = network.export(tmp_path / "new.onnx", dynamo=True, dynamic_axes=None, opset_version=18)
    import_onnx(file, read_class_file(class_file), tmp_path / "out", Options(), "none")
    with open_segmenter(tmp_path / "out", engine="onnxruntime", threads=1) as segmenter:
        assert agreement(segmenter.segment([picture(*SIZE)])[0].labels, network.ids(picture(*SIZE), SIZE)) >= 0.999
