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

"""``gain VERB ...``: one small module a verb, each with ``configure(parser)`` and ``run(args) -> exit code``.

Exit codes: 0 done, 1 a check failed, 2 wrong use or bad input (one line that says what was given, what was expected and
what to do).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gain_ros import __version__
from gain_ros.cli.common import DONE, WRONG_USE, Parser, complain
from gain_ros.errors import GainError, GraphError, did_you_mean
from gain_ros.files import cache_folder, sweep

VERBS = {
    "demo": "a real ROS graph in one command: player, node, subscriber; pictures and a report",
    "segment": "image, folder, video or bag to masks",
    "evaluate": "bag to a score: mIoU, flicker, drops and age; result.json and a report",
    "bag-from": "CamVid or Cityscapes folder, video or images to a bag",
    "doctor": "what this machine can do, and one line of advice each",
    "bench": "raw engine, Segmenter and node side by side in one run",
    "compare": "the same images through every engine: pixel agreement, mIoU",
    "export": "model folder to ONNX deployment graph",
    "build": "TensorRT engine of a model for this machine, into the cache",
    "calibrate": "ranges for int8 on CPUs, and what it costs, into the model folder",
    "import-onnx": "any ONNX segmentation network to model folder",
    "import-simpleseg": "published checkpoint to model folder",
    "node": "the ROS 2 node itself, where no ROS is installed",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; argv without the program name (default: sys.argv). Returns the exit code."""
    if "_ARGCOMPLETE" in os.environ:
        from gain_ros.cli.completion import complete

        complete(VERBS)
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(_usage(), file=sys.stdout if words else sys.stderr)
        return DONE if words else WRONG_USE
    if words == ["--version"]:
        print(f"gain_ros {__version__}")
        return DONE
    verb, rest = words[0], words[1:]
    if verb not in VERBS:
        complain(
            f"there is no verb {verb!r}{did_you_mean(verb, VERBS)}; expected one of {', '.join(VERBS)}; "
            "gain --help says what they do"
        )
        return WRONG_USE
    _sweep()
    module = importlib.import_module(f"gain_ros.cli.{verb.replace('-', '_')}")
    try:
        if verb == "node":  # its arguments are ROS's own
            return module.run(rest)
        parser = Parser(prog=f"gain {verb}", description=module.__doc__)
        module.configure(parser)
        return module.run(parser.read(rest))
    except GraphError as error:
        print(f"gain: {error}", file=sys.stderr)  # several lines: the last words of a process
        return error.exit_code
    except GainError as error:
        complain(str(error))
        return error.exit_code
    except OSError as error:  # the disk is full, or what was there is gone or somebody else's
        complain(f"{verb} cannot go on: {error}; free space, or name another place")
        return WRONG_USE


def _sweep() -> None:
    """Remove the temporary folders of processes of ours that were killed; what lies beside an output goes with it."""
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: there is no home folder
        for folder in (Path(tempfile.gettempdir()), cache_folder()):
            sweep(folder)


def _usage() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:{width}}  {text}" for verb, text in VERBS.items()]
    return "\n".join(
        ["usage: gain VERB ... | gain --version", "", *lines, "", "gain VERB --help says more about a verb."]
    )
