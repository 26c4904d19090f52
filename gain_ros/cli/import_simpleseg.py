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

"""Turn a checkpoint of hustvl/simpleseg (ResCLANet, DFCLANet) into a model folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from gain_ros.cli.common import DONE, add_json, complain, print_json, say
from gain_ros.errors import UsageError
from gain_ros.files import atomic
from gain_ros.libraries import has_module


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, metavar="CKPT", help="a .pth file as simpleseg's training writes it")
    parser.add_argument("--arch", required=True, choices=("r18", "df2"))
    parser.add_argument("--dataset", required=True, choices=("cityscapes", "camvid"))
    parser.add_argument(
        "--dilation", type=int, choices=(1, 2),
        help="of ResNet-18's last stage, which no checkpoint records; default: 2 for cityscapes, 1 for camvid",
    )  # fmt: skip
    parser.add_argument(
        "--out", "-o", required=True, type=Path, metavar="M", help="the model folder to write; must not exist"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    if not has_module("torch"):
        raise UsageError("import-simpleseg reads a PyTorch checkpoint, but torch is not installed; pip install torch")
    from gain_ros.model.simpleseg import convert

    if args.out.exists():
        raise UsageError(f"--out {str(args.out)!r} exists already; name another folder or remove it")
    with atomic(args.out) as folder:
        try:
            report = convert(args.checkpoint, args.arch, args.dataset, args.dilation, folder)
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error
        if has_module("onnx"):
            from gain_ros.onnx.export import add_onnx

            add_onnx(folder)
        else:
            complain(
                f"{args.out} runs with engine torch alone; pip install onnx and import again for the other engines"
            )
    if args.json:
        print_json({"parameters": report.parameters, "out": str(args.out)})
    else:
        say(args, f"{args.out}: {report.parameters} parameters, every tensor matched")
    return DONE
