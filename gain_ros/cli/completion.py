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

"""What a shell completes behind ``gain``, by argcomplete: verbs, options, engines and models.

Once, in a shell: ``eval "$(register-python-argcomplete gain)"``. The shell then runs gain with _ARGCOMPLETE set.
"""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Mapping
from typing import Any


def complete(verbs: Mapping[str, str]) -> None:
    """Answer the shell and end the process; return where argcomplete is not installed."""
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser_of(verbs, os.environ.get("COMP_LINE", "").split()))


def parser_of(verbs: Mapping[str, str], words: list[str]) -> argparse.ArgumentParser:
    """Make a parser of all verbs; only those among ``words`` have their options, which take time to import."""
    parser = argparse.ArgumentParser(prog="gain")
    parser.add_argument("--version", action="store_true")
    each = parser.add_subparsers()
    for verb, text in verbs.items():
        known = each.add_parser(verb, help=text)
        if verb in words and verb != "node":
            importlib.import_module(f"gain_ros.cli.{verb.replace('-', '_')}").configure(known)
            for action in known._actions:
                if action.dest in _COMPLETERS:
                    action.completer = _COMPLETERS[action.dest]  # type: ignore[attr-defined]
    return parser


def _models(prefix: str, **_: Any) -> list[str]:
    from argcomplete.completers import DirectoriesCompleter

    from gain_ros.model_folder import shipped_models

    return [*(folder.name for folder in shipped_models()), *DirectoriesCompleter()(prefix)]


def _engines(prefix: str, **_: Any) -> list[str]:
    """Complete the last of a list."""
    from gain_ros.runtime.engines import ENGINES

    before = prefix.rpartition(",")[0]
    given = before.split(",")
    return [f"{before},{name}" if before else name for name in ENGINES if name not in given]


_COMPLETERS = {"model": _models, "engines": _engines}
