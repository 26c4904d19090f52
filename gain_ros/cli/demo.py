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

"""A real ROS graph in one command: a player publishes frames, the segmentation node masks them, a subscriber collects.

Ends by itself with report.html, overlay.webp and result.json in the folder --out, and a JSON line. A source longer than
30 seconds (a webcam: 10) is cut there. The graph has a ROS domain of its own and stays on this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gain_ros.cli.common import (
    CHECK_FAILED,
    DONE,
    Stages,
    add_engine,
    add_model,
    complain,
    print_json,
    say,
)
from gain_ros.cli.out_folder import EVALUATION, out_folder
from gain_ros.files import scratch_folder
from gain_ros.libraries import require
from gain_ros.shipped import example_bag

if TYPE_CHECKING:
    from gain_ros.sources.source import OnProgress

_SCENE = re.compile(r"scene(?::(\d+))?")
_SCENE_SEED = 6  # a bright street with traffic; no scene of a shipped model's training
_SCENE_FRAMES, _SCENE_HZ = 100, 10.0
_LINE = ("sent", "published", "received", "frames", "engine", "latency_ms", "miou", "out")  # the rest is in result.json


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source", "-s",
        help="image, folder of images, video, bag, webcam number, rtsp:// or http:// stream, or scene[:seed], a drawn "
        "street with truth; "
        "default: six seconds of a motorway",
    )  # fmt: skip
    add_model(parser)
    add_engine(parser)
    parser.add_argument("--out", "-o", type=Path, default=Path("gain_demo"), metavar="D", help="default: ./gain_demo")
    parser.set_defaults(json=True)


def run(args: argparse.Namespace) -> int:
    require("gain demo", "rclpy", "jinja2", "pygal")
    from gain_ros.evaluation.demo import run_demo
    from gain_ros.model_folder import find_model, read_model_folder
    from gain_ros.sources.opening import open_source

    progress, given = Stages(args), args.source or str(example_bag())
    with contextlib.ExitStack() as stack:
        stack.callback(progress.close)
        out = stack.enter_context(out_folder(args.out, [given], EVALUATION))
        model_folder = read_model_folder(find_model(args.model))
        source = open_source(_drawn(given, stack, progress.show))
        result, unreadable = run_demo(source, model_folder, args.engine, out.scratch, progress.show)
        out.publish()
    for problem in (*result["warnings"], *result["errors"]):
        complain(problem)
    line = {"latency_ms": result["mask_age_ms"], "out": str(args.out)}
    line = {key: line.get(key, result.get(key)) for key in _LINE}
    say(args, _summary(line, args.out / "report.html"))
    print_json(line)
    good = line["published"] >= 1 and line["received"] == line["published"]
    return DONE if good and not unreadable and not result["partial"] else CHECK_FAILED


def _drawn(source: str, stack: contextlib.ExitStack, report: OnProgress) -> str:
    """Return the source itself, or for "scene[:seed]" a folder of drawn pictures that lives as long as ``stack``."""
    named = _SCENE.fullmatch(source)
    if named is None or Path(source).exists():
        return source
    from training.scenes.folder import write_street

    folder = stack.enter_context(scratch_folder())
    seed = int(named[1] or _SCENE_SEED)
    return str(
        write_street(folder, seed, _SCENE_FRAMES, _SCENE_HZ, lambda n: report("drawing a street", n, _SCENE_FRAMES))
    )


def _summary(result: dict[str, Any], page: Path) -> str:
    text = f"{result['sent']} frames sent, {result['published']} masks published, {result['received']} received"
    if result["latency_ms"]["p50"] is not None:
        text += f", {result['latency_ms']['p50']:.1f} ms in the median"
    if result["miou"] is not None:
        text += f", mIoU {100 * result['miou']:.1f} %"
    if result["frames"]["superseded"]:
        text += (
            f"\n{result['frames']['superseded']} frames gave way to newer ones: this machine was slower than the source"
        )
    return f"{text}\nOpen {page} in a browser"
