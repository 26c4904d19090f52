"""The shipped models: complete, small, and as good as their model.yaml says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gain_ros.bundle import read_bundle
from gain_ros.model import load_model
from gain_ros.replay.sources import open_source
from gain_ros.runtime.segmenter import Segmenter
from gain_ros.score import confusion_matrix, iou, mean_iou, pixel_accuracy
from training.data.camvid import open_split

MODELS = sorted(path.parent for path in (Path(__file__).parents[1] / "models").glob("*/model.yaml"))

pytestmark = pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)


def confusion(folder, pairs):
    with Segmenter.open(folder, engine="onnxruntime") as segmenter:
        classes = len(segmenter.bundle.labels)
        masks = (segmenter.segment([image], confidence=False)[0].labels for image, _ in pairs)
        return sum(confusion_matrix(truth, mask, classes) for (_, truth), mask in zip(pairs, masks, strict=True))


def test_folder_is_complete_and_small(folder):
    bundle = read_bundle(folder)
    assert bundle.name == folder.name
    assert bundle.onnx("labels")
    assert bundle.onnx("logits")
    assert bundle.training["split"]
    assert bundle.licence
    assert (folder / "weights.safetensors").stat().st_size < 8e6
    assert sum(p.numel() for n, p in load_model(folder).named_parameters() if not n.startswith("aux")) < 3e6


def test_val_metrics_are_those_of_model_yaml(folder, data_folder):
    bundle = read_bundle(folder)
    pairs = [(pair.image, pair.labels) for pair in open_split(data_folder / "camvid480", "val")]
    total = confusion(folder, pairs)
    # engines agree on 99.9 % of pixels, not on all: the last digits may differ
    assert mean_iou(total) == pytest.approx(bundle.metrics["val_miou"], abs=2e-4)
    assert pixel_accuracy(total) == pytest.approx(bundle.metrics["val_pixel_accuracy"], abs=2e-4)
    assert np.allclose(iou(total), list(bundle.metrics["val_iou"].values()), atol=1e-3)


def test_the_demo_scene_is_segmented_well(folder):
    frames = list(open_source("scene"))[::12]
    assert mean_iou(confusion(folder, [(frame.rgb, frame.labels) for frame in frames])) >= 0.6
