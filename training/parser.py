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

"""Wrong use of the command line in one line, with the word that was probably meant."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from jsonargparse import ArgumentParser
from lightning.pytorch.cli import LightningArgumentParser

from gain_ros.errors import did_you_mean

CONFIGS = Path(__file__).parent / "configs"
_REASON = re.compile(
    r"Errors:\s+- (?:Problem with given class_path '([\w.]+)':)?(.*?)\n *- Expected a <class 'NoneType'>", re.DOTALL
)  # in what a value that may be None is refused with


class OneLineParser(LightningArgumentParser):
    """Lightning's parser, whose usage is a hundred lines, which no error needs."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if not self.exit_on_error:  # the parser of a class, within that of the command line
            super().error(message, ex)
        parser = getattr(ex, "subcommand_parser", None) or self
        prog = parser.prog.replace(" [options]", "")
        found = _REASON.search(message)
        class_path = found[1] if found else None
        text = " ".join(((f"{class_path}: " if class_path else "") + found[2] if found else message).split())
        hint = _hint(text, parser._option_string_actions, class_path)
        print(f"{prog}: {text}{hint}; {prog} --help says what it takes", file=sys.stderr)
        raise SystemExit(2)


def shipped_configs() -> list[str]:
    """Return the names of the configs that come with this package."""
    return sorted(file.stem for file in CONFIGS.glob("*.yaml"))


def _hint(text: str, options: Iterable[str], class_path: str | None) -> str:
    if text.endswith("required: fit.data"):
        return f"; give --config, a file or one of {', '.join(shipped_configs())}"
    if missing := re.search(r"File does not exist: '?([^']+)", text):
        return did_you_mean(Path(missing[1]).stem, shipped_configs())
    if choice := re.search(r"invalid choice: '([^']+)' \(choose from (.+)\)", text):
        return did_you_mean(choice[1], re.findall(r"\w+", choice[2]))
    if unknown := re.search(r"unrecognized arguments: ([^\s=]+)", text):
        return did_you_mean(unknown[1], options)
    if class_path and (required := re.search(r"arguments are required: (\w+)", text)):
        return f"; give --data.{required[1]}"
    if class_path and (refused := re.search(r"Option '(\w+)' is not accepted", text)):
        return did_you_mean(refused[1], _parameters(class_path))
    return ""


def _parameters(class_path: str) -> list[str]:
    """Return what can be given to a class, also what it hands on to the classes above."""
    module, _, name = class_path.rpartition(".")
    parser = ArgumentParser()
    parser.add_class_arguments(getattr(import_module(module), name), as_group=False)
    return [option.removeprefix("--") for option in parser._option_string_actions]
