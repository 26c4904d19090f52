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

"""Engines built on this machine, each under a key of everything it depends on: whole and checked, or not there."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from gain_ros.errors import EngineUnavailable
from gain_ros.files import atomic, cache_folder, check_private, sweep, write_through
from gain_ros.frames import describe

_ENTRY = "entry.json"
_POLL_S = 0.2


class EngineCacheError(EngineUnavailable):
    """The cache folder cannot hold an engine. The text names the folder, the system's reason and what to do."""


@dataclass(frozen=True)
class EngineKey:
    """Everything a built engine depends on: two engines are interchangeable when all of it is equal.

    ``onnx`` and ``plugin`` are sha256 sums ("" without a plugin), ``compute_capability`` is like "8.7", ``platform``
    like "x86_64", "sbsa" or "l4t-36.4.3", ``profile`` the input's shape like "1x720x960x3", ``flags`` what the builder
    was told.
    """

    onnx: str
    tensorrt: str
    compute_capability: str
    gpu: str
    platform: str
    precision: str
    route: str
    profile: str
    flags: str
    plugin: str

    @property
    def digest(self) -> str:
        """Name of the engine's folder."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of one frame, from ``profile``."""
        return tuple(map(int, self.profile.split("x")))[1:]

    def changes(self, before: EngineKey) -> list[str]:
        """Return what is different from an older key, in words."""
        pairs = [(each.name, getattr(before, each.name), getattr(self, each.name)) for each in fields(self)]
        return [
            f"the {name} graph changed" if name in ("onnx", "plugin") else f"{name} {old!r} became {new!r}"
            for name, old, new in pairs
            if old != new
        ]


@dataclass(frozen=True)
class Entry:
    """One engine in the cache.

    ``model`` is the model's name, ``why`` the reason for which it was built, ``sha256`` maps each file's name to its
    sum, ``facts`` holds what the build reported (JSON values).
    """

    key: EngineKey
    folder: Path
    model: str
    created: str
    why: str
    sha256: dict[str, str]
    facts: dict[str, Any]

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def damage(self) -> str | None:
        """Return what is wrong with the files, or None."""
        for name, expected in self.sha256.items():
            try:
                found = hashlib.sha256(self.read(name)).hexdigest()
            except OSError as error:
                return f"{name}: {error.strerror}"
            if found != expected:
                return f"{name} has sha256 {found[:12]}, expected {expected[:12]}"
        return None

    @property
    def size_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.folder.iterdir())


@dataclass(frozen=True)
class Built:
    """What a build hands over: file name → content, and what is worth knowing about it (JSON values)."""

    files: dict[str, bytes]
    facts: dict[str, Any]


class EngineCache:
    """The cache folder; by default ``tensorrt`` beside the file where engine "auto" keeps its measurements.

    An engine is code: nothing is read that anybody but this user or root could have written. Every method raises
    EngineCacheError where that is so.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = folder or cache_folder() / "tensorrt"
        self._lost: dict[str, str] = {}

    def load(self, key: EngineKey) -> Entry | None:
        """Return the engine with this key; None where there is none. One that was damaged is deleted."""
        folder = self.folder / key.digest
        if not folder.is_dir():
            return None
        self._check(folder, *folder.iterdir())
        entry = _read_entry(folder)
        damage = "its description cannot be read" if entry is None or entry.key != key else entry.damage()
        if damage is None:
            return entry
        self.discard(key, damage)
        return None

    def obtain(
        self,
        key: EngineKey,
        model: str,
        build: Callable[[str], Built],
        waiting: Callable[[], None] = lambda: None,
    ) -> Entry:
        """Return the engine with this key, built now if there is none.

        Of several processes that ask at once one builds.

        ``build`` is told the reason in words. ``waiting`` is called now and then while another process builds; what it
        raises ends the wait. Raises EngineCacheError where the folder cannot be written.
        """
        entry = self.load(key)
        if entry is not None:
            return entry
        with self._locked(key, waiting):
            entry = self.load(key)  # built by another process while this one waited
            if entry is not None:
                return entry
            why = self._why(key, model)
            built = build(why)
            self._write(key, model, why, built)
            entry = _read_entry(self.folder / key.digest)
            if entry is None:
                raise EngineCacheError(f"engine cache {self.folder}: what was just written is gone; build again")
            return entry

    def load_graph(self, name: str) -> bytes | None:
        """Return a graph kept under ``name``. Its sum is in the file's name: a damaged one is not taken."""
        for file in self.folder.glob(f"graphs/{name}-*.onnx"):
            with contextlib.suppress(FileNotFoundError):  # another process may have just replaced it
                self._check(file.parent, file)
                content = file.read_bytes()
                if file.name == _graph_file(name, content):
                    return content
        return None

    def store_graph(self, name: str, content: bytes) -> None:
        """Keep a graph in place of any other of its name. Raises EngineCacheError."""
        folder = self.folder / "graphs"
        self._make(folder)
        with self._reporting():
            old, new = set(folder.glob(f"{name}-*.onnx")), folder / _graph_file(name, content)
            with atomic(new) as file:
                write_through(file, content)
            for file in old - {new}:
                file.unlink(missing_ok=True)

    def discard(self, key: EngineKey, why: str) -> None:
        """Delete an engine that is of no use; ``why`` becomes the reason for building it again."""
        self._lost[key.digest] = why
        with self._reporting(), contextlib.suppress(FileNotFoundError):  # another process may be faster
            shutil.rmtree(self.folder / key.digest)

    def entries(self) -> list[Entry]:
        """Every engine whose description can be read, oldest first. Their files are not checked."""
        folders = self._engine_folders()
        self._check(*folders)
        return sorted(filter(None, map(_read_entry, folders)), key=lambda entry: entry.created)

    def prune(self, keep: Callable[[Entry], bool]) -> list[str]:
        """Delete what ``keep`` refuses, what is damaged, and what interrupted builds left; name what went."""
        gone = []
        with self._reporting():
            for folder in self._engine_folders():
                entry = _read_entry(folder)
                if entry is None or entry.damage() or not keep(entry):
                    shutil.rmtree(folder)
                    gone.append(folder.name)
            return [*gone, *sweep(self.folder), *sweep(self.folder / "graphs")]

    def _engine_folders(self) -> list[Path]:
        return [file.parent for file in sorted(self.folder.glob(f"*/{_ENTRY}")) if not file.parent.match(".*")]

    def _why(self, key: EngineKey, model: str) -> str:
        lost = self._lost.pop(key.digest, None)
        if lost is not None:
            return f"rebuilt because the one in the cache was of no use: {lost}"
        older = [
            key.changes(entry.key)
            for entry in self.entries()
            if (entry.model, entry.key.precision, entry.key.profile) == (model, key.precision, key.profile)
        ]
        if not older:
            return f"first engine of {model} for {describe(key.shape)} in {key.precision}"
        fewest = min(older, key=len)
        return f"rebuilt because {'; '.join(fewest)}"

    @contextlib.contextmanager
    def _locked(self, key: EngineKey, waiting: Callable[[], None]) -> Iterator[None]:
        """Held by one process at a time; the system frees it when a process dies."""
        self._make(self.folder)
        with self._reporting():
            file = (self.folder / f"{key.digest}.lock").open("w")
        with file:
            while not self._lock(file):
                waiting()
                time.sleep(_POLL_S)
            yield

    def _lock(self, file: IO[str]) -> bool:
        with self._reporting():  # some network file systems have no locks
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def _write(self, key: EngineKey, model: str, why: str, built: Built) -> None:
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in built.files.items()}
        created = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        document = {
            "key": asdict(key), "model": model, "created": created, "why": why, "sha256": sums, "facts": built.facts
        }  # fmt: skip
        with self._reporting(), atomic(self.folder / key.digest) as scratch:
            scratch.mkdir(mode=0o700)
            for name, content in built.files.items():
                write_through(scratch / name, content)
            document["checksum"] = _checksum(document)
            write_through(scratch / _ENTRY, json.dumps(document, indent=1).encode())

    def _make(self, folder: Path) -> None:
        with self._reporting():
            folder.mkdir(0o700, parents=True, exist_ok=True)
        self._check(folder)

    def _check(self, *paths: Path) -> None:
        """Raise EngineCacheError unless the cache and these paths in it are this user's alone to write."""
        for path in (self.folder, *paths):
            with contextlib.suppress(FileNotFoundError):  # not made yet, or just deleted by another process
                try:
                    check_private(path)
                except PermissionError as error:
                    raise EngineCacheError(f"engine cache: {error.strerror}") from error

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EngineCacheError(
                f"engine cache {self.folder}: {error.strerror or error}; free space there, make it writable, or set "
                "XDG_CACHE_HOME to another folder"
            ) from error


def _graph_file(name: str, content: bytes) -> str:
    return f"{name}-{hashlib.sha256(content).hexdigest()}.onnx"


def _checksum(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _read_entry(folder: Path) -> Entry | None:
    """None unless all of the description is there as it was written."""
    try:
        document = json.loads((folder / _ENTRY).read_text(encoding="utf-8"))
        if document.pop("checksum") != _checksum(document):
            return None
        return Entry(folder=folder, **(document | {"key": EngineKey(**document["key"])}))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
