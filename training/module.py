"""The Lightning module: a GAIN network, its loss, its optimiser and schedule, and validation with the project's one
confusion matrix.
"""

from __future__ import annotations

import lightning
import numpy as np
import torch
from torch import Tensor

from gain_ros.labels import LABEL_SETS
from gain_ros.model import build
from gain_ros.score import confusion_matrix, iou, mean_iou, pixel_accuracy
from training.losses import LossOptions, SegmentationLoss, class_weights

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # RGB in 0..1, ImageNet's


class Segmentation(lightning.LightningModule):
    """Train ``architecture`` on a label set.

    ``weight_power``: class weights are frequency ** -weight_power, from the training labels. AdamW; the learning rate
    warms up linearly, then falls as (1 - progress) ** 0.9. Biases, batch norm and gamma are not decayed.
    """

    def __init__(
        self,
        architecture: str = "gain_nano",
        labels: str = "camvid",
        options: dict | None = None,
        lr: float = 2e-3,
        weight_decay: float = 0.03,
        warmup_steps: int = 200,
        aux_weight: float = 0.4,
        weight_power: float = 0.4,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.labels = LABEL_SETS[labels]
        self.network = build(architecture, len(self.labels), **(options or {})).to(memory_format=torch.channels_last)
        loss = LossOptions(class_weight_power=weight_power, aux_weight=aux_weight)
        self.loss = SegmentationLoss(loss, torch.ones(len(self.labels)))
        self.register_buffer("mean", 255 * torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.confusion = np.zeros((len(self.labels),) * 2, np.int64)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """uint8 N×3×H×W RGB → the network's outputs."""
        x = (images.float() - self.mean) / self.std
        return self.network(x.contiguous(memory_format=torch.channels_last))

    def on_fit_start(self) -> None:
        counts = self.trainer.datamodule.train_label_counts()
        self.loss.weights.copy_(class_weights(counts, self.hparams.weight_power))

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        images, labels = batch
        loss = self.loss(self(images), labels)
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, list[str]], _: int) -> None:
        images, labels, _ = batch
        predicted = self(images).argmax(1)
        self.confusion += confusion_matrix(labels.cpu().numpy(), predicted.cpu().numpy(), len(self.labels))

    def on_validation_epoch_end(self) -> None:
        self.log("val_miou", mean_iou(self.confusion), prog_bar=True)
        self.log("val_pixel_accuracy", pixel_accuracy(self.confusion))
        self.log_dict(
            {f"val_iou/{name}": value for name, value in zip(self.labels.names, iou(self.confusion), strict=True)}
        )
        self.confusion = np.zeros_like(self.confusion)

    def configure_optimizers(self) -> dict:
        h = self.hparams
        steps = self.trainer.estimated_stepping_batches
        optimizer = torch.optim.AdamW(self.parameter_groups(), lr=h.lr, weight_decay=h.weight_decay)

        def factor(step: int) -> float:
            return min((step + 1) / max(h.warmup_steps, 1), max(1 - step / steps, 0) ** 0.9)

        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, factor), "interval": "step"},
        }

    def parameter_groups(self) -> list[dict]:
        kernels = [p for p in self.parameters() if p.ndim > 1]
        others = [p for p in self.parameters() if p.ndim <= 1]
        return [{"params": kernels}, {"params": others, "weight_decay": 0.0}]
