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

"""Files and folders that are whole or absent, temporary folders, checksums, and where caches live."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX, _SUFFIX, _OLD = ".gain-", ".new", ".old"


@contextlib.contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Make a folder in ``parent``, or where the system keeps temporary files, that is gone when the block ends.

    What killed processes left there goes first. Raises OSError.
    """
    parent = parent or Path(tempfile.gettempdir())
    sweep(parent)
    made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    with _lock(made):
        folder = made.rename(f"{made}{_SUFFIX}")  # no name that is swept is ever without its lock
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep(parent: Path) -> list[str]:
    """Remove the scratch folders in ``parent`` whose owner is gone, and with it their lock; returns their names."""
    gone = []
    for folder in parent.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError), _lock(folder) as held:
            if held and folder.stat().st_uid == os.geteuid():
                _step_back(folder)
                shutil.rmtree(folder)
                gone.append(folder.name)
    return gone


def _step_back(scratch: Path) -> None:
    """Put a folder that had stepped aside for a new one back, where :func:`atomic` was killed between the two."""
    for old in scratch.glob(f"*{_OLD}"):
        target = scratch.parent / old.name.removesuffix(_OLD)
        if not target.exists():
            old.rename(target)


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    """Lock a folder; the system unlocks it when the process dies. False: someone has, or there are no locks here."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic(target: Path, replace_folder: bool = False) -> Iterator[Path]:
    """Make a file or a folder at the path given, which becomes ``target`` when the block ends without an error.

    A file at ``target`` is replaced; a folder that is not empty only with ``replace_folder``. Raises OSError.

    >>> with atomic(Path("result.json")) as file:
    ...     file.write_text("{}")
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(target.parent) as scratch:
        new, old = scratch / target.name, scratch / f"{target.name}{_OLD}"
        yield new
        if not (replace_folder and target.is_dir()):
            new.replace(target)
            return
        target.rename(old)  # no folder is renamed over a full one, so the old one steps aside
        try:
            new.rename(target)
        except OSError:
            old.rename(target)
            raise


def read_bounded(file: Path, most_bytes: int) -> bytes:
    """Return the content of a regular file. Raises OSError, also for one of more than ``most_bytes``."""
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
        raise OSError(errno.EINVAL, "is no regular file")
    if status.st_size > most_bytes:
        raise OSError(errno.EFBIG, f"has {status.st_size} bytes, more than {most_bytes}")
    with file.open("rb") as stream:
        return stream.read(status.st_size)  # most_bytes would be allocated at once


def check_private(path: Path) -> None:
    """Raise OSError unless this user, or root, owns ``path`` and nobody else can write it."""
    status = path.stat()
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(
            errno.EPERM,
            f"{path} can be changed by others (owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):o}), and what "
            f"lies there is run: delete it, or look whose it is and run `chmod -R go-w {path}`",
        )


def write_through(file: Path, content: bytes) -> None:
    """Write to the disk itself, so that a machine that loses power keeps no name whose content never arrived.

    Nobody else may read or write a file that is made here.
    """
    with open(file, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sha256(file: Path) -> str:
    """Return the hex digest of a file, read in blocks."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cache_folder() -> Path:
    """Return ``$XDG_CACHE_HOME/gain_ros``, else that below ``~/.cache``. Raises RuntimeError without a home folder."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "gain_ros"
