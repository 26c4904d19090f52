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

"""Where a run logs TensorBoard events and ``metrics.csv``: a new folder, or that of the run which it resumes."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.utilities import rank_zero_only


class NoEmptyFolder(Callback):
    """Leave no folder behind where a run fails before its first step, or an evaluation before its end."""

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if trainer.global_step == 0 and trainer.log_dir is not None and trainer.is_global_zero:
            shutil.rmtree(trainer.log_dir, ignore_errors=True)


def new_logs(folder: Path) -> list[Logger]:
    """Open logs in the next ``folder/version_N``."""
    board = TensorBoardLogger(folder.parent, name=folder.name, default_hp_metric=False)
    return [board, CSVLogger(folder.parent, name=folder.name, version=board.version)]


def run_of(checkpoint: str) -> Path | None:
    """Return the folder of the run that wrote a checkpoint; None where the file lies elsewhere by now."""
    folder = Path(checkpoint).resolve().parent
    return folder.parent if folder.name == "checkpoints" and (folder.parent / "config.yaml").is_file() else None


def logs_that_go_on(run: Path, checkpoint: str) -> list[Logger]:
    """Open logs in the folder of ``run``, without what it logged after the checkpoint."""
    step = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["global_step"]
    place, name = run.parents[1], run.parent.name
    table = CSVLogger(place, name, run.name)
    keep_rows(table, step)
    return [TensorBoardLogger(place, name, run.name, default_hp_metric=False, purge_step=step), table]


@rank_zero_only
def keep_rows(table: CSVLogger, before_step: int) -> None:
    """Write the earlier rows once more: the logger deletes the file that it finds."""
    file = Path(table.log_dir, ExperimentWriter.NAME_METRICS_FILE)
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines())) if file.is_file() else []
    kept = [{name: value for name, value in row.items() if value} for row in rows if int(row["step"]) < before_step]
    table.experiment.metrics.extend(kept)
    table.save()
