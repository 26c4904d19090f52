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

"""Pages: links lead somewhere, every page is in the index, and the commands are ones that the programs take."""

from __future__ import annotations

import importlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from gain_ros.cli import VERBS
from gain_ros.cli.common import Parser

TOP = Path(__file__).resolve().parents[1]
PAGES = sorted([*TOP.glob("*.md"), *TOP.glob("docs/*.md")])
LINK = re.compile(r"\]\(([^)#]+?)(#[^)]*)?\)")


def is_outside(target: str) -> bool:
    return "://" in target or target.startswith("mailto:")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [target for target, _ in LINK.findall(page.read_text(encoding="utf-8")) if not is_outside(target)]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_index_has_every_page() -> None:
    index = TOP / "docs/index.md"
    linked = {target for target, _ in LINK.findall(index.read_text(encoding="utf-8"))}
    assert {page.name for page in TOP.glob("docs/*.md")} - {"index.md"} <= linked


BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
SPAN = re.compile(r"`(gain [a-z][^`]*)`")
GAIN = ("gain", ".venv/bin/gain", "ros2 run gain_ros gain")


def block_commands() -> Iterator[tuple[str, str]]:
    """Yield every command of the pages' blocks, one a shell would start, with its page."""
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                for command in line.split(" #")[0].split("&&"):
                    yield page.name, command.strip()


def gain_words(command: str) -> list[str] | None:
    """Return what follows ``gain`` in a command, or None where it starts something else."""
    start = next((name for name in GAIN if command.startswith(f"{name} ")), None)
    return shlex.split(command.removeprefix(start)) if start else None


def verb_parser(verb: str) -> Parser:
    parser = Parser(prog=f"gain {verb}")
    importlib.import_module(f"gain_ros.cli.{verb.replace('-', '_')}").configure(parser)
    return parser


COMMANDS = sorted(set(block_commands()))


@pytest.mark.parametrize(("page", "command"), [each for each in COMMANDS if gain_words(each[1])])
def test_gain_takes_the_commands_of_the_pages(page: str, command: str) -> None:
    verb, *words = gain_words(command) or [""]
    assert verb in VERBS
    verb_parser(verb).parse_args(words)


def unknown_words(span: str) -> list[str]:
    """Return the verb or the options of ``gain VERB ... --option ...`` that do not exist."""
    verb, *rest = span.removeprefix("gain ").split()
    if verb not in VERBS:
        return [verb]
    if verb == "node":  # its arguments are ROS's own
        return []
    return [word for word in re.findall(r"--[\w-]+", " ".join(rest)) if word not in verb_parser(verb).format_help()]


def test_verbs_and_options_named_in_sentences_exist() -> None:
    spans = {(page.name, span) for page in PAGES for span in SPAN.findall(page.read_text(encoding="utf-8"))}
    assert len(spans) > 20
    assert [(name, span) for name, span in sorted(spans) if unknown_words(span)] == []


@pytest.mark.parametrize(("page", "command"), [each for each in COMMANDS if each[1].startswith("make ")])
def test_make_has_the_targets_of_the_pages(page: str, command: str) -> None:
    makefile = (TOP / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{re.escape(command.split()[1])}:", makefile, re.MULTILINE)


@pytest.mark.parametrize(("page", "command"), [each for each in COMMANDS if "ros2 launch gain_ros" in each[1]])
def test_the_launch_file_takes_the_arguments_of_the_pages(page: str, command: str) -> None:
    launch = (TOP / "launch/segment.launch.py").read_text(encoding="utf-8")
    assert [name for name in re.findall(r" (\w+):=", command) if f'"{name}"' not in launch] == []


@pytest.mark.parametrize(("page", "command"), [each for each in COMMANDS if "python -m training" in each[1]])
def test_training_has_the_verbs_and_configs_of_the_pages(page: str, command: str) -> None:
    verbs = (TOP / "training/__main__.py").read_text(encoding="utf-8")
    words = shlex.split(command)
    configs = [word for word in words if word.startswith("training/configs/")]
    assert f'"{words[3]}"' in verbs or words[3] in ("fit", "validate", "test")  # Lightning's own
    assert [config for config in configs if not (TOP / config).is_file()] == []


def test_strokes_of_label_studio_become_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines of the page, on files named as Label Studio's converter (label-studio-sdk 2.1.2) names them."""
    monkeypatch.chdir(tmp_path)
    Path("export").mkdir()
    tasks = [
        {"id": 3, "data": {"image": "/data/upload/1/0123abcd-street-7.jpg"}},
        {"id": 4, "data": {"image": "a.jpg"}},
    ]
    Path("export.json").write_text(json.dumps(tasks), encoding="utf-8")
    for number, (name, rows) in enumerate({"other-0": (0, 4), "road-0": (2, 6), "road-1": (5, 8)}.items()):
        stroke = np.zeros((10, 6), np.uint8)
        stroke[slice(*rows), number:] = 255
        cv2.imwrite(f"export/task-3-annotation-103-by-me@x.org-tag-{name}.png", stroke)
    (lines,) = re.findall(r"```python\n(.*?)```", (TOP / "docs" / "own_data.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(lines, {})
    assert [file.name for file in Path("streets/masks/train").iterdir()] == ["street-7.png"]
    mask = cv2.imread("streets/masks/train/street-7.png", cv2.IMREAD_UNCHANGED)
    assert mask[:, 0].tolist() == [2] * 4 + [255] * 6
    assert mask[:, 5].tolist() == [2] * 4 + [0] * 4 + [255] * 2
