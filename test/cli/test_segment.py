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

import contextlib
import errno
import json
import shutil
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from bag_files import rgb, write
from disks import on_full_disk
from videos import cut_short, write_video

from gain_ros.cli import main
from gain_ros.model_folder import read_model_folder
from gain_ros.runtime.opening import open_segmenter
from gain_ros.signals import Stopped
from gain_ros.video_file import VideoFile


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("b", (40, 70)), ("a", (90, 50))):
        cv2.imwrite(str(folder / f"{name}.png"), rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    return folder


def names(folder) -> list[str]:
    """What lies in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def segment(model_folder, source, out, *more: str) -> int:
    arguments = ["segment", str(source), "--model", str(model_folder), "--out", str(out), "--engine", "onnxruntime"]
    return main([*arguments, *more])


def test_masks_are_what_the_segmenter_gives_at_the_source_s_size(model_folder, pictures, tmp_path):
    assert segment(model_folder, pictures, tmp_path / "out") == 0
    with open_segmenter(model_folder, engine="onnxruntime") as segmenter:
        for name in ("a", "b"):
            rgb = cv2.imread(str(pictures / f"{name}.png"))[..., ::-1]
            mask = cv2.imread(str(tmp_path / "out" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
            assert mask.dtype == np.uint8
            np.testing.assert_array_equal(mask, segmenter.segment([rgb])[0].labels)


def test_masks_are_in_the_classes_that_model_yaml_asks_for(model_folder, pictures, tmp_path):
    changed = tmp_path / "changed"
    shutil.copytree(model_folder, changed)
    with (changed / "model.yaml").open("a") as file:
        file.write("remap: {traversable: 1, others: 0}\nmin_confidence: 0.2\n")
    assert segment(changed, pictures, tmp_path / "out", "--overlay") == 0
    classes, seen = read_model_folder(changed).class_output(), set()
    with open_segmenter(model_folder, engine="onnxruntime") as segmenter:
        for name in ("a", "b"):
            own = segmenter.segment([cv2.imread(str(pictures / f"{name}.png"))[..., ::-1]])[0]
            mask = cv2.imread(str(tmp_path / "out" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(mask, classes.apply(own.labels, own.confidence))
            seen |= {*mask.ravel().tolist()}
    assert len(seen) > 1
    assert seen <= {0, 1, 255}


def test_nothing_but_masks_in_the_folder(model_folder, pictures, tmp_path):
    assert segment(model_folder, pictures, tmp_path / "out") == 0
    assert names(tmp_path / "out") == ["a.png", "b.png"]


@pytest.mark.parametrize("place", [".", "masks"])
def test_a_source_is_never_written_over(model_folder, pictures, capsys, place):
    before = {path: path.read_bytes() for path in pictures.iterdir()}
    assert segment(model_folder, pictures, pictures / place) == 2
    assert segment(model_folder, pictures / "a.png", pictures) == 2
    assert "name another folder" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in pictures.iterdir()} == before


def test_overlays_have_a_folder_of_their_own(model_folder, pictures, tmp_path):
    assert segment(model_folder, pictures, tmp_path / "out", "--overlay") == 0
    assert sorted(path.name for path in (tmp_path / "out" / "overlay").iterdir()) == ["a.jpg", "b.jpg"]
    assert cv2.imread(str(tmp_path / "out" / "overlay" / "a.jpg")).shape == (90, 50, 3)


def test_json_is_the_last_line_and_all_else_goes_to_standard_error(model_folder, pictures, tmp_path, capsys):
    assert segment(model_folder, pictures, tmp_path / "out", "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    result = json.loads(line)
    assert (result["frames"], result["engine"], result["out"]) == (2, "onnxruntime", str(tmp_path / "out"))
    assert result["fps"] > 0


def test_quiet_leaves_the_json_line_and_the_errors(model_folder, pictures, tmp_path, capsys):
    assert segment(model_folder, pictures, tmp_path / "a", "--quiet") == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")
    (pictures / "aa.jpg").write_bytes(b"nothing")
    assert segment(model_folder, pictures, tmp_path / "b", "-q", "--json") == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["unreadable"] == 1
    (line,) = told.err.splitlines()
    assert "aa.jpg" in line


def video_frames(file) -> list[np.ndarray]:
    capture, frames = cv2.VideoCapture(str(file)), []
    while True:
        readable, bgr = capture.read()
        if not readable:
            return frames
        frames.append(bgr)


def test_a_video_of_the_overlays(model_folder, tmp_path):
    source = write_video(tmp_path / "drive.avi", frames=6)
    assert segment(model_folder, source, tmp_path / "out", "--video", "--overlay") == 0
    assert names(tmp_path / "out")[:3] == [".gain_files", "000000.png", "000001.png"]
    frames = video_frames(tmp_path / "out" / "overlay/overlay.mp4")
    assert len(frames) == 6
    picture = cv2.imread(str(tmp_path / "out" / "overlay" / "000005.jpg"))
    assert np.abs(frames[5].astype(int) - picture).mean() < 12  # two lossy codecs
    assert segment(model_folder, source, tmp_path / "out", "--force") == 0
    assert not (tmp_path / "out/overlay/overlay.mp4").exists()


def test_a_run_that_ends_early_leaves_no_video(model_folder, tmp_path, monkeypatch):
    source = write_video(tmp_path / "drive.avi", frames=6)
    monkeypatch.setattr(VideoFile, "close", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
    assert segment(model_folder, source, tmp_path / "out", "--video") == 2
    assert not (tmp_path / "out/overlay").exists()


def test_a_stream_is_segmented_until_it_ends(model_folder, served, tmp_path, capsys):
    write_video(served.folder / "drive.avi", frames=5)
    assert segment(model_folder, f"{served.address}/drive.avi", tmp_path / "out") == 0
    assert names(tmp_path / "out") == [f"{index:06d}.png" for index in range(5)]
    assert "/drive.avi' ended after 5 frames" in capsys.readouterr().err


def test_ctrl_c_ends_a_stream_with_what_was_written(model_folder, served, tmp_path, monkeypatch, capsys):
    write_video(served.folder / "drive.avi", frames=5)
    monkeypatch.setattr("gain_ros.cli.common.Progress.show", stop_at(3))
    address = f"{served.address}/drive.avi"
    assert segment(model_folder, address, tmp_path / "out", "--video", "--json") == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 3
    assert len(video_frames(tmp_path / "out" / "overlay/overlay.mp4")) == 3


def test_ctrl_c_in_a_recording_is_an_early_end(model_folder, tmp_path, monkeypatch):
    source = write_video(tmp_path / "drive.avi", frames=5)
    monkeypatch.setattr("gain_ros.cli.common.Progress.show", stop_at(3))
    with pytest.raises(Stopped):
        segment(model_folder, source, tmp_path / "out", "--video")
    assert not (tmp_path / "out/overlay").exists()


def stop_at(frame: int):
    def show(_, done):
        if done == frame:
            raise Stopped(signal.SIGINT)

    return show


def test_an_unreadable_image_is_told_and_the_rest_is_done(model_folder, pictures, tmp_path, capsys):
    (pictures / "aa.jpg").write_bytes(b"nothing")
    assert segment(model_folder, pictures, tmp_path / "out") == 1
    assert "aa.jpg" in capsys.readouterr().err
    assert names(tmp_path / "out") == ["a.png", "b.png"]


def test_an_out_that_cannot_be_a_folder_is_wrong_use(model_folder, pictures, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert segment(model_folder, pictures, tmp_path / "file" / "out") == 2
    assert "--out" in capsys.readouterr().err


def test_masks_of_an_earlier_run_go_all_together_and_only_when_told(model_folder, pictures, tmp_path, capsys):
    assert segment(model_folder, pictures, tmp_path / "out", "--overlay") == 0
    assert segment(model_folder, pictures / "a.png", tmp_path / "out") == 2
    assert "holds 4 files of an earlier run" in capsys.readouterr().err
    assert segment(model_folder, pictures / "a.png", tmp_path / "out", "--force") == 0
    assert names(tmp_path / "out") == ["a.png", "overlay"]
    assert names(tmp_path / "out" / "overlay") == []


def test_a_mask_that_is_a_user_s_is_refused(model_folder, pictures, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.png").write_text("mine")
    assert segment(model_folder, pictures, tmp_path / "out", "--force") == 2
    assert "'mine.png', which gain did not write" in capsys.readouterr().err
    assert (tmp_path / "out" / "mine.png").read_text() == "mine"


@pytest.mark.parametrize("end", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_what_is_there_when_a_run_ends_early_is_whole(model_folder, pictures, tmp_path, monkeypatch, end):
    real, written = Path.write_bytes, []

    def write_bytes(path, data):
        real(path, data[: len(data) // 2] if written else data)
        if written:
            raise end
        written.append(path)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with contextlib.suppress(KeyboardInterrupt):
        assert segment(model_folder, pictures, tmp_path / "out") in (2, 130)
    assert names(tmp_path / "out") == ["a.png"]
    assert cv2.imread(str(tmp_path / "out" / "a.png"), cv2.IMREAD_UNCHANGED).shape == (90, 50)


def test_a_full_disk_leaves_nothing_of_a_file(model_folder, pictures, tmp_path):
    engine = ("--model", model_folder, "--engine", "onnxruntime")
    done = on_full_disk(100, "segment", pictures, *engine, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "segment cannot go on: [Errno 27] File too large" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_video_cut_short_is_told_with_the_frames_that_are_missing(model_folder, tmp_path, capsys):
    video = cut_short(write_video(tmp_path / "drive.avi", frames=20))
    assert segment(model_folder, video, tmp_path / "out", "--json") == 1
    told = capsys.readouterr()
    result = json.loads(told.out)
    assert 0 < result["frames"] < 20
    assert result["frames"] + result["unreadable"] == 20
    assert f"is cut short after {result['frames']} of 20 frames" in told.err


def test_a_bag_cut_short_gives_the_masks_that_are_there(model_folder, tmp_path, capsys):
    bag = write(tmp_path / "bag", {"/front": [rgb(i, np.full((40, 60, 3), i, np.uint8)) for i in range(5)]})
    cut_short(next(bag.glob("*.mcap")), 0.98)
    assert segment(model_folder, bag, tmp_path / "out", "--json") == 1
    told = capsys.readouterr()
    result = json.loads(told.out)
    assert (result["frames"], result["unreadable"]) == (5, 1)
    assert "is truncated" in told.err
