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
import re
import sys
from pathlib import Path

import lightning
import pytest
import yaml
from timm_double import install as install_timm

from training.__main__ import main

CONFIGS = sorted((Path(__file__).parents[2] / "training" / "configs").glob("*.yaml"))
RECIPES = [path for path in CONFIGS if path.stem != "smoke"]


def name(path):
    return path.stem


@pytest.mark.parametrize("config", CONFIGS, ids=name)
def test_a_config_makes_a_run(config, tmp_path, monkeypatch):
    install_timm(monkeypatch)
    started = []
    fit = functools.wraps(lightning.Trainer.fit)(lambda trainer, **given: started.append((trainer, given)))
    monkeypatch.setattr(lightning.Trainer, "fit", fit)
    options = ("--trainer.accelerator=cpu", f"--trainer.default_root_dir={tmp_path}")
    monkeypatch.setattr(sys, "argv", ["training", "fit", "--config", str(config), *options])
    main()
    ((trainer, given),) = started
    assert given["datamodule"].label_set == given["model"].labels
    assert trainer.max_steps > 0 or trainer.max_epochs > 0


@pytest.mark.parametrize(
    ("option", "message"),
    [("--data.init_args.root", r"train\.txt: is not there"), ("--model.initial_weights", "cannot be read")],
)
def test_wrong_files_end_a_run_with_the_reason(option, message, camvid_root, tmp_path, monkeypatch, capsys):
    config = next(path for path in CONFIGS if path.stem == "camvid_nano")
    places = ("--data.init_args.root", str(camvid_root), "--trainer.default_root_dir", str(tmp_path))
    options = ("--trainer.accelerator=cpu", "--data.init_args.scenes=0", *places, option, str(tmp_path / "nothing"))
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


def test_there_is_one_for_every_recipe():
    names = {f"{data}_{network}" for data in ("camvid", "cityscapes") for network in ("nano", "r18", "df2")}
    names |= {"cityscapes_mobilenetv3", "cityscapes_resnet18"}
    assert {path.stem for path in RECIPES} == names
