# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Files and folders that are whole or absent, checksums, and where caches live."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

SCRATCH = ".new."  # begins the names of what is being written; a run that is killed leaves such a folder behind


@contextlib.contextmanager
def atomic(target: Path, replace_folder: bool = False) -> Iterator[Path]:
    """Make a file or a folder at the path given, which becomes ``target`` when the block ends without an error.

    A file at ``target`` is replaced; a folder that is not empty only with ``replace_folder``. Raises OSError.

    >>> with atomic(Path("result.json")) as file:
    ...     file.write_text("{}")
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=target.parent, ignore_cleanup_errors=True) as scratch:
        new, old = Path(scratch, target.name), Path(scratch, f"{target.name}.old")
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


def write_through(file: Path, content: bytes) -> None:
    """Write to the disk itself, so that a machine that loses power keeps no name whose content never arrived."""
    with file.open("wb") as stream:
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
