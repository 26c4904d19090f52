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

"""The Segmenter around a scripted engine, and around real ones where files and start-up matter."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from gain_ros import model_folder as model_folder_module
from gain_ros.errors import EngineUnavailable, GoldenMismatch, ModelFolderError, UsageError
from gain_ros.files import sha256
from gain_ros.fit import FITS
from gain_ros.frames import as_rgb, from_rgb
from gain_ros.model_folder import read_model_folder
from gain_ros.runtime import opening
from gain_ros.runtime.opening import open_segmenter
from gain_ros.runtime.part import PartSegmenter
from gain_ros.runtime.segmenter import EngineSegmenter

CLASSES = 3


class ScriptedEngine:
    """Class = which channel of the image is brightest; keeps what it was given and whether two calls ever met."""

    name, version, provider, device, precision = "scripted", "1.0", "Script", "cpu", "fp32"

    def __init__(self):
        self.calls: list[tuple[int, ...]] = []
        self.closed = 0
        self.met = False
        self._busy = False

    def close(self) -> None:
        self.closed += 1

    def _enter(self, images: np.ndarray) -> None:
        self.met |= self._busy
        self._busy = True
        self.calls.append(images.shape)
        time.sleep(0.001)
        self._busy = False


class ScriptedLogits(ScriptedEngine):
    size = None

    def logits(self, images: np.ndarray) -> np.ndarray:
        self._enter(images)
        return np.moveaxis(images, 3, 1).astype(np.float32) / 10


class ScriptedMasks(ScriptedEngine):
    def labels(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._enter(frames)
        return frames.argmax(3).astype(np.uint8), frames.max(3)


@pytest.fixture
def scripted(model_folder: Path) -> tuple[EngineSegmenter, ScriptedLogits]:
    engine = ScriptedLogits()
    return EngineSegmenter(read_model_folder(model_folder), engine, "as asked"), engine


def fitted(model_folder: Path, fit: str, engine: ScriptedEngine) -> EngineSegmenter:
    return EngineSegmenter(dataclasses.replace(read_model_folder(model_folder), fit=fit), engine, "as asked")


def flat(height: int, width: int, brightest: int) -> np.ndarray:
    frame = np.full((height, width, 3), 20, np.uint8)
    frame[..., brightest] = 200
    return frame


def test_masks_have_their_frames_size_and_order(scripted) -> None:
    segmenter, engine = scripted
    frames = [flat(70, 50, 2), flat(64, 96, 0), flat(9, 200, 1)]
    masks = segmenter.segment(frames)
    assert engine.calls == [(3, 64, 96, 3)]
    for mask, frame, label in zip(masks, frames, (2, 0, 1), strict=True):
        assert mask.labels.shape == mask.confidence.shape == frame.shape[:2]
        assert (mask.labels == label).all()
        assert (mask.confidence == 255).all()
        assert mask.stage_ms.keys() == {"pre", "infer", "post"}
        assert mask.stage_ms["infer"] >= 1.0


def test_confidence_only_when_asked(scripted) -> None:
    assert scripted[0].segment([flat(8, 8, 0)], confidence=False)[0].confidence is None


def test_no_frames_no_masks(scripted) -> None:
    segmenter, engine = scripted
    assert segmenter.segment([]) == []
    assert engine.calls == []


@pytest.mark.parametrize("kind", [ScriptedLogits, ScriptedMasks])
@pytest.mark.parametrize("frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_one_wrong_frame_is_refused_before_the_engine(model_folder: Path, frame: np.ndarray, kind: type) -> None:
    engine = kind()
    with (
        EngineSegmenter(read_model_folder(model_folder), engine, "") as segmenter,
        pytest.raises(ValueError, match="expected uint8"),
    ):
        segmenter.segment([flat(8, 8, 0), frame])
    assert engine.calls == []


def test_an_engine_that_gives_masks_gets_one_batch_a_size(model_folder: Path) -> None:
    engine = ScriptedMasks()
    frames = [flat(7, 5, 2), flat(6, 9, 0), flat(7, 5, 1)]
    with EngineSegmenter(read_model_folder(model_folder), engine, "") as segmenter:
        masks = segmenter.segment(frames)
        bare = segmenter.segment(frames[:1], confidence=False)
    assert engine.calls == [(2, 7, 5, 3), (1, 6, 9, 3), (1, 7, 5, 3)]
    for mask, frame, label in zip(masks, frames, (2, 0, 1), strict=True):
        assert mask.labels.shape == frame.shape[:2]
        assert (mask.labels == label).all()
        assert (mask.confidence == 200).all()
    assert bare[0].confidence is None


def banded(height: int, width: int) -> np.ndarray:
    """Red above, green in the middle, blue below."""
    frame = flat(height, width, 0)
    frame[height // 3 :] = flat(1, 1, 1)
    frame[2 * height // 3 :] = flat(1, 1, 2)
    return frame


@pytest.mark.parametrize("fit", FITS)
def test_frames_of_the_network_s_aspect_give_the_same_mask_whatever_the_fit(fit: str, model_folder: Path) -> None:
    rgb = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (128, 192, 3), dtype=np.uint8), (9, 9), 0)
    expected = fitted(model_folder, "stretch", ScriptedLogits()).segment([rgb])[0]
    found = PartSegmenter(fitted(model_folder, fit, ScriptedLogits())).segment([rgb])[0]
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.confidence, expected.confidence)


@pytest.mark.parametrize(
    ("fit", "batches"), [("letterbox", [(3, 64, 96, 3)]), ("area", [(2, 64, 128, 3), (1, 96, 64, 3)])]
)
def test_frames_of_other_shapes_go_in_at_their_aspect_and_come_back_whole(fit, batches, model_folder: Path) -> None:
    segmenter = fitted(model_folder, fit, engine := ScriptedLogits())
    frames = [banded(90, 180), banded(180, 120), banded(90, 180)]
    masks = segmenter.segment(frames)
    assert engine.calls == batches
    for mask, frame in zip(masks, frames, strict=True):
        wrong = np.unique(np.nonzero(mask.labels != frame.argmax(2))[0])
        assert len(wrong) <= 4  # rows where two bands meet
        assert mask.confidence.shape == frame.shape[:2]


@pytest.mark.parametrize("kind", [ScriptedLogits, ScriptedMasks])
def test_outside_roi_and_crop_masks_are_unlabelled(kind: type, model_folder: Path) -> None:
    with PartSegmenter(fitted(model_folder, "crop", engine := kind()), (0.0, 0.0, 1.0, 0.5)) as segmenter:
        masks = segmenter.segment([flat(80, 160, 1), flat(80, 160, 1)])
        bare = segmenter.segment([flat(80, 160, 1)], confidence=False)[0]
    for mask in masks:
        assert mask.labels.shape == mask.confidence.shape == (80, 160)
        assert (mask.labels[:40, 50:110] == 1).all()
        outside = np.ones((80, 160), bool)
        outside[:40, 50:110] = False
        assert (mask.labels[outside] == 255).all()
        assert (mask.confidence[outside] == 0).all()
        assert (mask.confidence[:40, 50:110] > 0).all()
        assert mask.stage_ms.keys() == {"pre", "infer", "post"}
    assert bare.confidence is None
    assert engine.closed == 1


def test_roi_and_fit_are_asked_for_by_name(model_folder: Path) -> None:
    with open_segmenter(
        model_folder, "onnxruntime", "cpu", threads=1, fit="letterbox", roi=[0, 0.5, 1, 0.5]
    ) as segmenter:
        assert segmenter.model_folder.fit == "letterbox"
        assert segmenter.info.engine == "onnxruntime"
        segmenter.warm_up(2)
        labels = segmenter.segment([flat(80, 160, 1)])[0].labels
    assert (labels[:40] == 255).all()
    assert (labels[40:] < 255).all()
    for wrong in ({"fit": "zoom"}, {"roi": (0, 0, 640, 480)}):
        with pytest.raises(UsageError, match="expected"):
            open_segmenter(model_folder, "onnxruntime", "cpu", **wrong)


def test_the_golden_picture_is_stretched_whatever_the_fit(model_folder: Path) -> None:
    rgb = read_model_folder(model_folder).golden()[0]
    assert rgb.shape[0] * 96 != rgb.shape[1] * 64, "of another aspect than the network"
    with open_segmenter(model_folder, "torch", "cpu", fit="area") as segmenter:
        assert segmenter.segment([rgb])[0].labels.shape == rgb.shape[:2]


def test_a_graph_for_one_size_and_logits_that_are_too_coarse_are_said_at_the_start(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineUnavailable, match="graph of model 'random_nano' takes 96x64 alone; take fit letterbox"):
        open_segmenter(model_folder, "onnxruntime", "cpu", fit="area")
    engine = ScriptedLogits()
    monkeypatch.setattr(engine, "logits", lambda images: np.zeros((len(images), 3, 4, 6), np.float32))
    with pytest.raises(ModelFolderError, match="take another fit than letterbox"):
        fitted(model_folder, "letterbox", engine).check_fit()


@pytest.mark.parametrize("encoding", ["nv12", "yuyv"])
def test_yuv_frames_reach_engines_for_the_network_s_size_as_rgb(encoding: str, scripted) -> None:
    segmenter, _ = scripted
    frame = from_rgb(np.concatenate([flat(30, 22, 0), flat(30, 22, 2)], 1), encoding)
    found, expected = segmenter.segment([frame, as_rgb(frame)])
    assert len(np.unique(expected.labels)) > 1
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.confidence, expected.confidence)


def test_yuv_frames_reach_engines_that_give_masks_as_they_are(model_folder: Path) -> None:
    engine = ScriptedMasks()
    engine.labels = lambda frames: (engine.calls.append(frames.shape), np.zeros((2, len(frames), 6, 8), np.uint8))[1]
    frames = [from_rgb(flat(6, 8, 2), encoding) for encoding in ("nv12", "rgb8", "nv12", "yuyv")]
    with EngineSegmenter(read_model_folder(model_folder), engine, "") as segmenter:
        assert [mask.labels.shape for mask in segmenter.segment(frames)] == 4 * [(6, 8)]
    assert engine.calls == [(2, 9, 8), (1, 6, 8, 3), (1, 6, 8, 2)]


def test_threads_meet_in_turn_at_the_engine(scripted) -> None:
    segmenter, engine = scripted
    wrong = []

    def work(label: int) -> None:
        for _ in range(10):
            labels = segmenter.segment([flat(16, 16, label)], confidence=False)[0].labels
            wrong.extend(labels[labels != label])

    threads = [threading.Thread(target=work, args=(label,)) for label in range(CLASSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(engine.calls) == 30
    assert not engine.met
    assert wrong == []


def test_close_frees_once_and_ends_the_service(scripted) -> None:
    segmenter, engine = scripted
    with segmenter:
        pass
    segmenter.close()
    assert engine.closed == 1
    with pytest.raises(RuntimeError, match="closed"):
        segmenter.segment([flat(8, 8, 0)])


def test_open_by_name_says_what_runs(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_folder_module, "homes", lambda kind: [model_folder.parent])
    with open_segmenter(model_folder.name, "onnxruntime", "cpu", threads=1) as segmenter:
        info = segmenter.info
        assert (info.engine, info.provider, info.device) == ("onnxruntime", "CPUExecutionProvider", "cpu")
        assert info.reason == "as asked"
        assert segmenter.model_folder.name == "random_nano"
        labels = segmenter.segment([segmenter.model_folder.golden()[0]])[0].labels
    assert (labels == segmenter.model_folder.golden()[1]).mean() >= 0.999


def repainted(model_folder: Path, tmp_path: Path, share: float) -> Path:
    """A copy of the model whose golden labels are changed in ``share`` of the rows."""
    folder = shutil.copytree(model_folder, tmp_path / "repainted")
    labels = read_model_folder(folder).golden()[1]
    rows = round(share * len(labels))
    labels[:rows] = (labels[:rows] + 1) % CLASSES
    cv2.imwrite(str(folder / "golden_labels.png"), labels)
    document = yaml.safe_load((folder / "model.yaml").read_text())
    document["sha256"]["golden_labels.png"] = sha256(folder / "golden_labels.png")
    (folder / "model.yaml").write_text(yaml.safe_dump(document))
    return folder


@pytest.mark.parametrize("engine", ["onnxruntime", "auto"])
def test_a_golden_mismatch_refuses_to_start(
    engine: str, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(opening, "available_engines", lambda: ("onnxruntime",))
    folder = repainted(model_folder, tmp_path, 0.3)
    with pytest.raises(GoldenMismatch, match=r"'onnxruntime' .* gives (69|7\d)\.\d\d % .* expected 99\.9 %"):
        open_segmenter(folder, engine, "cpu")


@pytest.mark.parametrize("fault", [np.full((1, 3, 4, 5), np.nan, np.float32), RuntimeError("Got: 64 Expected: 360")])
def test_an_engine_that_fails_on_the_golden_picture_is_a_golden_mismatch(
    fault: np.ndarray | Exception, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def logits(_: object) -> np.ndarray:
        if isinstance(fault, Exception):
            raise fault
        return fault

    engine = ScriptedLogits()
    monkeypatch.setattr(engine, "logits", logits)
    monkeypatch.setattr(opening, "open_engine", lambda *_, **__: engine)
    with pytest.raises(GoldenMismatch, match=r"fails on the golden picture of model 'random_nano': .*(NaN|Expected)"):
        open_segmenter(model_folder, "onnxruntime")
    assert engine.closed == 1


def test_a_changed_model_does_not_open(model_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model_folder, tmp_path / "changed")
    (folder / "logits.onnx").write_bytes(b"other")
    with pytest.raises(ModelFolderError, match=r"logits\.onnx: found sha256"):
        open_segmenter(folder, "onnxruntime")


def test_a_failed_start_frees_the_engine(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ScriptedLogits()
    monkeypatch.setattr(opening, "open_engine", lambda *_, **__: engine)
    with pytest.raises(GoldenMismatch):
        open_segmenter(model_folder, "onnxruntime")
    assert engine.closed == 1


def test_auto_measures_once_and_remembers(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    names = ("onnxruntime", "openvino")
    monkeypatch.setattr(opening, "available_engines", lambda: names)
    with open_segmenter(model_folder, device="cpu") as first:
        assert first.info.engine in names
        assert first.info.reason.startswith(first.info.engine)
        assert all(name in first.info.reason for name in names)
        assert "cached" not in first.info.reason
    with open_segmenter(model_folder, device="cpu") as second:
        assert second.info.engine == first.info.engine
        assert second.info.reason == first.info.reason.replace(")", ", cached)")
    with open_segmenter(model_folder, device="cpu", threads=1) as other:
        assert "cached" not in other.info.reason
    assert len(json.loads((tmp_path / "gain_ros" / "auto.json").read_text())) == 2


def test_auto_with_a_gpu_that_is_not_there(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(opening, "available_engines", lambda: ("openvino",))
    with pytest.raises(EngineUnavailable, match="openvino has no CUDA"):
        open_segmenter(model_folder, device="cuda")
