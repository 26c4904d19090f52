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

"""``python -m training fit|validate|test --config FILE``; ``package CKPT --out FOLDER`` and ``robustness MODEL``."""

from __future__ import annotations

import itertools
import logging
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ActionConfigFile
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_info

from gain_ros.errors import GainError
from gain_ros.model_folder import IMAGENET_MEAN, IMAGENET_STD, MODEL_YAML, read_model_folder
from training.classes import plain_classes
from training.data import LabelledFrames
from training.logs import NoEmptyFolder, logs_that_go_on, new_logs, run_of
from training.module import SegmentationTask
from training.parser import CONFIGS, OneLineParser, shipped_configs

HELP = """Train and evaluate a network. `python -m training package --help`: from a checkpoint to a model folder;
`python -m training robustness --help`: what bad pictures cost it."""
FIT_HELP = """usage: python -m training fit --config CONFIG [--data.root FOLDER] [--OPTION VALUE ...]

Train a network. The run's folder gets checkpoints, of which `python -m training package` makes a model folder.

  --config CONFIG               a YAML file, or the name of one that comes with this package:
                                {configs}
  --data.root FOLDER            where the data set is; for finetune: images/, masks/ and classes.yaml (docs/own_data.md)
  --data.batch_size N           frames a step; less memory with fewer
  --data.workers N              processes that load and augment
  --model.initial_weights W     what to start from: a model folder, a shipped model's name, a checkpoint
  --model.optimizer.lr RATE     learning rate at its highest
  --trainer.max_steps N         when to end; --trainer.max_epochs N counts in passes over the data
  --trainer.default_root_dir D  where runs are kept: D/fit/version_N
  --trainer.accelerator cpu     not on the GPU
  --seed_everything N           of every random draw
  --ckpt_path CHECKPOINT        go on with a run that was stopped, from its last.ckpt

Every value of a config can be given like this. All that there are: python -m training fit --help-all
"""


class TrainingCLI(LightningCLI):
    """Lightning's command line with what every run here has: EMA, the best and the last checkpoint, two logs, one seed.

    ``fit --ckpt_path`` goes on in the folder of the checkpoint's run, so that its best checkpoint and its logs span the
    whole run. ``validate`` and ``test`` take a model folder as ``--ckpt_path`` as well, to measure what is shipped.
    """

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        parser = OneLineParser(**kwargs)
        parser.add_argument("-c", "--config", action=ActionConfigFile, help="A YAML file, or the name of one of ours.")
        return parser

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self.config = parser.parse_args(with_shipped_configs(sys.argv[1:]))

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        return {name: skip for name, skip in LightningCLI.subcommands().items() if name != "predict"}  # gain segment

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_lightning_class_args(EMAWeightAveraging, "ema")
        parser.add_lightning_class_args(ModelCheckpoint, "best")
        parser.add_lightning_class_args(ModelCheckpoint, "last")
        parser.set_defaults(
            {
                "best.filename": "best",
                "best.monitor": "val_miou",
                "best.mode": "max",
                "best.enable_version_counter": False,
                "last.filename": "last",
                "last.every_n_epochs": 1,
                "last.save_on_train_epoch_end": True,
                "last.enable_version_counter": False,
            }
        )
        parser.link_arguments("seed_everything", "data.init_args.seed")
        parser.link_arguments("data", "model.labels", its_classes, apply_on="instantiate")

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        if config.ckpt_path and not Path(config.ckpt_path).exists():
            self.parser.error(f"--ckpt_path {config.ckpt_path}: found nothing; expected a checkpoint or a model folder")
        if config.ckpt_path and (Path(config.ckpt_path) / MODEL_YAML).is_file():
            self.take_model_folder(config)
        config.weights_only = True
        if self.subcommand == "fit" and config.trainer.precision is None:
            config.trainer.precision = fastest_precision(config.trainer.accelerator)
            rank_zero_info(f"trainer.precision {config.trainer.precision}: not given, chosen for this machine")

    def take_model_folder(self, config: Any) -> None:
        if self.subcommand == "fit":
            self.parser.error(f"fit resumes from a checkpoint; start with --model.initial_weights {config.ckpt_path}")
        model_folder = read_model_folder(config.ckpt_path)
        if (model_folder.mean, model_folder.std) != (IMAGENET_MEAN, IMAGENET_STD):
            self.parser.error(
                f"{model_folder.path} normalises with {model_folder.mean}, {model_folder.std}; "
                f"expected {IMAGENET_MEAN}, {IMAGENET_STD}"
            )
        config.model.architecture, config.model.options = model_folder.architecture, model_folder.options
        config.model.input_size = model_folder.input_size
        config.model.initial_weights = str(model_folder.path)
        config.ckpt_path = None

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except ValueError as error:  # values that our classes refuse
            self.parser.error(str(error))

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self.config[self.subcommand]
        if config.trainer.logger is None:
            run = run_of(config.ckpt_path) if self.subcommand == "fit" and config.ckpt_path else None
            root = Path(config.trainer.default_root_dir or "runs").resolve()
            kwargs["logger"] = logs_that_go_on(run, config.ckpt_path) if run else new_logs(root / str(self.subcommand))
            if run:
                self.save_config_callback = None  # what the run began with is there
        trainer = super().instantiate_trainer(**kwargs)
        if "logger" in kwargs and self.save_config_callback:
            trainer.callbacks.append(NoEmptyFolder())  # type: ignore[attr-defined]  # Lightning's own gap
        return trainer

    def after_instantiate_classes(self) -> None:
        self.config_dump["model"].pop("labels", None)  # of the data
        self.model.run_config = self.config_dump  # goes into checkpoints, and from there into model.yaml


def its_classes(data: LabelledFrames) -> dict[str, Any]:
    return plain_classes(data.label_set)


def with_shipped_configs(arguments: list[str]) -> list[str]:
    """Return arguments with the path of a config that comes with this package in place of its name."""
    found = list(arguments)
    for place, (option, value) in enumerate(itertools.pairwise(arguments), start=1):
        if option == "--config" and value in shipped_configs() and not Path(value).exists():
            found[place] = str(CONFIGS / f"{value}.yaml")
    return found


def fastest_precision(accelerator: str) -> str:
    """Return bf16-mixed where a GPU or the CPU (AVX512_BF16, AMX) multiplies in bfloat16, else 32-true.

    A CPU without takes six to ten times as long in bf16 as in fp32.
    """
    if accelerator != "cpu" and torch.cuda.is_available():
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if has_bf16 else "32-true"


def mute() -> None:
    """Leave out what libraries say about themselves and what is no trouble here."""
    for message in (
        ".*your dataloader is not resumable",  # it is: the data modules read the trainer's progress
        ".*WeightAveraging callback, but loading a checkpoint outside the 'fit'",
        "(?s).*(Experiment logs|Checkpoint) directory .* exists and is not empty",  # a run that goes on
        "The number of training batches .* is smaller than the logging interval",  # a small set
        "Precision .* is not supported by the model summary",
        *(() if sys.argv[1:2] == ["fit"] else ("The dirpath has changed from",)),  # only fit writes checkpoints
    ):
        warnings.filterwarnings("ignore", message=message)
    for category in (DeprecationWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=category, module="lightning")
    trainer_log = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    trainer_log.addFilter(lambda record: "Tip: " not in record.getMessage())  # advertises its maker's services


def main() -> TrainingCLI:
    if sys.argv[1:2] in (["package"], ["robustness"]):
        sys.exit(import_module(f"training.{sys.argv[1]}").main(sys.argv[2:]))
    if sys.argv[1:2] == ["fit"] and not {"-h", "--help"}.isdisjoint(sys.argv):
        print(FIT_HELP.format(configs=", ".join(shipped_configs())), end="")
        sys.exit(0)
    sys.argv[:] = ["--help" if argument == "--help-all" else argument for argument in sys.argv]
    mute()
    try:
        return TrainingCLI(
            SegmentationTask,
            LabelledFrames,
            subclass_mode_data=True,
            parser_kwargs={"prog": "python -m training", "description": HELP},
            seed_everything_default=0,
            auto_configure_optimizers=False,
        )
    except (GainError, MisconfigurationException) as error:  # the message says it all
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
