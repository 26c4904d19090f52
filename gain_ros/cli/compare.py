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

"""The same pictures through every engine: how many pixels agree with PyTorch fp32, and mIoU where truth is known.

fp32 and fp16 have to agree on 99.9 % of the pixels, int8 and bf16 on 99.5 %. Of an imported graph, which PyTorch cannot
run, the first engine is what the others are compared with.
"""

from __future__ import annotations

import argparse
from typing import Any

from gain_ros.cli.common import CHECK_FAILED, DONE, Progress, add_engines, add_json, complain, print_json, say, table
from gain_ros.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M", help="model folder, or name of a shipped model")
    parser.add_argument(
        "--images", required=True, metavar="D",
        help="folder of images, or any source of gain segment; a folder Dannot beside it holds its truth (CamVid ids)",
    )  # fmt: skip
    add_engines(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from gain_ros.bench.parity import compare_engines
    from gain_ros.model_folder import find_model, read_model_folder
    from gain_ros.runtime.engines import engines_for, with_precisions
    from gain_ros.score import least_agreement
    from gain_ros.sources.opening import open_source

    source = open_source(args.images)
    if source.live:
        raise UsageError(f"--images {args.images!r} is live and never shows the same frame twice; give files")
    engines = args.engines or engines_for(read_model_folder(find_model(args.model)))
    if not with_precisions(engines, args.precisions):
        raise UsageError(f"no engine given computes in {','.join(args.precisions)}; give others, as openvino")
    progress = Progress(args, "comparing", source.length)
    try:
        rows = compare_engines(source, args.model, engines, args.precisions, progress.show)
    finally:
        progress.close()
    for problem in source.problems:
        complain(problem)
    if args.json:
        print_json({"rows": rows, "reference": rows[0]["engine"], "frames": rows[0]["frames"]})
    else:
        say(args, table([["engine", "precision", "provider", "agreement", "mIoU"], *map(_cells, rows)]))
    good = bool(rows[0]["frames"]) and all(row["agreement"] >= least_agreement(row["precision"]) for row in rows)
    return DONE if good and not source.problems else CHECK_FAILED


def _cells(row: dict[str, Any]) -> list[str]:
    miou = "-" if row["miou"] is None else f"{100 * row['miou']:.2f}"
    return [row["engine"], row["precision"], row["provider"], f"{100 * row['agreement']:.3f} %", miou]
