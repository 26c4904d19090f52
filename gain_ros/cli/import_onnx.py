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

"""Turn an ONNX network for semantic segmentation, whoever trained it, into a model folder (docs/networks.md)."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from gain_ros.cli.common import DONE, add_json, complain, frame_size, print_json, say
from gain_ros.errors import UsageError
from gain_ros.files import atomic
from gain_ros.libraries import require

if TYPE_CHECKING:
    from gain_ros.onnx.importing import ImportReport

PRESETS = ("torchvision", "segformer", "mask2former", "ultralytics", "mmseg", "pidnet")
LICENCE = "Imported: the terms of the network's owner apply."


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("network", type=Path, metavar="NET.onnx", help="from pictures to logits, probabilities or class ids")
    add("--classes", required=True, type=Path, metavar="F", help="YAML: `classes:` a list of {id, name, color, groups}")
    add("--out", "-o", required=True, type=Path, metavar="M", help="the model folder to write; must not exist")
    add("--background", metavar="NAME", help="the class that is 255, unlabelled, in masks")
    add("--preset", choices=PRESETS, help="mean, std and output as that tool has them; single options win")
    add("--size", type=frame_size, metavar="WxH", help="of the network's input, where the graph has no fixed one")
    add("--mean", type=three, metavar="R,G,B", help="of pixels / 255, as torchvision's; default 0,0,0")
    add("--std", type=three, metavar="R,G,B", help="of pixels / 255, as torchvision's; default 1,1,1")
    add(
        "--range", type=int, choices=(1, 255), default=1,
        help="255: the network takes 0 to 255, and --mean and --std are of that too; default: 0 to 1",
    )  # fmt: skip
    add("--bgr", action="store_true", help="the network takes blue first; --mean and --std stay R,G,B")
    add("--layout", choices=("nchw", "nhwc"), help="of the input, where the graph does not tell")
    add("--output", metavar="NAME", help="the output to use, where several fit")
    add(
        "--align-corners", action="store_true",
        help="the network's own code resizes its logits with align_corners, which is then put into the graph",
    )  # fmt: skip
    add("--allow-control-flow", action="store_true", help="decide If, Loop and Scan once, for the input's size")
    add("--licence", default=LICENCE, metavar="TEXT", help="terms of the weights, for model.yaml")
    add_json(parser)


def three(text: str) -> tuple[float, float, float]:
    """Read "0.485,0.456,0.406"."""
    try:
        red, green, blue = map(float, text.split(","))
    except ValueError:
        red = green = blue = math.nan
    if not all(map(math.isfinite, (red, green, blue))):
        raise argparse.ArgumentTypeError(f"{text!r} is not three numbers; give for example 0.485,0.456,0.406")
    return red, green, blue


def run(args: argparse.Namespace) -> int:
    require("gain import-onnx", "onnx", "onnxruntime")
    from gain_ros.class_file import read_class_file
    from gain_ros.onnx.importing import Options, import_onnx
    from gain_ros.onnx.presets import PLAIN
    from gain_ros.onnx.presets import PRESETS as CONSTANTS

    _check_numbers(args)
    if args.out.exists():
        raise UsageError(f"--out {str(args.out)!r} exists already; name another folder or remove it")
    preset = CONSTANTS[args.preset] if args.preset else PLAIN
    options = Options(
        size=args.size,
        mean=args.mean,
        std=args.std,
        levels=args.range == 255,
        bgr=args.bgr,
        layout=args.layout,
        output=args.output,
        align_corners=args.align_corners or preset.align_corners,
        control_flow=args.allow_control_flow,
        preset=preset,
    )
    labels = read_class_file(args.classes)
    if args.background not in (None, *labels.names):
        raise UsageError(f"--background {args.background!r} is no class of {args.classes}: {', '.join(labels.names)}")
    with atomic(args.out) as folder:
        report = import_onnx(args.network, labels, folder, options, args.licence, args.background)
    _print(args, report)
    return DONE


def _check_numbers(args: argparse.Namespace) -> None:
    """Refuse numbers of the other range."""
    if args.std and min(args.std) < (1 if args.range == 255 else 1e-6):
        raise UsageError(
            f"--std {min(args.std)} is too small for --range {args.range}; with --range 255 --mean and --std are of 0 "
            "to 255, without it of pixels / 255"
        )
    if args.range == 1 and args.mean and max(args.mean) > 1:
        raise UsageError(f"--mean {max(args.mean)} is above 1, the largest pixel / 255; give --range 255 for levels")


def _print(args: argparse.Namespace, report: ImportReport) -> None:
    from gain_ros.onnx.importing import plain_facts

    if len(report.golden_classes) == 1:
        complain(
            f"the network sees {report.golden_classes[0]} alone on the picture of a street; where that is wrong, check "
            "--mean, --std, --range and --bgr"
        )
    source, result = report.source, report.result
    if args.json:
        inputs = plain_facts(source) | {"dynamic_batch": report.dynamic_batch}
        print_json({"inputs": [inputs], "outputs": [plain_facts(result)], "out": str(args.out)})
        return
    (height, width), (rows, columns) = source.size, result.size
    batch = "any number of pictures at a time" if report.dynamic_batch else "one picture at a time"
    sizes = "other sizes too" if source.any_size else "no other size"
    say(args, f"input {source.name}: {width}x{height} {'BGR' if source.bgr else 'RGB'}, {sizes}, {batch}")
    say(args, f"output {result.name}: {result.kind} of {result.classes} classes, {columns}x{rows}")
    say(args, f"{args.out}: on its picture {', '.join(report.golden_classes)}")
