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

"""Mutated files and messages: an error of ours comes out or nothing, within bounded memory and time.

Longer by hand, where each round is another mutation: ``python test/fuzz/test_mutations.py png 100000``
"""

from __future__ import annotations

import io
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

GIB = 1 << 30
Case = tuple[bytes, Callable[[bytes], object]]  # what is mutated, and what reads it
ROUNDS = {"png": 300, "jpeg": 300, "graph": 1000, "yaml": 50, "checkpoint": 100, "message": 300, "mcap": 30, "db3": 30}


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, cut out, doubled, or blown up."""
    content = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        start = chance.randrange(len(content) + 1)
        end = min(len(content), start + chance.choice((1, 2, 4, 8, 64)))
        part = content[start:end]
        new = (chance.randbytes(len(part)), b"", bytes(part) * 3, b"\xff" * len(part), bytes(len(part)))
        content[start:end] = chance.choice(new)
    return bytes(content[: chance.randrange(len(content) + 1)] if chance.random() < 0.1 else content)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def picture(folder: Path, suffix: str) -> Case:
    from gain_ros.pictures import decode_rgb, encode

    return encode(noise(24, 32), suffix), lambda data: decode_rgb(data, 1 << 22)


def graph(folder: Path) -> Case:
    from onnx import helper

    from gain_ros.graph_check import beyond_plain_graph

    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3]) for _ in range(4)]
    return helper.make_model(helper.make_graph(nodes, "g", [], [])).SerializeToString(), beyond_plain_graph


def yaml(folder: Path) -> Case:
    from gain_ros.labels import CAMVID
    from gain_ros.model_folder import MODEL_YAML, read_model_folder, write_model_folder

    write_model_folder(
        folder / "m", name="m", architecture="gain_nano", options={"channels": 32}, labels=CAMVID, input_size=(6, 8),
        mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3), training={"data": "drawn"}, metrics={"miou": 0.5}, licence="CC0",
        weights={"w": np.zeros(1)}, golden=(noise(6, 8), np.zeros((6, 8), np.uint8)), graph=None,
    )  # fmt: skip

    def read(data: bytes) -> None:
        (folder / "m" / MODEL_YAML).write_bytes(data)
        read_model_folder(folder / "m").golden()

    return (folder / "m" / MODEL_YAML).read_bytes(), read


def checkpoint(folder: Path) -> Case:
    import torch

    from gain_ros.model.simpleseg import network, read_published

    def read(data: bytes) -> None:
        (folder / "c.pth").write_bytes(data)
        network(read_published(folder / "c.pth")["model"], "r18", 1)

    file = io.BytesIO()
    torch.save({"model": {"seg_head.output.4.weight": torch.zeros(300, 2), "b": torch.zeros(3)}, "iteration": 3}, file)
    return file.getvalue(), read


def message(folder: Path) -> Case:
    from bag_files import IMAGE, STORE, raw

    from gain_ros.errors import ImageError
    from gain_ros.messages import decode_image, decode_labels

    def read(data: bytes) -> None:
        try:
            given = STORE.deserialize_cdr(data, IMAGE.__msgtype__)
        except Exception:  # rosbags' own; sources/ accounts for it, and on a graph DDS drops such a message
            return
        for decode in (decode_image, decode_labels):
            try:
                decode(given, 1 << 22)
            except ImageError:  # noqa: PERF203
                continue

    return STORE.serialize_cdr(raw(1), IMAGE.__msgtype__), read


def bag(folder: Path, plugin: str) -> Case:
    from bag_files import StoragePlugin, packed, raw, write

    from gain_ros.sources.opening import open_source

    topics = {"/image": [raw(i) for i in range(3)], "/packed": [packed(i) for i in range(3)]}
    path = write(folder / "bag", topics, StoragePlugin[plugin])
    file = next(each for each in path.iterdir() if each.suffix != ".yaml")

    def read(data: bytes) -> None:
        file.write_bytes(data)
        for topic in topics:
            for _ in open_source(f"{path}:{topic}"):
                pass

    return file.read_bytes(), read


TARGETS: dict[str, Callable[[Path], Case]] = {
    "png": lambda folder: picture(folder, ".png"),
    "jpeg": lambda folder: picture(folder, ".jpg"),
    "graph": graph,
    "yaml": yaml,
    "checkpoint": checkpoint,
    "message": message,
    "mcap": lambda folder: bag(folder, "MCAP"),
    "db3": lambda folder: bag(folder, "SQLITE3"),
}


def virtual_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def fuzz(target: str, rounds: int) -> None:
    from gain_ros.errors import GainError

    with tempfile.TemporaryDirectory() as folder:
        data, read = TARGETS[target](Path(folder))
        resource.setrlimit(resource.RLIMIT_AS, (virtual_bytes() + GIB,) * 2)
        refused = 0
        for seed in range(rounds):
            try:
                read(mutated(data, random.Random(seed)))
            except GainError:  # noqa: PERF203
                refused += 1
            except BaseException as error:
                raise AssertionError(f"{target}: seed {seed}") from error
    print(f"{target}: {rounds} mutations, {refused} refused")


@pytest.mark.parametrize("target", ROUNDS)
def test_nothing_but_our_own_errors_comes_out(target: str) -> None:
    command = [sys.executable, __file__, target, str(ROUNDS[target])]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith(f"{target}: {ROUNDS[target]} mutations")


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "helpers")]
    fuzz(sys.argv[1], int(sys.argv[2]))
