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

"""Measure a model's ranges for int8 on CPUs, and what int8 and bf16 cost, and write both into its folder.

The ranges come from frames of the data set's train split, the costs from its val split: agreement with fp32 and
mIoU, by which engine "auto" decides whether it may take a precision.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from gain_ros.cli.common import CHECK_FAILED, DONE, Progress, add_json, print_json, say
from gain_ros.errors import UsageError
from gain_ros.libraries import require


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M", help="model folder, or name of a shipped model; it is written to")
    parser.add_argument(
        "--data", required=True, metavar="D",
        help="folder of CamVid, Cityscapes or one's own data, of the model's classes, with the splits train and val",
    )  # fmt: skip
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from gain_ros.bench.calibration import CALIBRATION_FRAMES, JUDGED_FRAMES, calibrate, spread
    from gain_ros.model_folder import find_model, read_model_folder
    from gain_ros.sources.dataset import open_dataset

    require("gain calibrate", "openvino")
    model_folder = read_model_folder(find_model(args.model))
    train, val = open_dataset(args.data, "train"), open_dataset(args.data, "val")
    if train is None or val is None or train.label_set is None or train.label_set.names != model_folder.labels.names:
        raise UsageError(
            f"--data {args.data!r} is no data set of the {len(model_folder.labels)} classes of {model_folder.name!r}; "
            "give CamVid, Cityscapes, or a folder with images, masks and classes.yaml"
        )
    for source, most in ((train, CALIBRATION_FRAMES), (val, JUDGED_FRAMES)):
        source.paths = [source.paths[index] for index in spread(len(source.paths), most)]
    progress = Progress(args, "judging", len(val.paths))
    try:
        images = (frame.rgb for frame in train)
        pairs = ((frame.rgb, frame.labels) for frame in val if frame.labels is not None)
        known = calibrate(model_folder, images, pairs, progress.show).lower_precision()
    finally:
        progress.close()
    for precision, cost in known.costs.items():
        say(args, f"{precision}: {cost}" + (f"; auto leaves it out: {cost.refusal}" if cost.refusal else ""))
    costs = {precision: asdict(cost) for precision, cost in known.costs.items()}
    if args.json:
        print_json({"ranges": len(known.ranges), "costs": costs, "out": str(model_folder.path)})
    return CHECK_FAILED if "int8" not in known.costs or known.costs["int8"].refusal else DONE
