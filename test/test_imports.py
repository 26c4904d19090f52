"""The rooms and the arrows between them: who may import what. Every Python file outside test/ is held to this table."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MESSAGES = (
    *("builtin_interfaces", "rcl_interfaces", "lifecycle_msgs", "sensor_msgs", "std_msgs", "std_srvs"),
    *("diagnostic_msgs", "rosgraph_msgs", "vision_msgs"),
)
ROS = ("rclpy", *MESSAGES)
DEMO = (
    *("gain_ros.demo", "gain_ros.runtime", "gain_ros.replay", "gain_ros.scenes", "gain_ros.labels", "gain_ros.score"),
    "gain_ros.node.images",  # a camera has to fill messages
)
ANYTHING = ("",)


@dataclass(frozen=True)
class Room:
    """What the files below one path may import. "gain_ros.runtime" allows "gain_ros.runtime.resize" as well.

    ``inside`` holds what may be imported inside functions (or for type checkers) alone: importing the file stays light.
    """

    libraries: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()


# The longest path that fits a file counts.
TABLE = {
    "gain_ros/__init__.py": Room(),
    "gain_ros/__main__.py": Room(rooms=("gain_ros.cli",)),
    "gain_ros/labels.py": Room(),
    "gain_ros/score.py": Room(("numpy", "cv2"), ("gain_ros.labels",)),
    "gain_ros/bundle.py": Room(
        ("numpy", "yaml"), ("gain_ros.labels",), inside=("safetensors", "cv2", "ament_index_python")
    ),
    "gain_ros/scenes/": Room(("numpy", "cv2"), ("gain_ros.labels", "gain_ros.scenes")),
    "gain_ros/model/": Room(("torch",), ("gain_ros.model", "gain_ros.labels", "gain_ros.bundle")),
    "gain_ros/model/kernels/": Room(("torch", "triton"), ("gain_ros.model",)),
    "gain_ros/runtime/": Room(("numpy", "cv2"), ("gain_ros.runtime", "gain_ros.labels", "gain_ros.bundle")),
    "gain_ros/runtime/export.py": Room(
        (), ("gain_ros.bundle", "gain_ros.runtime.graph"), inside=("torch", "onnx", "gain_ros.model")
    ),
    "gain_ros/runtime/graph.py": Room(("numpy",), inside=("onnx",)),
    "gain_ros/runtime/precision.py": Room(("numpy",), ("gain_ros.runtime", "gain_ros.bundle"), inside=("onnx",)),
    "gain_ros/runtime/quantize.py": Room(("numpy",), ("gain_ros.runtime",), inside=("onnx", "onnxruntime")),
    "gain_ros/runtime/yuv_graph.py": Room(("numpy",), inside=("onnx",)),
    "gain_ros/runtime/plugin.py": Room((), ("gain_ros.runtime",), inside=("onnx", "triton", "gain_ros.model.kernels")),
    "gain_ros/runtime/engines/": Room(("numpy",), ("gain_ros.runtime", "gain_ros.bundle")),
    "gain_ros/runtime/engines/onnxruntime_engine.py": Room(
        ("numpy", "onnxruntime"), ("gain_ros.runtime.engines", "gain_ros.bundle")
    ),
    "gain_ros/runtime/engines/openvino_engine.py": Room(
        ("numpy", "openvino"), ("gain_ros.runtime.engines", "gain_ros.bundle")
    ),
    # tensorrt and cuda are imported by name inside functions: a machine without them imports these files all the same.
    "gain_ros/runtime/engines/tensorrt_store.py": Room(
        ("numpy", "cv2"), ("gain_ros.runtime", "gain_ros.bundle"), inside=("onnx",)
    ),
    "gain_ros/runtime/engines/tensorrt_graphs.py": Room(
        ("numpy",), ("gain_ros.runtime", "gain_ros.bundle"), inside=("onnx",)
    ),
    "gain_ros/runtime/engines/torch_engine.py": Room(
        ("numpy", "torch"), ("gain_ros.runtime.engines", "gain_ros.runtime.frames", "gain_ros.bundle", "gain_ros.model")
    ),
    "gain_ros/node/": Room(("numpy", *ROS), ("gain_ros.node", "gain_ros.runtime", "gain_ros.labels")),
    "gain_ros/node/newest.py": Room(),
    "gain_ros/node/images.py": Room(("numpy", "cv2"), ("gain_ros.runtime.frames",), inside=("cv_bridge",)),
    "gain_ros/replay/": Room(
        ("numpy", "cv2", "yaml", "rosbags", "jinja2", "pygal"),
        (
            *("gain_ros.replay", "gain_ros.runtime", "gain_ros.labels", "gain_ros.score", "gain_ros.bundle"),
            *("gain_ros.scenes", "gain_ros.node.images"),
        ),
        inside=("ray",),
    ),
    "gain_ros/replay/live/": Room(
        ("numpy", *ROS), ("gain_ros.replay", "gain_ros.labels", "gain_ros.node.images"), inside=("ament_index_python",)
    ),
    "gain_ros/replay/live/traced_node.py": Room((), ("gain_ros.node",)),
    "gain_ros/demo/": Room(("numpy", "cv2", "jinja2", *ROS), DEMO),
    "gain_ros/demo/inprocess.py": Room(("numpy", *ROS), (*DEMO, "gain_ros.node")),  # gain bench times the node itself
    "gain_ros/cli/": Room((), ("gain_ros.cli", "gain_ros.labels"), inside=ANYTHING),
    "training/": Room(
        ("torch", "lightning", "torchmetrics", "jsonargparse", "numpy", "cv2", "yaml"),
        (
            *("training", "gain_ros.model", "gain_ros.labels", "gain_ros.bundle", "gain_ros.score", "gain_ros.scenes"),
            *("gain_ros.runtime.resize", "gain_ros.runtime.export"),
        ),
    ),
    "launch/": Room(("launch", "launch_ros", "lifecycle_msgs", "ament_index_python")),
    "setup.py": Room(("setuptools",)),
}


@dataclass(frozen=True)
class Import:
    line: int
    module: str
    inside: bool = False


def files() -> list[str]:
    places = ("*.py", "gain_ros/**/*.py", "training/**/*.py", "launch/**/*.py")
    return sorted(path.relative_to(ROOT).as_posix() for pattern in places for path in ROOT.glob(pattern))


def imports(tree: ast.AST, file: str, inside: bool = False) -> Iterator[Import]:
    """Each module that a file imports. `from a import b` counts as a.b where that is a module of ours, else as a."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, inside)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(Path(file).parts[:-1][: len(Path(file).parts) - node.level]) if node.level else ""
            base = ".".join(part for part in (package, node.module) if part)
            for alias in node.names:
                child = f"{base}.{alias.name}"
                yield Import(node.lineno, child if is_module(child) else base, inside)
        else:
            lazy = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or is_type_checking(node)
            yield from imports(node, file, inside or lazy)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def below(module: str, allowed: tuple[str, ...]) -> bool:
    return any(name == "" or module == name or module.startswith(name + ".") for name in allowed)


def room_of(file: str) -> tuple[str, Room]:
    fits = [path for path in TABLE if file == path or (path.endswith("/") and file.startswith(path))]
    assert fits, f"{file} lies in no room; give it one in this table (and in the design)"
    return max(((path, TABLE[path]) for path in fits), key=lambda entry: len(entry[0]))


def violations(file: str, source: str) -> list[str]:
    path, room = room_of(file)
    found = []
    for entry in imports(ast.parse(source), file):
        if entry.module.partition(".")[0] in sys.stdlib_module_names or entry.module == "gain_ros":
            continue
        if below(entry.module, room.libraries + room.rooms) or (entry.inside and below(entry.module, room.inside)):
            continue
        rule = f"may import {', '.join(room.libraries + room.rooms) or 'the standard library alone'}"
        if room.inside:
            rule += f"; inside a function also {', '.join(room.inside) if room.inside != ANYTHING else 'anything'}"
        found.append(f"{file}:{entry.line}: imports {entry.module}, but {path} {rule}")
    return found


@pytest.mark.parametrize("file", files())
def test_every_file_keeps_to_its_room(file):
    found = violations(file, (ROOT / file).read_text(encoding="utf-8"))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("file", "source", "seen"),
    [
        ("gain_ros/model/gain.py", "import rclpy", "rclpy"),
        ("gain_ros/model/gain.py", "def f():\n    from gain_ros import runtime", "gain_ros.runtime"),
        ("gain_ros/node/newest.py", "from sensor_msgs.msg import Image", "sensor_msgs.msg"),
        ("gain_ros/runtime/segmenter.py", "import torch", "torch"),
        ("gain_ros/runtime/export.py", "import torch", "torch"),
        ("gain_ros/labels.py", "from . import score", "gain_ros.score"),
        ("training/losses.py", "from gain_ros.runtime import engines", "gain_ros.runtime.engines"),
        ("gain_ros/bundle.py", "try:\n    import safetensors\nexcept ImportError:\n    pass", "safetensors"),
    ],
)
def test_the_reader_sees_a_wrong_import(file, source, seen):
    (message,) = violations(file, source)
    assert f"imports {seen}," in message
    assert message.startswith(f"{file}:")


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("gain_ros/runtime/export.py", "def f():\n    import torch"),
        ("gain_ros/runtime/export.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("gain_ros/cli/bench.py", "def f():\n    import onnxruntime"),
        ("training/losses.py", "from gain_ros.runtime import resize"),
        ("gain_ros/node/images.py", "import struct\nfrom gain_ros import __version__"),
    ],
)
def test_the_reader_lets_a_right_import_pass(file, source):
    assert violations(file, source) == []


# What stays out of a process that imports the module: the first in use decides what the rest of a program may load.
HEAVY = ("torch", "rclpy", "onnxruntime", "openvino", "tensorrt", "lightning")


@pytest.mark.parametrize("module", ["gain_ros", "gain_ros.bundle", "gain_ros.runtime.engines", "gain_ros.cli"])
def test_light_modules_load_no_engine_and_no_ros(module):
    code = f"import sys, {module}; print(*sorted(set({HEAVY}) & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []
