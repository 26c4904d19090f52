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

"""--out: a folder in which nothing of a user's is ever written over, and every file is whole."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gain_ros.errors import UsageError
from gain_ros.files import atomic, scratch_folder

WRITTEN = ".gain_files"  # a line for each file that carries no mark: one that has changed since is a user's
_JPEG_HEAD, _PNG_HEAD = 2, 33  # the signature, and of a PNG the first chunk, IHDR
_NOTE = b"Software\0gain_ros"  # keyword and text
EVALUATION = ("result.json", "frames.jsonl", "report.html", "overlay.web?", "gallery/*")


@dataclass(frozen=True)
class OutFolder:
    """Where a verb writes: into ``scratch``, from where :meth:`publish` moves what is finished to ``folder``.

    ``old`` are the files of an earlier run, which the first new ones replace, all of them.
    """

    folder: Path
    scratch: Path
    old: list[Path]

    def publish(self) -> None:
        """Move what lies in ``scratch`` into the folder. Raises OSError."""
        files = sorted(file for file in self.scratch.rglob("*") if file.is_file())
        lines = [_line(self.scratch, file) for file in files if not is_marked(file)]
        if lines:  # before a file is there, it is known
            with (self.folder / WRITTEN).open("a", encoding="utf-8") as written:
                written.writelines(lines)
        while self.old:
            self.old.pop().unlink(missing_ok=True)
        for file in files:
            target = self.folder / file.relative_to(self.scratch)
            target.parent.mkdir(exist_ok=True)
            file.replace(target)


@contextlib.contextmanager
def out_folder(
    out: Path, sources: Iterable[str], patterns: tuple[str, ...], replace: bool = True
) -> Iterator[OutFolder]:
    """Make the folder that --out names; one in which nothing was published goes again.

    Args:
        out: the folder; it may hold what an earlier run wrote, and files of other names.
        sources: what is read.
        patterns: names of what will be written, as Path.glob takes them.
        replace: what an earlier run wrote makes way; False: it is refused.

    Raises UsageError where a source lies in the folder, or a file that the patterns match and that is a user's, or
    where the folder cannot be written.

    """
    _check_sources(out, sources)
    with contextlib.ExitStack() as stack:
        try:
            old = _earlier(out, patterns, replace)
            if not out.exists():
                stack.callback(_remove_if_empty, out)
            out.mkdir(parents=True, exist_ok=True)
            scratch = stack.enter_context(scratch_folder(out))
        except OSError as error:
            raise UsageError(
                f"--out {str(out)!r} cannot be a folder: {error}; name a folder that can be written"
            ) from error
        yield OutFolder(out, scratch, old)


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _check_sources(out: Path, sources: Iterable[str]) -> None:
    for source in sources:
        place, target = Path(source).resolve(), out.resolve()
        if (place.is_dir() and target.is_relative_to(place)) or target / f"{place.stem}.png" == place:
            raise UsageError(
                f"--out {str(out)!r} is where {source!r} lies, which would be written over; name another folder"
            )


def _earlier(out: Path, patterns: tuple[str, ...], replace: bool) -> list[Path]:
    """Return an earlier run's files that the patterns match, and forget what is gone. Raises UsageError for others."""
    lines = _written(out)
    found = sorted(file for pattern in patterns for file in out.glob(pattern))
    for file in found:
        if _line(out, file) not in lines and not (file.is_file() and is_marked(file)):
            raise UsageError(
                f"--out {str(out)!r} holds {str(file.relative_to(out))!r}, which gain did not write, or which has "
                "changed since; move it away or name another folder"
            )
    if found and not replace:
        raise UsageError(
            f"--out {str(out)!r} holds {len(found)} files of an earlier run, such as {found[0].name!r}; "
            "--force replaces them, or name another folder"
        )
    if lines:
        with atomic(out / WRITTEN) as file:
            file.write_text("".join(sorted(lines)), encoding="utf-8")
    return found


def _written(out: Path) -> set[str]:
    """Return the lines of files that are as they were written."""
    if not (out / WRITTEN).is_file():
        return set()
    now = {_line(out, file) for pattern in ("*", "*/*") for file in out.glob(pattern)}
    return now & set((out / WRITTEN).read_text(encoding="utf-8", errors="replace").splitlines(keepends=True))


def _line(folder: Path, file: Path) -> str:
    """Describe a file such that a change of it shows, at no cost for a large one."""
    status = os.lstat(file)
    known = {"file": str(file.relative_to(folder)), "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    return json.dumps(known) + "\n"


def marked(data: bytes) -> bytes:
    """Return a PNG or JPEG with a note in its head that we wrote it, which other programs drop when they save it."""
    if data.startswith(b"\xff\xd8"):
        at, segment = _JPEG_HEAD, b"\xff\xfe" + (2 + len(_NOTE)).to_bytes(2, "big") + _NOTE
    else:
        at, chunk = _PNG_HEAD, b"tEXt" + _NOTE
        segment = len(_NOTE).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    return data[:at] + segment + data[at:]


def is_marked(file: Path) -> bool:
    """Tell whether a file is as :func:`marked` returned it. Raises OSError."""
    with file.open("rb") as stream:
        return _NOTE in stream.read(_PNG_HEAD + 8 + len(_NOTE))
