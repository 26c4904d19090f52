# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from gain_ros.cli import main
from gain_ros.cli.out_folder import WRITTEN
from gain_ros.runtime.opening import open_segmenter


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("b", (40, 70)), ("a", (90, 50))):
        cv2.imwrite(str(folder / f"{name}.png"), rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    return folder


def names(folder) -> list[str]:
    """What a user sees of a folder."""
    return sorted(path.name for path in folder.iterdir() if path.name != WRITTEN)


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


def test_an_unreadable_image_is_told_and_the_rest_is_done(model_folder, pictures, tmp_path, capsys):
    (pictures / "aa.jpg").write_bytes(b"nothing")
    assert segment(model_folder, pictures, tmp_path / "out") == 1
    assert "aa.jpg" in capsys.readouterr().err
    assert names(tmp_path / "out") == ["a.png", "b.png"]


def test_an_out_that_cannot_be_a_folder_is_wrong_use(model_folder, pictures, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert segment(model_folder, pictures, tmp_path / "file" / "out") == 2
    assert "--out" in capsys.readouterr().err


def test_an_error_while_writing_ends_the_run(model_folder, pictures, tmp_path, monkeypatch):
    def full(*_args):
        raise OSError("no space left")

    monkeypatch.setattr("gain_ros.pictures.encode", full)
    with pytest.raises(OSError, match="no space"):
        segment(model_folder, pictures, tmp_path / "out")
