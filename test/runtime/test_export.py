"""A folder's two ONNX graphs hold the weights once."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from gain_ros.bundle import Bundle, BundleError, read_bundle
from gain_ros.runtime.engines import open_engine
from gain_ros.runtime.export import export_onnx
from gain_ros.runtime.precision import typed_onnx

ROOT = Path(__file__).resolve().parents[2]
ENGINES = ("onnxruntime", "openvino")


@pytest.fixture(scope="module")
def bundle(deployed_folder: Path) -> Bundle:
    return read_bundle(deployed_folder)


@pytest.fixture(scope="module")
def alone(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same model as folders were written before: logits.onnx holds its weights itself."""
    folder = tmp_path_factory.mktemp("alone")
    export_onnx(bundle.path, folder / "logits.onnx", "logits", bundle.input_size)
    return dataclasses.replace(bundle, path=folder, sha256={"logits.onnx": bundle.sha256["logits.onnx"]})


def logits(name: str, bundle: Bundle, images: np.ndarray) -> np.ndarray:
    pytest.importorskip(name)
    engine = open_engine(name, bundle, "cpu", threads=1)
    found = engine.logits(images).copy()
    engine.close()
    return found


def tensors(file: Path) -> list[TensorProto]:
    return list(onnx.load(file, load_external_data=False).graph.initializer)


def shared_places(bundle: Bundle) -> list[dict[str, str]]:
    """What logits.onnx says of each weight that it does not hold: location, offset, length."""
    entries = [weight.external_data for weight in tensors(bundle.onnx("logits")) if weight.external_data]
    return [{entry.key: entry.value for entry in weight} for weight in entries]


def test_logits_onnx_takes_its_weights_from_model_onnx(bundle: Bundle, alone: Bundle) -> None:
    own, shared = alone.onnx("logits"), bundle.onnx("logits")
    weights = tensors(own)
    inside = sum(len(weight.raw_data) for weight in weights if len(weight.raw_data) < 1024)
    graph = own.stat().st_size - sum(len(weight.raw_data) for weight in weights)
    assert shared.stat().st_size < graph + inside + 200 * len(weights)
    assert shared.stat().st_size < own.stat().st_size / 20
    read = onnx.load(shared).graph.initializer
    assert [weight.raw_data for weight in read] == [weight.raw_data for weight in weights]
    places = shared_places(bundle)
    assert {place["location"] for place in places} == {"model.onnx"}
    assert all(int(place["offset"]) % 64 == 0 for place in places)


def test_model_onnx_stands_alone(bundle: Bundle, tmp_path: Path) -> None:
    assert all(weight.data_location == TensorProto.DEFAULT for weight in tensors(bundle.onnx("labels")))
    exported = onnx.load(export_onnx(bundle.path, tmp_path / "m.onnx"))
    found = onnx.load(bundle.onnx("labels"))
    for part in (*found.graph.node, *found.graph.initializer):
        assert not part.doc_string.strip()
        part.ClearField("doc_string")
    assert found == exported


def test_another_model_onnx_is_noticed(bundle: Bundle, tmp_path: Path) -> None:
    folder = shutil.copytree(bundle.path, tmp_path / "swapped")
    with (folder / "model.onnx").open("r+b") as file:
        file.seek(int(shared_places(bundle)[0]["offset"]))
        file.write(b"other weights")
    with pytest.raises(BundleError, match=r"model\.onnx: found sha256"):
        read_bundle(folder)


@pytest.mark.parametrize("name", ENGINES)
def test_logits_are_those_of_a_graph_with_its_own_weights(name: str, bundle: Bundle, alone: Bundle, picture) -> None:
    images = np.stack([picture(64, 96, seed=seed) for seed in range(2)])
    for batch in (images[:1], images):
        assert np.array_equal(logits(name, bundle, batch), logits(name, alone, batch))


def symbolic(file: Path, folder: Path) -> None:
    (folder / file.name).symlink_to(file)


def from_cache(file: Path, folder: Path) -> None:
    """As download caches do: the real files have other names in places of their own."""
    blob = folder.parent / f"blob of {file.name}" / "1f3b"
    blob.parent.mkdir()
    shutil.copyfile(file, blob)
    (folder / file.name).symlink_to(blob)


def hard(file: Path, folder: Path) -> None:
    os.link(file, folder / file.name)


@pytest.fixture(params=[symbolic, from_cache, hard])
def linked(request: pytest.FixtureRequest, bundle: Bundle, tmp_path: Path) -> Bundle:
    """The folder as colcon build --symlink-install, a download cache, conda or uv lay it out."""
    link: Callable[[Path, Path], None] = request.param
    source = shutil.copytree(bundle.path, tmp_path / "source")
    folder = tmp_path / "linked"
    folder.mkdir()
    for file in source.iterdir():
        link(file, folder)
    return read_bundle(folder)


@pytest.mark.parametrize("name", ENGINES)
def test_a_folder_of_links_gives_the_same_logits(name: str, linked: Bundle, bundle: Bundle, picture) -> None:
    images = picture(64, 96)[None]
    assert np.array_equal(logits(name, linked, images), logits(name, bundle, images))


def test_a_folder_of_links_gives_the_same_typed_graph(linked: Bundle, bundle: Bundle) -> None:
    assert typed_onnx(linked, "logits") == typed_onnx(bundle, "logits")


def test_what_is_loaded_is_a_copy_that_goes_again(linked: Bundle) -> None:
    with linked.loadable_onnx("logits") as file:
        assert sorted(part.name for part in file.parent.iterdir()) == ["logits.onnx", "model.onnx"]
        assert not any(part.is_symlink() or part.stat().st_nlink > 1 for part in file.parent.iterdir())
    assert not file.parent.exists()


OVERWRITTEN = """
import sys
from pathlib import Path
import numpy
import onnxruntime
from gain_ros.bundle import read_bundle

options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # weights stay in their file
with read_bundle(sys.argv[1]).loadable_onnx("logits") as file:
    session = onnxruntime.InferenceSession(file, options)
images = {"images": numpy.full((1, 64, 96, 3), 90, numpy.uint8)}
before = session.run(None, images)[0]
Path(sys.argv[1], "model.onnx").write_bytes(b"")
sys.exit(int((session.run(None, images)[0] != before).any()))
"""


def test_a_model_written_over_does_not_reach_who_has_loaded_it(bundle: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    folder = shutil.copytree(bundle.path, tmp_path / "mine")
    assert subprocess.run([sys.executable, "-c", OVERWRITTEN, str(folder)], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("name", ENGINES)
def test_a_full_disk_is_no_obstacle(name: str, bundle: Bundle, picture, monkeypatch: pytest.MonkeyPatch) -> None:
    images = picture(64, 96)[None]
    expected = logits(name, bundle, images)
    asked = []

    def full(source: Path, target: Path) -> None:
        asked.append(target)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    assert np.array_equal(logits(name, bundle, images), expected)
    assert asked
    assert not any(target.parent.exists() for target in asked)
