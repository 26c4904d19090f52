"""From data to model folder through the real trainer, small."""

from __future__ import annotations

import lightning
import numpy as np
import pytest
import torch

from gain_ros.model import load_model
from gain_ros.runtime.segmenter import Segmenter
from gain_ros.score import mean_iou
from training.data import CamVid
from training.data.augment import Augmentation
from training.data.camvid import open_split
from training.module import Segmentation
from training.package import evaluate, package


@pytest.fixture
def trained(camvid_root):
    lightning.seed_everything(0)
    data = CamVid(camvid_root, batch_size=2, workers=0, scenes=2, augmentation=Augmentation(crop=(48, 64)))
    module = Segmentation("gain_nano", "camvid", {"channels": 16}, lr=1e-3, warmup_steps=2)
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=camvid_root, enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(module, data)
    trainer.save_checkpoint(camvid_root / "last.ckpt")
    return camvid_root, module, trainer


def test_checkpoint_becomes_a_folder_whose_numbers_hold(trained):
    root, module, trainer = trained
    val = open_split(root, "val")
    bundle = package(root / "last.ckpt", root / "models" / "tiny", val, input_size=(72, 96), note="two epochs")
    assert bundle.training["epochs"] == 2
    assert bundle.training["steps"] == 8
    assert bundle.training["note"] == "two epochs"
    assert bundle.training["weights"] in {"fp16", "fp32"}
    assert not [name for name in bundle.weights() if name.startswith("aux")]
    assert bundle.metrics["val_miou"] == pytest.approx(
        mean_iou(evaluate(load_model(bundle.path), val, (72, 96))), abs=1e-6
    )
    assert bundle.metrics["val_miou"] == pytest.approx(trainer.callback_metrics["val_miou"].item(), abs=0.01)
    with Segmenter.open(bundle.path, engine="onnxruntime") as segmenter:  # runs the golden pair
        labels = segmenter.segment([val[0].image])[0].labels
    form = module.network.eval()(
        (torch.from_numpy(val[0].image.transpose(2, 0, 1).copy())[None].float() - module.mean) / module.std
    )
    assert (labels == form.argmax(1)[0].numpy().astype(np.uint8)).mean() > 0.99


def test_weights_that_lose_too_much_in_fp16_are_stored_as_they_are(trained, monkeypatch):
    root, module, _ = trained
    monkeypatch.setattr("training.package.HALF_PRECISION_LOSS", -1.0)
    bundle = package(root / "last.ckpt", root / "models" / "exact", open_split(root, "val"), input_size=(72, 96))
    assert bundle.training["weights"] == "fp32"
    state = module.network.state_dict()
    assert all(np.array_equal(value, state[name].numpy()) for name, value in bundle.weights().items())


def test_biases_norms_and_gates_are_not_decayed(trained):
    _, module, _ = trained
    decayed, free = module.parameter_groups()
    assert all(p.ndim > 1 for p in decayed["params"])
    assert free["weight_decay"] == 0
    assert any(p is module.network.gai16.gamma for p in free["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(module.parameters()))


def test_class_weights_come_from_the_training_labels(trained):
    _, module, trainer = trained
    labels = np.concatenate([pair.labels.ravel() for pair in trainer.datamodule.train_frames])
    counts = np.bincount(labels, minlength=256)[:11]
    assert len(trainer.datamodule.train_frames) == 8
    assert module.loss.weights.argsort().tolist() == (-counts).argsort().tolist()
