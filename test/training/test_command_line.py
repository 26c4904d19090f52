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

"""`python -m training`: what a run leaves behind, how it goes on from there, and the model folder it ends as."""

from __future__ import annotations

import csv

import pytest
import small_runs  # noqa: F401  (makes the architecture "tiny" known)
import torch
import yaml

from training.__main__ import fastest_precision, main
from training.package import package


@pytest.fixture
def command(monkeypatch, camvid_root, tmp_path):
    def run(subcommand, *arguments):
        data = [
            *("--data", "CamVid", "--data.root", str(camvid_root), "--data.batch_size", "2", "--data.workers", "0"),
            *("--data.augmentation.crop", "[48, 64]"),
        ]
        trainer = ["--trainer.default_root_dir", str(tmp_path / "runs"), "--trainer.accelerator", "cpu"]
        quiet = ["--trainer.enable_progress_bar", "false", "--trainer.log_every_n_steps", "1"]
        monkeypatch.setattr("sys.argv", ["training", subcommand, *data, *trainer, *quiet, *arguments])
        return main()

    return run


HALF = 2e-3  # the folder's weights are fp16, those that training validated were not
SMALL = (
    *("--model.architecture", "tiny", "--model.input_size", "[72, 96]", "--trainer.max_epochs", "2"),
    *("--model.optimizer.lr", "0.02", "--ema.decay", "0.5"),
)


def rows(path):
    with path.open() as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize(("bf16", "chosen"), [(True, "bf16-mixed"), (False, "32-true")])
def test_precision_is_chosen_for_the_machine_where_it_is_not_given(monkeypatch, bf16, chosen):
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: bf16)
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False)
    assert fastest_precision("cpu") == chosen


def test_a_run_leaves_logs_checkpoints_its_config_and_a_model(command, camvid_root, tmp_path):
    command("fit", "--seed_everything", "3", *SMALL)
    folder = tmp_path / "runs/fit/version_0"
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["model"]["optimizer"]["lr"] == 0.02
    assert config["ema"]["decay"] == 0.5
    assert config["trainer"]["precision"] == fastest_precision("cpu")
    assert config["seed_everything"] == 3
    assert list(folder.glob("events.out.tfevents*"))
    measured = [row["val_miou"] for row in rows(folder / "metrics.csv") if row["val_miou"]]
    assert len(measured) == 2
    best, last = folder / "checkpoints/best.ckpt", folder / "checkpoints/last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 6
    opened = package(best, tmp_path / "models/tiny", camvid_root)
    assert opened.training["seed"] == 3
    assert opened.training["config"]["ema"]["decay"] == 0.5
    assert str(tmp_path) not in (opened.path / "model.yaml").read_text()
    assert opened.metrics["val_miou"] == pytest.approx(max(map(float, measured)), abs=HALF)


def test_a_run_goes_on_in_its_folder_and_its_best_spans_the_whole(command, tmp_path):
    command("fit", *SMALL)
    folder = tmp_path / "runs/fit/version_0"
    before, last = rows(folder / "metrics.csv"), folder / "checkpoints/last.ckpt"
    config = (folder / "config.yaml").read_text()
    (folder / "checkpoints/best.ckpt").write_bytes(b"the best for ever")
    content = torch.load(last, weights_only=True)
    best = next(state for name, state in content["callbacks"].items() if "val_miou" in name)
    best["best_model_score"] = best["best_k_models"][best["best_model_path"]] = best["kth_value"] = torch.tensor(1.0)
    content["global_step"] -= 1  # as if it had been stopped before its last row
    torch.save(content, last)
    # the checkpoint, not the command line, says what the model is
    longer = command("fit", "--ckpt_path", str(last), "--trainer.max_epochs", "3")
    assert longer.trainer.current_epoch == 3
    assert longer.model.hparams.architecture == "tiny"
    assert longer.model.optimizer_options.lr == 0.02
    assert [path.name for path in folder.parent.iterdir()] == ["version_0"]
    assert (folder / "checkpoints/best.ckpt").read_bytes() == b"the best for ever"
    assert (folder / "config.yaml").read_text() == config
    after = rows(folder / "metrics.csv")
    assert after[: len(before) - 2] == before[:-2]  # the last step and the validation after it are gone
    assert [row["epoch"] for row in after if row["val_miou"]] == ["0", "2"]


def test_a_checkpoint_that_was_copied_away_begins_a_new_folder(command, tmp_path):
    command("fit", *SMALL)
    copy = (tmp_path / "runs/fit/version_0/checkpoints/last.ckpt").rename(tmp_path / "copy.ckpt")
    command("fit", "--ckpt_path", str(copy), "--trainer.max_epochs", "3")
    assert [row["epoch"] for row in rows(tmp_path / "runs/fit/version_1/metrics.csv") if row["val_miou"]] == ["2"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--data.batch_size", "1"), "batch_size is 1, was 2"),
        (("--seed_everything", "9"), "seed is 9, was 0"),
        (("--data.train_split", "trainval"), "train_split is trainval, was train"),
    ],
)
def test_other_data_is_not_the_run_to_resume(command, tmp_path, capsys, option, message):
    command("fit", *SMALL, "--trainer.max_steps", "1")
    last = tmp_path / "runs/fit/version_0/checkpoints/last.ckpt"
    with pytest.raises(SystemExit) as error:
        command("fit", "--ckpt_path", str(last), "--trainer.max_epochs", "3", *option)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_options_of_evaluation_reach_validate_and_test(command, tmp_path):
    command("fit", *SMALL)
    last = str(tmp_path / "runs/fit/version_0/checkpoints/last.ckpt")
    plain = command("validate", "--ckpt_path", last)
    flipped = command("validate", "--ckpt_path", last, "--model.evaluation.flip", "true")
    tested = command("test", "--ckpt_path", last, "--model.evaluation.scales", "[1.0, 1.5]")
    assert flipped.model.evaluation.flip
    errors = [cli.trainer.callback_metrics["val_calibration_error"].item() for cli in (plain, flipped)]
    assert errors[0] != pytest.approx(errors[1], abs=1e-5)
    assert tested.model.evaluation.scales == (1.0, 1.5)
    assert 0 < tested.trainer.callback_metrics["test_miou"] < 1
    assert (tmp_path / "runs/test/version_0/metrics.csv").is_file()


def test_a_model_folder_is_no_run_to_resume(command, tmp_path, capsys):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.yaml").write_text("format: 1\n")
    with pytest.raises(SystemExit) as error:
        command("fit", "--ckpt_path", str(tmp_path / "model"))
    assert error.value.code == 2
    assert "--model.initial_weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--model.architecture", "nothing", "expected one of gain, gain_r18, gain_df2"),
        ("--model.evaluation.overlap", "2", "evaluation.overlap is 2.0; expected 0 to below 1"),
    ],
)
def test_values_that_make_no_sense_end_with_the_reason(command, capsys, option, value, message):
    with pytest.raises(SystemExit) as error:
        command("fit", *SMALL, option, value)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_a_checkpoint_that_is_not_there_is_one_line(command, capsys):
    with pytest.raises(SystemExit) as error:
        command("validate", "--ckpt_path", "nothing.ckpt")
    assert error.value.code == 2
    assert "--ckpt_path nothing.ckpt: found nothing; expected a checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--trainer.max_stepz", "3"), "--trainer.max_stepz 3; did you mean '--trainer.max_steps'?"),
        (("--data.rot", "x"), "training.data.CamVid: Option 'rot' is not accepted; did you mean 'root'?"),
        (("--data.batch_size", "many"), "Parser key \"batch_size\": Expected a <class 'int'>. Got value: many"),
        (("--config", "finetun"), "finetun'; did you mean 'finetune'?"),
        (("--config", "finetune", "--data.root", "nowhere"), "nowhere/classes.yaml: [Errno 2]"),
    ],
)
def test_wrong_use_is_one_line(command, capsys, words, message):
    with pytest.raises(SystemExit) as error:
        command("fit", *words)
    assert error.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("python -m training")
    assert message in last
    assert len(last) < 400
    assert "--help says what it takes" in last


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "fit.data; give --config, a file or one of camvid_df2, "),
        (
            ("--config", "finetune"),
            "training.data.Folder: the following arguments are required: root; give --data.root;",
        ),
    ],
)
def test_what_fit_needs_is_asked_for(monkeypatch, capsys, words, message):
    monkeypatch.setattr("sys.argv", ["training", "fit", *words])
    with pytest.raises(SystemExit):
        main()
    assert message in capsys.readouterr().err
