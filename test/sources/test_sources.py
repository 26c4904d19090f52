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

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from streets import street
from videos import cut_short, index_first, write_video

from gain_ros.errors import CutShort, ImageError, SourceError
from gain_ros.labels import CAMVID
from gain_ros.sources.containers import is_cut
from gain_ros.sources.opening import open_source


def picture(value: int, size: tuple[int, int] = (20, 30)) -> np.ndarray:
    rgb = np.full((*size, 3), value, np.uint8)
    rgb[: size[0] // 2, :, 0] = 255  # red above: shows a swap of channels or of rows
    return rgb


def save(path: Path, rgb: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), rgb[..., ::-1])
    return path


def test_an_image_file_is_one_frame_in_rgb(tmp_path):
    source = open_source(save(tmp_path / "one.png", picture(40)))
    (frame,) = source
    assert (source.length, frame.stem) == (1, "one")
    np.testing.assert_array_equal(frame.rgb, picture(40))


@pytest.mark.parametrize("suffix", [".bmp", ".ppm"])
def test_an_image_file_that_is_no_jpeg_or_png_is_told(tmp_path, suffix):
    source = open_source(save(tmp_path / f"one{suffix}", picture(40)))
    assert list(source) == []
    assert "expected JPEG or PNG: convert the file" in source.problems[0]


def test_a_folder_comes_in_the_order_of_names_and_without_other_files(tmp_path):
    for name, value in (("b.png", 2), ("a.PNG", 1), ("c.jpg", 3)):
        save(tmp_path / name, picture(value))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "deeper").mkdir()
    source = open_source(tmp_path)
    assert [frame.stem for frame in source] == ["a", "b", "c"]
    assert [frame.stem for frame in source] == ["a", "b", "c"], "a second pass starts over"
    assert source.problems == []


def test_stamps_follow_the_rate(tmp_path):
    for i in range(3):
        save(tmp_path / f"{i}.png", picture(i))
    source = open_source(tmp_path)
    assert [frame.stamp_ns for frame in source] == [round(i * 1e9 / source.rate_hz) for i in range(3)]


def test_unreadable_images_are_reported_and_the_others_come(tmp_path):
    save(tmp_path / "a.png", picture(1))
    (tmp_path / "b.png").write_bytes(b"not an image")
    whole = save(tmp_path / "c.jpg", picture(3, (64, 64))).read_bytes()
    (tmp_path / "c.jpg").write_bytes(whole[: len(whole) // 2])
    save(tmp_path / "d.png", picture(4))
    source = open_source(tmp_path)
    assert [frame.stem for frame in source] == ["a", "d"]
    assert [Path(problem.partition(": ")[0]).name for problem in source.problems] == ["b.png", "c.jpg"]


def test_two_images_that_would_share_a_mask_are_refused(tmp_path):
    save(tmp_path / "a.png", picture(1))
    save(tmp_path / "a.jpg", picture(1))
    with pytest.raises(SourceError, match=r"a\.jpg and a\.png"):
        open_source(tmp_path)


def test_exif_orientation_is_ignored(tmp_path):
    path = save(tmp_path / "turned.jpg", picture(40, (16, 32)))
    data = path.read_bytes()
    exif = (
        b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
    )
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    turned = cv2.imread(str(path))
    assert turned.shape[:2] == (32, 16), "the tag is there, and OpenCV would turn the picture"
    (frame,) = open_source(path)
    assert frame.rgb.shape[:2] == (16, 32)


def test_the_annotations_beside_a_folder_are_its_truth(tmp_path):
    (tmp_path / "val").mkdir()
    (tmp_path / "valannot").mkdir()
    save(tmp_path / "val" / "x.png", picture(9))
    truth = np.arange(20 * 30, dtype=np.uint8).reshape(20, 30) % 13
    cv2.imwrite(str(tmp_path / "valannot" / "x.png"), truth)
    source = open_source(tmp_path / "val")
    (frame,) = source
    assert source.label_set is CAMVID
    np.testing.assert_array_equal(frame.labels, np.where(truth < 11, truth, 255))


def test_a_video_is_numbered_and_has_its_rate(tmp_path):
    path = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 12.5, (64, 48))
    for value in (0, 120, 240):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    source = open_source(path)
    frames = list(source)
    assert (source.length, source.rate_hz) == (3, 12.5)
    assert [frame.stem for frame in frames] == ["000000", "000001", "000002"]
    assert [round(int(frame.rgb.mean()) / 120) for frame in frames] == [0, 1, 2]


CONTAINERS = [("a.avi", "MJPG"), ("a.avi", "XVID"), ("a.mkv", "MJPG"), ("a.webm", "VP80"), ("a.mp4", "mp4v")]


@pytest.mark.parametrize(("name", "codec"), [*CONTAINERS, ("a.mov", "mp4v"), ("a.ts", "mp4v"), ("a.flv", "FLV1")])
def test_a_whole_video_is_not_said_to_be_cut(tmp_path, name, codec):
    source = open_source(write_video(tmp_path / name, codec))
    assert len(list(source)) == 20
    assert (source.problems, source.unreadable) == ([], 0)


@pytest.mark.parametrize(("name", "codec"), CONTAINERS)
def test_the_missing_frames_of_a_video_cut_short_are_counted(tmp_path, name, codec):
    whole = write_video(tmp_path / name, codec)
    source = open_source(cut_short(index_first(whole) if name == "a.mp4" else whole))
    frames = list(source)
    assert 5 < len(frames) < 20
    assert source.unreadable == 20 - len(frames)
    (problem,) = source.problems
    assert f"is cut short after {len(frames)} of 20 frames" in problem
    with pytest.raises(CutShort):
        list(source.frames())


def test_a_video_that_lost_its_index_alone_lost_no_frame(tmp_path):
    source = open_source(cut_short(write_video(tmp_path / "a.avi"), 0.99))
    assert len(list(source)) == 20
    assert source.problems == []


def test_what_cameras_append_to_a_film_is_no_part_of_it(tmp_path):
    path = write_video(tmp_path / "a.mp4", "mp4v")
    path.write_bytes(path.read_bytes() + b"\xff" * 40)
    assert not is_cut(path)
    assert is_cut(cut_short(index_first(write_video(path, "mp4v"))))


def test_a_size_that_was_never_filled_in_says_nothing(tmp_path):
    path = write_video(tmp_path / "a.mkv")
    data = path.read_bytes()
    segment = data.index(b"\x18\x53\x80\x67") + 4
    path.write_bytes(data[:segment] + b"\x01" + b"\xff" * 7 + data[segment + 8 :])
    source = open_source(cut_short(path))
    assert 5 < len(list(source)) < 20
    assert source.problems == []


def test_a_street_has_truth_and_a_seed(tmp_path):
    first, second = (next(iter(open_source(street(tmp_path / str(seed), seed=seed)))) for seed in (3, 4))
    assert first.rgb.shape == (360, 480, 3)
    assert first.labels.max() < len(CAMVID)
    assert (first.rgb != second.rgb).mean() > 0.5


@pytest.mark.parametrize("spec", ["nowhere.mp4", "scene", "camera:x", "drive.mcap:/front"])
def test_what_is_not_there_is_one_clear_error(spec):
    with pytest.raises(SourceError, match=spec.partition(":")[0]):
        open_source(spec)


def test_a_file_that_is_nothing_we_know_is_refused(tmp_path):
    path = tmp_path / "thesis.pdf"
    path.write_bytes(b"%PDF-1.4")
    with pytest.raises(SourceError, match="neither a video"):
        open_source(path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(SourceError, match="holds no"):
        open_source(tmp_path)


def test_a_video_with_a_side_that_no_picture_may_have_is_refused(tmp_path):
    path = tmp_path / "wide.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (16400, 16))
    writer.write(np.zeros((16, 16400, 3), np.uint8))
    writer.release()
    with pytest.raises(ImageError, match="16400x16; expected sides of at most 16384"):
        open_source(str(path))


def test_a_stream_is_live_and_ends_with_a_word(served):
    write_video(served.folder / "drive.avi", frames=4)
    source = open_source(f"{served.address}/drive.avi")
    assert source.live
    frames = list(source)
    assert [frame.stem for frame in frames] == ["000000", "000001", "000002", "000003"]
    assert [frame.rgb.mean() for frame in frames] == pytest.approx([30, 40, 50, 60], abs=3)
    assert source.warnings == [f"'{served.address}/drive.avi' ended after 4 frames"]


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_stream_that_cannot_be_had_is_one_line_without_the_password(scheme):
    command = [sys.executable, "-m", "gain_ros", "segment", f"{scheme}://me:secret@127.0.0.1:9/front", "--out", "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # FFmpeg's own lines go past Python
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"gain: no picture comes from '{scheme}://127.0.0.1:9/front' within 5 s; ")
