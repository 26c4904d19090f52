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

"""Raw engine, Segmenter and node side by side in one run, on the same frames: milliseconds and frames a second."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from gain_ros.cli.common import DONE, Progress, add_engines, add_json, frame_size, print_json, say, table
from gain_ros.errors import UsageError
from gain_ros.libraries import has_module


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M", help="model folder, or name of a shipped model")
    add_engines(parser)
    parser.add_argument(
        "--size", type=frame_size, default=(720, 960), metavar="WxH", help="camera frames; default 960x720"
    )
    parser.add_argument(
        "--reference", action="store_true",
        help="also the published form: GAIN on ResNet-18 in eager PyTorch (NCHW, fp32), at the model's input size",
    )  # fmt: skip
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    if args.reference and not has_module("torch"):
        raise UsageError("--reference needs torch, which is not installed; pip install torch")
    from gain_ros.bench.candidates import open_candidates
    from gain_ros.bench.rounds import Pace, take_turns
    from gain_ros.model_folder import find_model, read_model_folder
    from gain_ros.runtime.engines import engines_for, with_precisions

    model_folder, pace = read_model_folder(find_model(args.model)), Pace()
    engines = with_precisions(args.engines or engines_for(model_folder), args.precisions)
    if not engines:
        raise UsageError(f"no engine given computes in {','.join(args.precisions)}; give others, as openvino")
    with contextlib.ExitStack() as stack:
        candidates = open_candidates(stack, model_folder, engines, args.size, pace, args.reference)
        progress = Progress(args, "measuring", pace.rounds * len(candidates))
        stack.callback(progress.close)
        rows = take_turns(candidates, pace, progress.show)
    if args.json:
        print_json({"rows": rows, "size": list(args.size), "model": model_folder.name, "rounds": pace.rounds})
    else:
        head = ["what", "engine", "precision", "p50 ms", "p95 ms", "p99 ms", "frames/s", "times the fastest Segmenter"]
        say(args, table([head, *map(_cells, rows)]))
    return DONE


def _cells(row: dict[str, Any]) -> list[str]:
    times = [f"{row[key]:.2f}" for key in ("p50_ms", "p95_ms", "p99_ms")]
    return [row["what"], row["engine"], row["precision"], *times, f"{row['fps']:.1f}", f"{row['ratio']:.2f}"]
