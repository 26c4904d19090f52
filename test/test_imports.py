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

"""Every Python file outside test/ against the table of docs/architecture.md: who may import whom, and no circles."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "architecture.md"
FOLDERS = ("gain_ros", "training", "launch", "benchmarks")
FIRST_ROW = tuple(f"gain_ros.{file.stem}" for file in (ROOT / "gain_ros").glob("*.py") if not file.stem.startswith("_"))
ROS = (
    *("rclpy", "builtin_interfaces", "rcl_interfaces", "lifecycle_msgs", "sensor_msgs", "std_msgs", "std_srvs"),
    *("diagnostic_msgs", "rosgraph_msgs"),
)
GROUPS = {"*first row*": FIRST_ROW, "*ROS*": ROS, "*anything*": ("",)}


@dataclass(frozen=True)
class Room:
    """What the files below one path may import: ``anywhere``, and ``inside`` functions alone.

    "gain_ros.runtime" allows "gain_ros.runtime.segmenter" as well.
    """

    anywhere: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Import:
    line: int
    module: str
    inside: bool = False


def read_table(text: str) -> dict[str, Room]:
    """The rows of the document's table by their first cell."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    return {
        path.strip("`"): Room(names(libraries) + names(ours, "gain_ros."), names(inside))
        for path, libraries, ours, inside in rows
    }


def names(cell: str, prefix: str = "") -> tuple[str, ...]:
    found: list[str] = []
    for word in re.findall(r"\*[^*]+\*|`[^`]+`", cell):
        name = word.strip("`")
        found += GROUPS.get(word, [name if name.startswith("training") else prefix + name])
    return tuple(found)


TABLE = read_table(DOCUMENT.read_text(encoding="utf-8"))


def files() -> list[str]:
    patterns = ("*.py", *(f"{folder}/**/*.py" for folder in FOLDERS))
    return sorted(path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern))


def imports(tree: ast.AST, file: str, inside: bool = False) -> Iterator[Import]:
    """Each module that a file imports. `from a import b` counts as a.b where that is a module of ours, else as a.

    What only a type checker imports does not count.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, inside)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(Path(file).parts[: len(Path(file).parts) - node.level]) if node.level else ""
            base = ".".join(part for part in (package, node.module) if part)
            for alias in node.names:
                child = f"{base}.{alias.name}"
                yield Import(node.lineno, child if path_of(child) else base, inside)
        elif not is_type_checking(node):
            lazy = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from imports(node, file, inside or lazy)


def path_of(module: str) -> str | None:
    """The file of a module of ours, from the root; None for others."""
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file.relative_to(ROOT).as_posix()
    return None


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def below(module: str, allowed: tuple[str, ...]) -> bool:
    return any(name == "" or module == name or module.startswith(name + ".") for name in allowed)


def room_of(file: str) -> tuple[str, Room]:
    fits = [path for path in TABLE if file == path or (path.endswith("/") and file.startswith(path))]
    assert fits, f"{file} lies in no room; give it one in the table of {DOCUMENT.relative_to(ROOT)}"
    return max(((path, TABLE[path]) for path in fits), key=lambda entry: len(entry[0]))


def violations(file: str, source: str) -> list[str]:
    path, room = room_of(file)
    found = []
    for entry in imports(ast.parse(source), file):
        if entry.module.partition(".")[0] in sys.stdlib_module_names or entry.module == "gain_ros":
            continue
        if below(entry.module, room.anywhere) or (entry.inside and below(entry.module, room.inside)):
            continue
        rule = f"may import {', '.join(room.anywhere) or 'the standard library alone'}"
        if room.inside:
            rule += f"; inside a function also {', '.join(room.inside) if room.inside != ('',) else 'anything'}"
        found.append(f"{file}:{entry.line}: imports {entry.module}, but {path} {rule}")
    return found


def circle(arrows: dict[str, set[str]]) -> list[str] | None:
    """A circle in the graph, or None."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def arrows() -> dict[str, set[str]]:
    """File → files of ours that it imports, inside functions too."""
    found: dict[str, set[str]] = {}
    for file in files():
        modules = (entry.module for entry in imports(ast.parse((ROOT / file).read_text(encoding="utf-8")), file))
        found[file] = {path for module in modules if (path := path_of(module)) and path != file}
    return found


def house(file: str) -> str:
    """The room of a file as a floor plan shows it: a folder of gain_ros, or a folder at the top."""
    parts = file.split("/")
    return "/".join(parts[:2]) if parts[0] == "gain_ros" else parts[0]


@pytest.mark.parametrize("file", files())
def test_every_file_keeps_to_its_room(file):
    found = violations(file, (ROOT / file).read_text(encoding="utf-8"))
    assert not found, "\n".join(found)


def test_no_files_import_each_other_in_a_circle():
    assert circle(arrows()) is None


def test_no_rooms_import_each_other_in_a_circle():
    rooms: dict[str, set[str]] = {}
    for file, targets in arrows().items():
        rooms.setdefault(house(file), set()).update(house(target) for target in targets)
    assert circle({room: targets - {room} for room, targets in rooms.items()}) is None


def test_a_circle_is_seen():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) is not None


def test_every_row_of_the_table_stands_for_something():
    assert not [path for path in TABLE if not (ROOT / path).exists()]


def test_the_document_names_files_that_are_there():
    named = set(re.findall(r"\w+(?:/\w+)*\.py\b", DOCUMENT.read_text(encoding="utf-8")))
    here = [f"/{file}" for file in files()]
    assert not [name for name in named if not (ROOT / name).exists() and not any(f.endswith(f"/{name}") for f in here)]


@pytest.mark.parametrize(
    ("file", "source", "seen"),
    [
        ("gain_ros/model/gain.py", "import rclpy", "rclpy"),
        ("gain_ros/model/gain.py", "def f():\n    from gain_ros import runtime", "gain_ros.runtime"),
        ("gain_ros/messages.py", "from sensor_msgs.msg import Image", "sensor_msgs.msg"),
        ("gain_ros/runtime/segmenter.py", "import torch", "torch"),
        ("gain_ros/onnx/export.py", "import torch", "torch"),
        ("gain_ros/labels.py", "from . import score", "gain_ros.score"),
        ("gain_ros/model/load.py", "from .. import node", "gain_ros.node"),
        ("training/losses.py", "from gain_ros.runtime import engines", "gain_ros.runtime.engines"),
        ("gain_ros/model_folder.py", "try:\n    import safetensors\nexcept ImportError:\n    pass", "safetensors"),
    ],
)
def test_the_reader_sees_a_wrong_import(file, source, seen):
    (message,) = violations(file, source)
    assert f"imports {seen}," in message
    assert message.startswith(f"{file}:")


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("gain_ros/onnx/export.py", "def f():\n    import torch"),
        ("gain_ros/onnx/export.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("gain_ros/cli/bench.py", "def f():\n    import onnxruntime"),
        ("training/losses.py", "from gain_ros import resize"),
        ("gain_ros/messages.py", "import struct\nfrom gain_ros import __version__"),
    ],
)
def test_the_reader_lets_a_right_import_pass(file, source):
    assert violations(file, source) == []


# What stays out of a process that imports the module: the first in use decides what the rest of a program may load.
HEAVY = ("torch", "rclpy", "onnxruntime", "openvino", "tensorrt", "lightning")


@pytest.mark.parametrize("module", ["gain_ros", "gain_ros.model_folder", "gain_ros.runtime.engines", "gain_ros.cli"])
def test_light_modules_load_no_engine_and_no_ros(module):
    code = f"import sys, {module}; print(*sorted(set({HEAVY}) & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []
