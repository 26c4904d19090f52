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

"""Every config is one that the command line takes, and says what it means to."""

from __future__ import annotations

import functools
import json
import re
import sys
from pathlib import Path

import lightning
import pytest
import yaml
from timm_double import install as install_timm

from gain_ros.model_folder import find_model, read_model_folder
from training.__main__ import main
from training.classes import plain_classes

CONFIGS = sorted((Path(__file__).parents[2] / "training" / "configs").glob("*.yaml"))
RECIPES = [path for path in CONFIGS if path.stem not in ("smoke", "finetune")]


def name(path):
    return path.stem


@pytest.mark.parametrize("config", CONFIGS, ids=name)
def test_a_config_makes_a_run(config, folder_root, tmp_path, monkeypatch):
    install_timm(monkeypatch)
    started = []
    fit = functools.wraps(lightning.Trainer.fit)(lambda trainer, **given: started.append((trainer, given)))
    monkeypatch.setattr(lightning.Trainer, "fit", fit)
    options = ["--trainer.accelerator=cpu", f"--trainer.default_root_dir={tmp_path}"]
    if config.stem == "finetune":
        options.append(f"--data.root={folder_root}")
    monkeypatch.setattr(sys, "argv", ["training", "fit", "--config", str(config), *options])
    main()
    ((trainer, given),) = started
    assert dict(given["model"].hparams)["labels"] == plain_classes(given["datamodule"].label_set)
    assert given["datamodule"].label_set == given["model"].labels
    assert trainer.max_steps > 0 or trainer.max_epochs > 0


@pytest.mark.parametrize(
    ("option", "message"),
    [("--data.init_args.root", r"train\.txt: is not there"), ("--model.initial_weights", "cannot be read")],
)
def test_wrong_files_end_a_run_with_the_reason(option, message, camvid_root, tmp_path, monkeypatch, capsys):
    config = next(path for path in CONFIGS if path.stem == "camvid_nano")
    places = ("--data.init_args.root", str(camvid_root), "--trainer.default_root_dir", str(tmp_path))
    options = (
        "--trainer.accelerator=cpu",
        "--data.scenes=0",
        "--data.batch_size=2",
        *places,
        option,
        str(tmp_path / "nothing"),
    )
    monkeypatch.setattr(sys, "argv", ["training", "fit", "--config", str(config), *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize("config", RECIPES, ids=name)
def test_a_config_keeps_away_from_test(config):
    text = config.read_text(encoding="utf-8")
    given = yaml.safe_load(text)
    assert given["data"]["init_args"]["train_split"] == "train"
    comment = " ".join(text.partition("seed_everything")[0].replace("#", "").split())
    assert "on val" in comment or given["data"]["init_args"]["held_out"]
    assert given["trainer"]["default_root_dir"] == f"runs/{config.stem}"


def test_fine_tuning_begins_with_a_shipped_model_and_ends_after_fixed_steps():
    given = yaml.safe_load(next(path for path in CONFIGS if path.stem == "finetune").read_text(encoding="utf-8"))
    start = read_model_folder(find_model(given["model"]["initial_weights"]))
    assert start.architecture == given["model"]["architecture"]
    assert 0 < given["model"]["optimizer"]["warmup_steps"] < given["trainer"]["max_steps"] / 5
    assert given["trainer"]["max_steps"] % given["trainer"]["val_check_interval"] == 0
    assert given["data"]["class_path"] == "training.data.Folder"


def test_help_of_fit_is_one_screen_of_options_that_there_are(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["training", "fit", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert len(said.splitlines()) <= 24
    assert "finetune" in said
    options = re.findall(r"--((?:trainer|model)\.[a-z_.]+)", said)
    everything = json.dumps(yaml.safe_load(all_options(monkeypatch, capsys)))
    assert all(f'"{option.rpartition(".")[2]}"' in everything for option in options)


def all_options(monkeypatch, capsys):
    config = next(path for path in CONFIGS if path.stem == "smoke")
    monkeypatch.setattr(sys, "argv", ["training", "fit", "--config", str(config), "--print_config"])
    with pytest.raises(SystemExit):
        main()
    return capsys.readouterr().out


def test_there_is_one_for_every_recipe():
    names = {f"{data}_{network}" for data in ("camvid", "cityscapes") for network in ("nano", "r18", "df2")}
    names |= {"cityscapes_mobilenetv3", "cityscapes_resnet18"}
    assert {path.stem for path in RECIPES} == names
