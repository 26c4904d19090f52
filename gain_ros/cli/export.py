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

"""Write a model's deployment graph as ONNX, and check it against the model itself on the golden picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from gain_ros.cli.common import CHECK_FAILED, DONE, add_json, frame_size, print_json, say
from gain_ros.errors import UsageError
from gain_ros.files import atomic, sha256
from gain_ros.libraries import has_module


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M", help="model folder, or name of a shipped model")
    parser.add_argument("--onnx", required=True, type=Path, metavar="F", help="the file to write; must not exist")
    parser.add_argument(
        "--form", choices=("labels", "logits"), default="labels",
        help="labels: camera picture to mask and confidence; logits: network picture to the head's logits",
    )  # fmt: skip
    parser.add_argument("--size", type=frame_size, metavar="WxH", help="fix width and height; default: both dynamic")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from gain_ros.bench.parity import graph_agreement
    from gain_ros.model_folder import GRAPH, find_model, read_model_folder
    from gain_ros.onnx.export import export_onnx
    from gain_ros.score import MIN_AGREEMENT

    model_folder = read_model_folder(find_model(args.model))
    if model_folder.imported and args.form == "logits":
        raise UsageError(
            f"model {model_folder.name!r} is an imported graph, which export cannot make anew in form 'logits'; copy "
            f"{model_folder.path / GRAPH}"
        )
    for library in ("onnx", "onnxslim", "onnxruntime", *([] if model_folder.imported else ["torch"])):
        if not has_module(library):
            raise UsageError(f"export needs {library}, which is not installed; pip install -r requirements-dev.txt")
    if not args.onnx.parent.is_dir():
        raise UsageError(f"--onnx {str(args.onnx)!r}: its folder does not exist; make it first")
    if args.onnx.exists():
        raise UsageError(f"--onnx {str(args.onnx)!r} exists already; name another file or remove it")
    with atomic(args.onnx) as file:
        export_onnx(model_folder.path, file, args.form, args.size)
        parity = graph_agreement(model_folder, file, args.form, args.size)
    result = {
        "path": str(args.onnx),
        "sha256": sha256(args.onnx),
        "parity": parity,
        "form": args.form,
    }
    if args.json:
        print_json(result)
    else:
        library = "ONNX Runtime" if model_folder.imported else "PyTorch"
        say(args, f"{args.onnx}: {args.form} form, {100 * parity:.3f} % of the golden pixels as in {library}")
    return DONE if parity >= MIN_AGREEMENT else CHECK_FAILED
