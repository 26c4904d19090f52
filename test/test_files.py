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

"""Files and folders are whole or absent, and nothing is left beside them."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gain_ros.files import (
    atomic,
    cache_folder,
    check_private,
    read_bounded,
    scratch_folder,
    sha256,
    sweep,
    write_through,
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "new" / "home"


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_file_replaces_the_one_before(home: Path) -> None:
    for text in ("first", "second"):
        with atomic(home / "a.txt") as file:
            file.write_text(text)
    assert ((home / "a.txt").read_text(), names(home)) == ("second", ["a.txt"])


def test_a_failure_leaves_what_was_there(home: Path) -> None:
    home.mkdir(parents=True)
    write_through(home / "a.txt", b"old")

    def fail() -> None:
        with atomic(home / "a.txt") as file:
            file.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert ((home / "a.txt").read_text(), names(home)) == ("old", ["a.txt"])


def write_folder(folder: Path, name: str, **how: bool) -> None:
    with atomic(folder, **how) as scratch:
        assert not scratch.exists()
        scratch.mkdir()
        (scratch / name).touch()


def test_a_folder_is_replaced_only_where_that_was_asked_for(home: Path) -> None:
    write_folder(home / "d", "first")
    with pytest.raises(OSError, match="not empty"):
        write_folder(home / "d", "second")
    assert names(home / "d") == ["first"]
    write_folder(home / "d", "second", replace_folder=True)
    assert (names(home / "d"), names(home)) == (["second"], ["d"])


def test_a_folder_that_cannot_be_replaced_stays(home: Path) -> None:
    write_folder(home / "d", "first")
    with pytest.raises(FileNotFoundError), atomic(home / "d", replace_folder=True):
        pass  # nothing is made in its place
    assert (names(home / "d"), names(home)) == (["first"], ["d"])


def test_a_digest_is_that_of_the_whole_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # more than one block
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_the_cache_is_where_the_desktop_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "gain_ros"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "gain_ros"


def test_a_file_is_private_where_only_its_owner_or_root_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "engine"
    before = os.umask(0o002)
    write_through(file, b"code")
    os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    check_private(file)
    for mode in (0o620, 0o602):
        file.chmod(mode)
        with pytest.raises(PermissionError, match=rf"engine can be changed by others.*mode {mode:o}.*chmod -R go-w"):
            check_private(file)
    file.chmod(0o644)
    if (owner := os.geteuid()) == 0:
        os.chown(file, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(PermissionError, match="can be changed by others"):
        check_private(file)


def test_only_regular_files_are_read_and_no_large_ones(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1234")
    os.mkfifo(tmp_path / "pipe")
    assert read_bounded(tmp_path / "a", 4) == b"1234"
    for name, text in (("a", "has 4 bytes, more than 3"), ("pipe", "is no regular file")):
        with pytest.raises(OSError, match=text):
            read_bounded(tmp_path / name, 3)


OWNER = """
import sys
from pathlib import Path
from gain_ros.files import atomic, scratch_folder
with atomic(Path(sys.argv[1], "drive"), replace_folder=True) as new:
    new.mkdir()
    print(new.parent, flush=True)
    if sys.argv[2]:
        Path(sys.argv[1], "drive").rename(new.with_name("drive.old"))  # where a kill is worst
    sys.stdin.read()
"""


@pytest.mark.parametrize("moved", ["", "moved"])
def test_what_a_killed_process_left_goes_at_the_next_start(tmp_path: Path, moved: str) -> None:
    write_folder(tmp_path / "drive", "first")
    words = [sys.executable, "-c", OWNER, str(tmp_path), moved]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        left = Path(owner.stdout.readline().strip())
        assert sweep(tmp_path) == [], "its owner lives"
        owner.kill()
    with scratch_folder(tmp_path):
        assert not left.exists()
    assert (names(tmp_path / "drive"), names(tmp_path)) == (["first"], ["drive"])


def test_only_what_is_ours_is_swept(tmp_path: Path) -> None:
    for name in ("gain-a.new", ".gain-a", ".new", ".gain-b.new"):
        (tmp_path / name).mkdir()
    (tmp_path / ".gain-file.new").touch()
    (tmp_path / ".gain-link.new").symlink_to(tmp_path / "gain-a.new")
    with scratch_folder(tmp_path) as folder:
        assert sweep(tmp_path) == []
        left = {".gain-a", ".gain-file.new", ".gain-link.new", ".new", "gain-a.new", folder.name}
        assert set(names(tmp_path)) == left
    assert not folder.exists()


def test_a_file_system_without_locks_is_written_to_and_never_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with scratch_folder(tmp_path) as folder:
        assert sweep(tmp_path) == []
        assert folder.is_dir()
    assert names(tmp_path) == []
