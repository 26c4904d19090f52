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

"""Nothing of a user's is written over, an earlier run's files make way together, a failure leaves what was there."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gain_ros.cli import main
from gain_ros.cli.out_folder import WRITTEN, is_marked, marked, out_folder
from gain_ros.errors import UsageError
from gain_ros.pictures import damage, decode_rgb, encode

PATTERNS = ("*.png", "sub/*")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "new" / "out"


def write(out: Path, *names: str, text: str = "first", replace: bool = True) -> None:
    with out_folder(out, [], PATTERNS, replace) as folder:
        for name in names:
            (folder.scratch / name).parent.mkdir(exist_ok=True)
            (folder.scratch / name).write_text(text)
            folder.publish()


def content(out: Path) -> dict[str, str]:
    files = [file for file in sorted(out.rglob("*")) if file.is_file() and file.name != WRITTEN]
    return {str(file.relative_to(out)): file.read_text() for file in files}


def test_an_earlier_run_makes_way_and_what_is_a_user_s_stays(out):
    write(out, "a.png", "b.png", "sub/c\n.jpg")
    (out / "notes.txt").write_text("mine")
    (out / "other").mkdir()
    write(out, "b.png", text="second")
    assert content(out) == {"b.png": "second", "notes.txt": "mine"}
    assert not list(out.glob(".gain-*"))


@pytest.mark.parametrize("name", ["a.png", "sub/me.jpg", "folder.png/x"])
def test_what_is_a_user_s_is_refused(out, name):
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("mine")
    with pytest.raises(UsageError, match="which gain did not write"):
        write(out, "b.png")
    assert content(out) == {name: "mine"}


def test_a_file_of_ours_that_was_edited_is_a_user_s(out):
    write(out, "a.png")
    (out / "a.png").write_text("edited")
    with pytest.raises(UsageError, match=r"'a\.png', which gain did not write, or which has changed since"):
        write(out, "a.png", text="second")
    assert content(out) == {"a.png": "edited"}


def test_what_another_verb_wrote_stays_ours(out):
    write(out, "a.png")
    with out_folder(out, [], ("*.json",)) as folder:
        (folder.scratch / "r.json").write_text("{}")
        folder.publish()
    write(out, "a.png", text="second")
    assert content(out) == {"a.png": "second", "r.json": "{}"}


def test_replacing_may_have_to_be_asked_for(out):
    write(out, "a.png", "b.png")
    with pytest.raises(UsageError, match=r"holds 2 files of an earlier run, such as 'a\.png'; --force"):
        write(out, "a.png", text="second", replace=False)
    assert content(out) == {"a.png": "first", "b.png": "first"}


def break_off(out: Path) -> None:
    with out_folder(out, [], PATTERNS) as folder:
        (folder.scratch / "a.png").write_text("half")
        raise KeyboardInterrupt


def test_a_run_that_breaks_off_leaves_what_was_there(out):
    with pytest.raises(KeyboardInterrupt):
        break_off(out)
    assert not out.exists()
    write(out, "a.png")
    with pytest.raises(KeyboardInterrupt):
        break_off(out)
    assert content(out) == {"a.png": "first"}


@pytest.mark.parametrize("name", ["result.json", "gallery/me.jpg", "overlay.webp"])
@pytest.mark.parametrize("verb", ["evaluate", "demo"])
def test_an_evaluation_does_not_touch_a_user_s_files(tmp_path, capsys, monkeypatch, verb, name):
    monkeypatch.setattr("gain_ros.evaluation.demo.run_demo", lambda *_: pytest.fail("refused before any work"))
    mine = tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    (tmp_path / "a.png").write_text("")
    source = ["--source", str(tmp_path / "a.png")] if verb == "demo" else [str(tmp_path / "a.png")]
    assert main([verb, *source, "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"holds {name!r}, which gain did not write" in line
    assert content(tmp_path / "out") == {name: "mine"}


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_mark_changes_no_pixel_and_goes_when_another_program_saves_the_file(suffix, tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    plain, file = encode(rgb, suffix), tmp_path / f"a{suffix}"
    file.write_bytes(marked(plain))
    assert is_marked(file)
    assert damage(file) is None
    np.testing.assert_array_equal(decode_rgb(file.read_bytes()), decode_rgb(plain))
    cv2.imwrite(str(file), cv2.imread(str(file)))
    assert not is_marked(file)
