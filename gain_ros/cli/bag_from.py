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

"""A data set's folder, a video or images to a ROS 2 bag: images, camera where known, topic of labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gain_ros.cli.common import CHECK_FAILED, DONE, Progress, add_json, complain, print_json, say
from gain_ros.errors import UsageError
from gain_ros.libraries import require

if TYPE_CHECKING:
    from gain_ros.sources.source import Source


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", help="CamVid, Cityscapes or a folder of one's own data, or any recorded source of gain segment"
    )
    parser.add_argument("--split", metavar="S", default="val", help="split of a data set; default val")
    parser.add_argument("--rate", type=float, metavar="HZ", help="frames a second; default: the source's own")
    parser.add_argument("--out", "-o", type=Path, required=True, metavar="BAG", help="the bag's folder; must not exist")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    require("gain bag-from", "rosbags")
    from gain_ros.sources.recording import write_bag

    if args.rate is not None and not 0 < args.rate <= 1000:
        raise UsageError(f"--rate {args.rate} frames a second; expected more than 0 and at most 1000")
    source = _open(args)
    progress, done = Progress(args, "recording", source.length), 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress.show(done)

    try:
        topics = write_bag(source, args.out, args.rate, tick)
    finally:
        progress.close()
    for problem in source.problems:
        complain(problem)
    if args.json:
        print_json({"frames": done, "topics": topics, "out": str(args.out), "unreadable": source.unreadable})
    else:
        each = ", ".join(f"{topic} ({count})" for topic, count in topics.items())
        say(args, f"{done} frames in {args.out}: {each}")
    return CHECK_FAILED if source.problems else DONE


def _open(args: argparse.Namespace) -> Source:
    from gain_ros.sources.dataset import open_dataset
    from gain_ros.sources.opening import open_source

    source = open_dataset(args.source, args.split) or open_source(args.source)
    if source.live:
        raise UsageError(f"{args.source!r} is live; record it with ros2 bag record")
    return source
