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

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from bag_files import IMAGE, header, rgb, write
from disks import on_full_disk
from random_model_folder import picture
from videos import cut_short, write_video

from gain_ros.cli import main
from gain_ros.cli.out_folder import WRITTEN
from gain_ros.errors import GraphError
from gain_ros.evaluation.offline import Job
from gain_ros.evaluation.result import BagScore
from gain_ros.model_folder import read_model_folder
from gain_ros.score import confusion_matrix

SIZE = (48, 64)
TRUTH = ("--truth-topic", "/truth")


def stamped(index: int, pixels: np.ndarray):
    message = rgb(0, pixels)
    message.header = header(index)
    return message


def write_drive(path: Path, frames: int = 4, seed: int = 0, broken: int | None = None) -> Path:
    """A bag of random pictures with random truth; frame number ``broken`` does not decode."""
    rng = np.random.default_rng(seed)
    images = [stamped(index, picture(*SIZE, seed=10 * seed + index)) for index in range(frames)]
    labels = [stamped(index, rng.integers(0, 11, SIZE, np.uint8)) for index in range(frames)]
    if broken is not None:
        images[broken] = IMAGE(header(broken), *SIZE, "rgb8", 0, 3 * SIZE[1], np.zeros(9, np.uint8))
    return write(path, {"/front": images, "/truth": labels})


@pytest.fixture
def drive(tmp_path) -> Path:
    return write_drive(tmp_path / "drive")


def evaluate(model_folder, out, *arguments, engine: str = "onnxruntime") -> int:
    words = ["evaluate", *map(str, arguments), "--model", str(model_folder), "--engine", engine]
    return main([*words, "--out", str(out)])


def result_of(out: Path) -> dict:
    return json.loads((out / "result.json").read_text())


def rows_of(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "frames.jsonl").read_text().splitlines()]


def test_a_bag_is_scored_as_segment_and_the_score_would(model_folder, drive, tmp_path):
    assert evaluate(model_folder, tmp_path / "out", drive, *TRUTH) == 0
    command = ["segment", f"{drive}:/front", "--model", str(model_folder), "--out", str(tmp_path / "masks")]
    assert main([*command, "--engine", "onnxruntime"]) == 0
    total = np.zeros((11, 11), np.int64)
    rng = np.random.default_rng(0)
    for file in sorted((tmp_path / "masks").glob("*.png")):
        total += confusion_matrix(rng.integers(0, 11, SIZE, np.uint8), cv2.imread(str(file), cv2.IMREAD_UNCHANGED), 11)
    result = result_of(tmp_path / "out")
    assert result["confusion"] == total.tolist()
    assert result["frames"] == {"received": 4, "published": 4, "superseded": 0, "stale": 0, "failed": 0}
    assert result["model"] == {"name": "random_nano", "sha256": read_model_folder(model_folder).digest}
    assert len(rows_of(tmp_path / "out")) == 4
    assert (tmp_path / "out" / "report.html").stat().st_size > 1000
    assert [file.name for file in (tmp_path / "out").glob(".*")] == [WRITTEN], "nothing is left over"


def without_times(out: Path) -> dict[str, object]:
    result = result_of(out)
    for key in ("latency_ms", "throughput"):
        del result[key]
    rows = [{key: value for key, value in row.items() if key != "stage_ms"} for row in rows_of(out)]
    gallery = {file.name: file.read_bytes() for file in sorted((out / "gallery").iterdir())}
    return {"result": json.dumps(result), "rows": json.dumps(rows), "gallery": gallery}


def test_two_runs_write_the_same_bytes_but_for_times(model_folder, drive, tmp_path):
    for name in ("a", "b"):
        assert evaluate(model_folder, tmp_path / name, drive, *TRUTH, "--batch", 3) == 0
    assert without_times(tmp_path / "a") == without_times(tmp_path / "b")


def test_what_a_roi_leaves_out_is_not_scored_and_that_is_said(model_folder, drive, tmp_path, capsys):
    assert evaluate(model_folder, tmp_path / "out", drive, *TRUTH, "--roi", "0,0,1,0.5") == 0
    result = result_of(tmp_path / "out")
    assert np.sum(result["confusion"]) == 4 * SIZE[0] * SIZE[1] // 2
    warning = "50.0 % of the labelled pixels are 255 in the masks, and not scored"
    assert any(warning in line for line in result["warnings"])
    assert warning in capsys.readouterr().err
    assert evaluate(model_folder, tmp_path / "whole", drive, *TRUTH) == 0
    assert result_of(tmp_path / "whole")["warnings"] == []


def test_json_is_the_last_line(model_folder, drive, tmp_path, capsys):
    assert evaluate(model_folder, tmp_path / "out", drive, *TRUTH, "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert told.pop("out") == str(tmp_path / "out")
    assert told == result_of(tmp_path / "out")


def test_failed_frames_make_exit_code_1(model_folder, tmp_path, capsys):
    bag = write_drive(tmp_path / "drive", broken=1)
    assert evaluate(model_folder, tmp_path / "out", bag, *TRUTH) == 1
    assert [row["outcome"] for row in rows_of(tmp_path / "out")] == ["published", "failed", "published", "published"]
    assert "1 failed" in capsys.readouterr().out


def test_refused_truth_makes_exit_code_1(model_folder, tmp_path):
    images = [stamped(0, picture(*SIZE))]
    bag = write(tmp_path / "drive", {"/front": images, "/truth": [stamped(0, np.full(SIZE, 77, np.uint8))]})
    assert evaluate(model_folder, tmp_path / "out", bag, *TRUTH) == 1
    assert result_of(tmp_path / "out")["truth"]["refused"] == 1


def test_a_bag_that_breaks_off_is_partial(model_folder, drive, tmp_path, capsys):
    metadata = drive / "metadata.yaml"
    content = yaml.safe_load(metadata.read_text())
    for topic in content["rosbag2_bagfile_information"]["topics_with_message_count"]:
        topic["message_count"] += topic["topic_metadata"]["name"] == "/front"
    metadata.write_text(yaml.safe_dump(content))
    assert evaluate(model_folder, tmp_path / "out", drive, *TRUTH) == 1
    result = result_of(tmp_path / "out")
    assert result["partial"]
    assert result["frames"]["published"] == 4
    assert result["miou"] is not None
    assert "holds 4 of the 5 messages" in capsys.readouterr().err


def test_a_video_cut_short_is_partial(model_folder, tmp_path, capsys):
    video = cut_short(write_video(tmp_path / "drive.avi", frames=20))
    assert evaluate(model_folder, tmp_path / "out", video) == 1
    result = result_of(tmp_path / "out")
    assert result["partial"]
    assert 0 < result["frames"]["published"] < 20
    assert "is cut short" in capsys.readouterr().err
    assert main(["bag-from", str(video), "--out", str(tmp_path / "bag"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["frames"] == result["frames"]["published"]
    assert told["frames"] + told["unreadable"] == 20


def test_another_evaluation_takes_the_place_of_the_one_before(model_folder, drive, tmp_path):
    for frames in (drive, write_drive(tmp_path / "short", frames=1)):
        assert evaluate(model_folder, tmp_path / "out", frames, *TRUTH) == 0
    kept = json.loads((tmp_path / "out" / "gallery" / "gallery.json").read_text())["frames"]
    files = {name for frame in kept for name in frame["files"].values()}
    assert {file.name for file in (tmp_path / "out" / "gallery").iterdir()} == {*files, "gallery.json"}


def test_the_one_label_topic_needs_no_name(model_folder, drive, tmp_path, capsys):
    assert evaluate(model_folder, tmp_path / "named", drive, *TRUTH) == 0
    capsys.readouterr()
    assert evaluate(model_folder, tmp_path / "found", drive) == 0
    assert "truth from topic /truth: 4 frames scored" in capsys.readouterr().out
    assert without_times(tmp_path / "found") == without_times(tmp_path / "named")


def test_without_truth_there_is_flicker_and_confidence(model_folder, tmp_path):
    bag = write(tmp_path / "drive", {"/front": [stamped(i, picture(*SIZE, seed=i)) for i in range(4)]})
    assert evaluate(model_folder, tmp_path / "out", bag) == 0
    result = result_of(tmp_path / "out")
    assert (result["miou"], result["truth"]) == (None, None)
    assert 0 < result["unlabelled"]["flicker"] <= result["unlabelled"]["changed"] < 1
    assert 0 <= result["unlabelled"]["low_confidence_share"] <= 1
    assert sum(result["unlabelled"]["class_share"].values()) == pytest.approx(1, abs=1e-5)


def test_against_another_engine_and_another_model(model_folder, drive, tmp_path):
    for other in ("torch", str(model_folder)):
        assert evaluate(model_folder, tmp_path / "out", f"{drive}:/front", "--against", other) == 0
        against = result_of(tmp_path / "out")["against"]
        assert against["name"] == other
        assert against["agreement"] > 0.999


def test_several_bags_are_merged_and_a_bad_one_is_reported(model_folder, drive, tmp_path, capsys):
    other = write_drive(tmp_path / "other", frames=2, seed=1)
    (tmp_path / "bad.mcap").write_bytes(b"junk")
    bags = (drive, tmp_path / "bad.mcap", other)
    assert evaluate(model_folder, tmp_path / "one", *bags, *TRUTH) == 1
    assert "bad.mcap" in capsys.readouterr().err
    one = result_of(tmp_path / "one")
    assert [bag["frames"]["received"] for bag in one["bags"]] == [4, 0, 2]
    assert (one["partial"], one["frames"]["published"]) == (True, 6)
    assert [row["bag"] for row in rows_of(tmp_path / "one")] == [str(drive)] * 4 + [str(other)] * 2
    singles = []
    for bag in (drive, other):
        assert evaluate(model_folder, tmp_path / "single", bag, *TRUTH) == 0
        singles.append(np.array(result_of(tmp_path / "single")["confusion"]))
    assert one["confusion"] == sum(singles).tolist()
    assert evaluate(model_folder, tmp_path / "two", *bags, *TRUTH, "--workers", "2") == 1
    assert without_times(tmp_path / "two") == without_times(tmp_path / "one")


def die(*_: object) -> None:
    os._exit(7)


class DeadlyJob(Job):
    """A job whose worker dies as soon as it is handed over."""

    def __reduce__(self):
        return die, ()


def test_a_worker_that_dies_takes_one_bag_with_it(drive, tmp_path):
    from gain_ros.evaluation import many_bags
    from gain_ros.evaluation.truth import TruthOptions

    job = DeadlyJob(str(drive), "gain_nano_camvid", "onnxruntime", TruthOptions())
    ((index, outcome),) = many_bags._in_processes([many_bags.Task(job, tmp_path / "rows")], 2, lambda *_: None)
    assert (index, type(outcome)) == (0, BagScore)
    assert "BrokenProcessPool" in outcome.errors[0]


def test_a_ray_cluster_gives_the_same(model_folder, drive, tmp_path):
    (tmp_path / "bad.mcap").write_bytes(b"junk")
    bags = (drive, tmp_path / "bad.mcap", write_drive(tmp_path / "other", frames=2, seed=1))
    assert evaluate(model_folder, tmp_path / "here", *bags, *TRUTH) == 1
    assert evaluate(model_folder, tmp_path / "ray", *bags, *TRUTH, "--ray", "local") == 1
    assert without_times(tmp_path / "ray") == without_times(tmp_path / "here")


def test_ray_that_is_not_installed_is_told(model_folder, drive, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert evaluate(model_folder, tmp_path / "out", drive, *TRUTH, "--ray", "local") == 2
    assert "pip install 'gain_ros[ray]'" in capsys.readouterr().err


@pytest.mark.parametrize("room", [100, 1500])
def test_a_full_disk_is_one_clear_line(model_folder, drive, tmp_path, room):
    """No file may grow beyond ``room`` bytes: the rows do not fit, or the rows do and the result does not."""
    engine = ("--model", model_folder, "--engine", "onnxruntime")
    done = on_full_disk(room, "evaluate", drive, *TRUTH, *engine, "--out", tmp_path / "out")
    assert done.returncode == 2, done.stderr
    assert "File too large" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nowhere.mcap"], "does not exist"),
        (["{drive}", "--truth-topic", "/none"], "no label topic /none"),
        (["{drive}:/front", "--truth-topic", "/none"], "no label topic /none"),
        (["{drive}", *TRUTH, "--truth-labels", "ade20k"], "'ade20k' are unknown"),
        (["{drive}", *TRUTH, "--workers", "0"], "at least 1"),
        (["{drive}", *TRUTH, "--workers", "2", "--ray", "local"], "give one of them"),
        (["{drive}", *TRUTH, "--mode", "realtime", "--batch", "2"], "are for offline evaluation"),
        (["{drive}", "{drive}", *TRUTH, "--mode", "realtime"], "2 bags given; expected one"),
        ([], "0 bags given; expected one or more"),
        (["--compare", "a", "b"], "writes none"),
        (["{drive}:/front", "--against", "gain_unheard_of"], "gain_unheard_of"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(model_folder, drive, tmp_path, capsys, arguments, text):
    assert evaluate(model_folder, tmp_path / "out", *(each.format(drive=drive) for each in arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert text in line


def test_a_graph_that_breaks_is_told_with_its_last_words_and_exit_code_1(drive, tmp_path, monkeypatch, capsys):
    def broken(*_: object) -> None:
        raise GraphError("the node ended with code 3:\nno engine")

    monkeypatch.setattr("gain_ros.evaluation.realtime.evaluate_realtime", broken)
    assert main(["evaluate", str(drive), *TRUTH, "--mode", "realtime", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == "gain: the node ended with code 3:\nno engine\n"


def test_an_out_is_needed(model_folder, drive, capsys):
    assert main(["evaluate", str(drive), "--model", str(model_folder)]) == 2
    assert "--out is missing" in capsys.readouterr().err


def test_bag_from_tells_what_it_wrote(tmp_path, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), picture(*SIZE))
    (folder / "b.png").write_bytes(b"junk")
    assert main(["bag-from", str(folder), "--out", str(tmp_path / "bag"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "frames": 1,
        "topics": {"/camera/image_raw/compressed": 1},
        "out": str(tmp_path / "bag"),
        "unreadable": 1,
    }
    assert main(["bag-from", str(folder), "--out", str(tmp_path / "bag")]) == 2
    assert main(["bag-from", str(folder), "--rate", "0", "--out", str(tmp_path / "new")]) == 2
    assert "exists already" in capsys.readouterr().err


def test_the_val_clip_gives_what_the_training_package_measured(data_folder, tmp_path):
    """Bag and offline evaluation of CamVid's val clip against val_miou of the shipped model's model.yaml."""
    assert main(["bag-from", str(data_folder / "camvid480"), "--out", str(tmp_path / "val")]) == 0
    words = ["--engine", "openvino", "--precision", "fp32", "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(tmp_path / "val"), "--model", "gain_nano_camvid", *words]) == 0
    result = result_of(tmp_path / "out")
    metrics = yaml.safe_load(Path("models/gain_nano_camvid/model.yaml").read_text())["metrics"]
    assert result["truth"]["scored"] == 101
    assert result["miou"] == pytest.approx(metrics["val_miou"], abs=5e-5)  # a few pixels differ between engines
