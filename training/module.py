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

"""The Lightning module: a network with its loss, its optimiser and schedule, and its evaluation on whole frames."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from gain_ros.datasets.cityscapes import write_submission
from gain_ros.labels import UNLABELLED, LabelSet
from gain_ros.model import build
from gain_ros.model_folder import IMAGENET_MEAN, IMAGENET_STD
from training.classes import classes_of
from training.data import LabelledFrames
from training.evaluation import EvaluationOptions, Evaluator
from training.losses import LossOptions, SegmentationLoss, class_weights
from training.metrics import SegmentationScore
from training.weights import load_initial


@dataclass(frozen=True)
class OptimizerOptions:
    """``name`` is "adamw" or "sgd" (with ``momentum``).

    The learning rate rises linearly to ``lr`` over ``warmup_steps``, then falls as (1 - progress) ** ``power``.
    Convolution kernels alone are decayed: biases, batch norm and the gates of GAI are not.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    lr: float = 2e-3
    weight_decay: float = 0.03
    momentum: float = 0.9
    power: float = 0.9
    warmup_steps: int = 200


class SegmentationTask(lightning.LightningModule):
    """Train and evaluate a network.

    ``labels`` are the classes, as :func:`training.classes.plain_classes` writes them, and on the command line those of
    the data. ``architecture`` and ``options`` are those of :func:`gain_ros.model.build`; ``input_size`` is the (height,
    width) that whole frames are resized to, in evaluation here and in the node (None: what the data proposes);
    ``initial_weights`` is a file, a model folder or a shipped model's name for :func:`training.weights.load_initial`.
    ``fused_attention`` runs the attention in the fused kernels where the network is on a GPU (needs triton); what is
    learned is the same.

    The number of a training step seeds its random draws (dropout), so a run that is resumed needs no generator's state.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        labels: dict[str, Any],
        architecture: str = "gain_nano",
        options: dict[str, Any] | None = None,
        input_size: tuple[int, int] | None = None,
        optimizer: OptimizerOptions = OptimizerOptions(),
        loss: LossOptions = LossOptions(),  # noqa: B008  (frozen)
        initial_weights: str | None = None,
        evaluation: EvaluationOptions = EvaluationOptions(),  # noqa: B008
        fused_attention: bool = False,
    ) -> None:
        super().__init__()
        # Plain values only: a checkpoint must load without running code. On the command line what it holds has the last
        # word, so how to evaluate is not in it.
        self.save_hyperparameters(
            {
                "architecture": architecture,
                "labels": labels,
                "options": options,
                "input_size": input_size and list(input_size),
                "optimizer": asdict(optimizer),
                "loss": asdict(loss),
                "initial_weights": initial_weights,
                "_instantiator": "lightning.pytorch.cli.instantiate_module",  # load_from_checkpoint makes the options
            }
        )
        self.labels = classes_of(labels)
        self.optimizer_options, self.evaluation = optimizer, evaluation
        self.network = build(architecture, len(self.labels), **(options or {}))
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own gap
        if fused_attention:
            from gain_ros.model.kernels import use_fused_attention

            use_fused_attention(self.network)
        self.loss = SegmentationLoss(loss, torch.ones(len(self.labels)))
        self.score = SegmentationScore(self.labels.names)
        self.evaluator: Evaluator | None = None
        self.run_config: dict[str, Any] = {}  # of the command line, kept in checkpoints
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """uint8 N×3×H×W RGB → the network's outputs."""
        x = (images.float() - self.mean) / self.std
        return self.network(x.contiguous(memory_format=torch.channels_last))

    @property
    def data(self) -> LabelledFrames:
        return self.trainer.datamodule  # type: ignore[attr-defined]  # the trainer sets it, and declares it nowhere

    def setup(self, stage: str) -> None:
        check_same_classes(self.data.label_set, self.labels)
        if self.hparams["input_size"] is None:
            self.hparams["input_size"] = list(self.data.input_size)
        initial_weights = self.hparams["initial_weights"]
        if initial_weights and not self.trainer.ckpt_path:  # a checkpoint holds all weights
            rank_zero_info(str(load_initial(self.network, initial_weights, self.labels.names)))

    # Training

    def on_fit_start(self) -> None:
        power = self.hparams["loss"]["class_weight_power"]
        self.loss.weights.copy_(class_weights(self.data.train_label_counts(), power))

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        torch.manual_seed(self.step_seed())
        images, labels = batch
        loss = self.loss(self(images), labels)
        self.log("loss", loss, prog_bar=True)
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        return loss

    def step_seed(self) -> int:
        trainer = self.trainer
        key = (self.data.hparams["seed"], trainer.fit_loop.total_batch_idx, trainer.global_rank)
        return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        o = self.optimizer_options
        optimizer: torch.optim.Optimizer
        if o.name == "sgd":
            optimizer = torch.optim.SGD(self.parameter_groups(), o.lr, o.momentum, weight_decay=o.weight_decay)
        else:
            optimizer = torch.optim.AdamW(self.parameter_groups(), o.lr, weight_decay=o.weight_decay)

        def factor(step: int) -> float:
            # Not asked at step 0, before the run: the trainer would open the training data, too early to resume there.
            progress = step / self.trainer.estimated_stepping_batches if step else 0
            return min((step + 1) / max(o.warmup_steps, 1), max(1 - progress, 0) ** o.power)

        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, factor), "interval": "step"},
        }

    def parameter_groups(self) -> list[dict[str, Any]]:
        kernels = [p for p in self.parameters() if p.ndim > 1]
        others = [p for p in self.parameters() if p.ndim <= 1]
        return [{"params": kernels}, {"params": others, "weight_decay": 0.0}]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        check_same_classes(self.labels, classes_of(checkpoint["hyper_parameters"]["labels"]))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["run_config"] = self.run_config

    # Evaluation

    def open_evaluation(self) -> None:
        self.evaluator = Evaluator(self.network, self.hparams["input_size"], self.evaluation)
        self.score.reset()

    on_validation_epoch_start = on_test_epoch_start = open_evaluation

    def segment(self, image: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        assert self.evaluator is not None, "an evaluation is opened at the start of its epoch"
        return self.evaluator(image, size)

    def validation_step(self, batch: tuple[Tensor, Tensor, list[str]]) -> None:
        image, truth, _ = as_arrays(batch)
        self.score.update(truth, *self.segment(image, truth.shape))

    def on_validation_epoch_end(self) -> None:
        self.report("val")

    def test_step(self, batch: tuple[Tensor, Tensor, list[str]]) -> None:
        """Scores a frame; one whose truth the data set keeps to itself is written down for its benchmark instead."""
        image, truth, name = as_arrays(batch)
        labels, confidence = self.segment(image, truth.shape)
        if self.labels.name == "cityscapes" and (truth == UNLABELLED).all():
            write_submission(self.submission_folder(), name, labels)
        else:
            self.score.update(truth, labels, confidence)

    def on_test_epoch_end(self) -> None:
        if self.score.update_called:
            self.report("test")
        else:
            rank_zero_info(f"masks with official ids: {self.submission_folder()}")

    def submission_folder(self) -> Path:
        return Path(self.trainer.log_dir or self.trainer.default_root_dir) / "submission"

    def report(self, split: str) -> None:
        self.evaluator = None
        measured = {f"{split}_{name}": value for name, value in self.score.compute().items()}
        self.log(f"{split}_miou", measured.pop(f"{split}_miou"), prog_bar=True, sync_dist=True)
        self.log_dict(measured, sync_dist=True)


def check_same_classes(data: LabelSet, network: LabelSet) -> None:
    """Raise MisconfigurationException for data whose classes are others; colours and groups may differ."""
    if data.names != network.names:
        raise MisconfigurationException(
            f"the data has the classes {', '.join(data.names)}; "
            f"expected those of the network, {', '.join(network.names)}"
        )


def as_arrays(batch: tuple[Tensor, Tensor, list[str]]) -> tuple[np.ndarray, np.ndarray, str]:
    """Turn a batch of one whole frame into image uint8 (H, W, 3), truth uint8 (H, W) and name."""
    images, labels, (name,) = batch
    return images[0].permute(1, 2, 0).cpu().numpy(), labels[0].to(torch.uint8).cpu().numpy(), name
