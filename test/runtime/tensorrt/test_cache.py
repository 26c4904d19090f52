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

"""The engine cache: never a wrong engine, never half of one, and one build for many who ask."""

from __future__ import annotations

import dataclasses
import errno
import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from gain_ros.files import scratch_folder
from gain_ros.runtime.tensorrt import cache as engine_cache
from gain_ros.runtime.tensorrt.cache import Built, EngineCache, EngineCacheError, EngineKey

KEY = EngineKey(
    onnx="a" * 64, tensorrt="10.3.0", compute_capability="8.7", gpu="Orin", platform="l4t-36.4.3", precision="fp16",
    route="typed", profile="1x720x960x3", flags="", plugin="",
)  # fmt: skip
OTHER = {
    "onnx": "b" * 64, "tensorrt": "10.3.1", "compute_capability": "8.6", "gpu": "Orin NX", "platform": "sbsa",
    "precision": "fp32", "route": "flags", "profile": "1x720x961x3", "flags": "FP16", "plugin": "c" * 64,
}  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "tensorrt")


class Builder:
    """Counts builds; each gives another plan."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def __call__(self, why: str) -> Built:
        self.reasons.append(why)
        return Built({"engine.plan": b"plan %d" % len(self.reasons), "labels.png": b"picture"}, {"layers": 3})


def test_an_engine_is_built_once_and_read_ever_after(cache: EngineCache) -> None:
    build = Builder()
    first = cache.obtain(KEY, "nano", build)
    again = EngineCache(cache.folder).obtain(KEY, "nano", build)
    assert build.reasons == ["first engine of nano for 960x720 in fp16"]
    assert again == first
    assert again.read("engine.plan") == b"plan 1"
    assert (again.key, again.model, again.facts) == (KEY, "nano", {"layers": 3})


@pytest.mark.parametrize("part", [field.name for field in dataclasses.fields(EngineKey)])
def test_every_part_of_the_key_counts(cache: EngineCache, part: str) -> None:
    build = Builder()
    cache.obtain(KEY, "nano", build)
    changed = dataclasses.replace(KEY, **{part: OTHER[part]})
    assert cache.load(changed) is None
    assert cache.obtain(changed, "nano", build).read("engine.plan") == b"plan 2"
    assert cache.obtain(KEY, "nano", build).read("engine.plan") == b"plan 1"


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("tensorrt", "rebuilt because tensorrt '10.3.0' became '10.3.1'"),
        ("onnx", "rebuilt because the onnx graph changed"),
        ("gpu", "rebuilt because gpu 'Orin' became 'Orin NX'"),
        ("precision", "first engine of nano for 960x720 in fp32"),
    ],
)
def test_a_build_says_why(cache: EngineCache, part: str, said: str) -> None:
    build = Builder()
    cache.obtain(KEY, "nano", build)
    assert cache.obtain(dataclasses.replace(KEY, **{part: OTHER[part]}), "nano", build).why == said


def flip(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def swap(file: Path, old: bytes, new: bytes) -> None:
    assert old in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(old, new))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: flip(folder / "engine.plan", 3), "engine.plan has sha256"),
        (lambda folder: flip(folder / "labels.png", 0), "labels.png has sha256"),
        (lambda folder: (folder / "engine.plan").write_bytes(b"plan"), "engine.plan has sha256"),
        (lambda folder: (folder / "engine.plan").unlink(), "No such file"),
        (lambda folder: (folder / "entry.json").write_text("{"), "description cannot be read"),
        (lambda folder: (folder / "entry.json").write_text('{"key": 5}'), "description cannot be read"),
        (lambda folder: (folder / "entry.json").write_text("[]"), "description cannot be read"),
        (lambda folder: flip(folder / "entry.json", 200), "cannot be read"),
        (lambda folder: swap(folder / "entry.json", b"layers", b"lawyer"), "cannot be read"),
    ],
)
def test_a_damaged_engine_is_deleted_and_built_again(cache: EngineCache, damage, said: str) -> None:
    build = Builder()
    damage(cache.obtain(KEY, "nano", build).folder)
    entry = cache.obtain(KEY, "nano", build)
    assert entry.read("engine.plan") == b"plan 2"
    assert entry.why.startswith("rebuilt because the one in the cache was of no use: ")
    assert said in entry.why
    assert entry.damage() is None


def test_a_description_of_another_engine_is_not_believed(cache: EngineCache) -> None:
    build = Builder()
    file = cache.obtain(KEY, "nano", build).folder / "entry.json"
    document = json.loads(file.read_text())
    document["key"]["tensorrt"] = "11.0.0"
    file.write_text(json.dumps(document))
    assert cache.load(KEY) is None


def test_a_build_that_fails_leaves_nothing(cache: EngineCache) -> None:
    def fail(why: str) -> Built:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        cache.obtain(KEY, "nano", fail)
    assert cache.entries() == []
    assert cache.obtain(KEY, "nano", Builder()).read("engine.plan") == b"plan 1"


def test_a_full_disk_is_an_error_that_leaves_nothing(cache: EngineCache, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EngineCacheError, match=r"tensorrt: No space left on device; free space.*XDG_CACHE_HOME"):
        cache.obtain(KEY, "nano", Builder())
    with pytest.raises(EngineCacheError, match="No space left"):
        cache.store_graph("g", b"graph")
    assert [file.name for file in cache.folder.rglob("*") if file.suffix not in ("", ".lock")] == []
    assert [file.name for file in cache.folder.iterdir() if file.name != "graphs"] == [f"{KEY.digest}.lock"]
    monkeypatch.setattr(os, "fsync", real)
    assert cache.obtain(KEY, "nano", Builder()).damage() is None


def test_a_folder_that_cannot_be_written_is_noticed_before_the_build(tmp_path: Path) -> None:
    """Below a plain file, because root may write into read-only folders."""
    (tmp_path / "file").write_text("")
    build = Builder()
    with pytest.raises(EngineCacheError, match=r"file/tensorrt: Not a directory.*make it writable"):
        EngineCache(tmp_path / "file" / "tensorrt").obtain(KEY, "nano", build)
    assert build.reasons == []


def test_a_read_only_disk_says_so(cache: EngineCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(self: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(EngineCacheError, match="Read-only file system"):
        cache.obtain(KEY, "nano", Builder())


def _ask(folder: Path, start: object, log: Path) -> None:
    def build(why: str) -> Built:
        with log.open("a") as stream:
            stream.write("built\n")
        time.sleep(0.3)
        return Built({"engine.plan": b"plan"}, {})

    start.wait(30)
    EngineCache(folder).obtain(KEY, "nano", build)


def test_two_processes_that_ask_at_once_build_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, log = context.Event(), tmp_path / "log"
    processes = [context.Process(target=_ask, args=(tmp_path / "cache", start, log)) for _ in range(2)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    assert log.read_text() == "built\n"


def test_a_file_system_without_locks_is_named(cache: EngineCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(engine_cache.fcntl, "flock", refuse)
    with pytest.raises(EngineCacheError, match=r"No locks available.*XDG_CACHE_HOME"):
        cache.obtain(KEY, "nano", Builder())


def test_waiting_for_another_process_can_be_ended(cache: EngineCache) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    def stop() -> None:
        raise Stop

    def build_twice(why: str) -> Built:
        with pytest.raises(Stop):  # a second handle on the lock waits as another process would
            EngineCache(cache.folder).obtain(KEY, "nano", Builder(), waiting=stop)
        return Built({"engine.plan": b"plan"}, {})

    assert cache.obtain(KEY, "nano", build_twice).damage() is None


def test_prune_keeps_what_is_right_and_wanted(cache: EngineCache) -> None:
    build = Builder()
    kept = cache.obtain(KEY, "nano", build)
    unwanted = cache.obtain(dataclasses.replace(KEY, gpu="Thor"), "nano", build)
    damaged = cache.obtain(dataclasses.replace(KEY, precision="int8"), "nano", build)
    flip(damaged.folder / "engine.plan", 0)
    (cache.folder / ".gain-old.new").mkdir()
    with scratch_folder(cache.folder) as in_use:
        (cache.folder / ".gain-older.new").mkdir()
        gone = cache.prune(lambda entry: entry.key.gpu == "Orin")
        assert in_use.is_dir()
    assert sorted(gone) == sorted([".gain-older.new", unwanted.folder.name, damaged.folder.name])
    assert cache.entries() == [kept]


def test_graphs_are_kept_by_content(cache: EngineCache) -> None:
    assert cache.load_graph("g") is None
    cache.store_graph("g", b"first")
    cache.store_graph("g", b"second")
    cache.store_graph("h", b"other")
    assert (cache.load_graph("g"), cache.load_graph("h")) == (b"second", b"other")
    (file,) = cache.folder.glob("graphs/g-*")
    flip(file, 0)
    assert cache.load_graph("g") is None


def test_the_cache_is_beside_the_measurements(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert EngineCache().folder == tmp_path / "gain_ros" / "tensorrt"


@pytest.mark.parametrize("place", ["", "{key}", "{key}/engine.plan", "{key}/entry.json", "graphs", "graphs/{graph}"])
def test_what_others_can_write_is_not_loaded(cache: EngineCache, place: str) -> None:
    """An engine is code."""
    before = os.umask(0o002)
    cache.obtain(KEY, "nano", Builder())
    cache.store_graph("g", b"graph")
    os.umask(before)
    assert cache.load(KEY)
    assert cache.load_graph("g") == b"graph"
    graph = next((cache.folder / "graphs").iterdir()).name
    path = cache.folder / place.format(key=KEY.digest, graph=graph)
    path.chmod(path.stat().st_mode | 0o020)
    again = EngineCache(cache.folder)
    with pytest.raises(EngineCacheError, match=r"can be changed by others.*run `chmod -R go-w"):
        again.load(KEY) if "graph" not in place else again.load_graph("g")
    path.chmod(path.stat().st_mode & ~0o020)
    assert again.load(KEY)


def test_nothing_is_built_into_a_folder_of_others(cache: EngineCache) -> None:
    cache.folder.mkdir()
    cache.folder.chmod(0o777)
    build = Builder()
    with pytest.raises(EngineCacheError, match="can be changed by others"):
        cache.obtain(KEY, "nano", build)
    assert build.reasons == []
