# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A CamVid or Cityscapes folder, a video or images to a ROS 2 bag: images, camera where known, topic of labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gain_ros.cli.common import CHECK_FAILED, DONE, Progress, add_json, complain, print_json
from gain_ros.errors import UsageError

if TYPE_CHECKING:
    from gain_ros.sources.source import Source


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="CamVid or Cityscapes folder, or any recorded source of gain segment")
    parser.add_argument("--split", metavar="S", default="val", help="split of a data set; default val")
    parser.add_argument("--rate", type=float, metavar="HZ", help="frames a second; default: the source's own")
    parser.add_argument("--out", "-o", type=Path, required=True, metavar="BAG", help="the bag's folder; must not exist")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from gain_ros.sources.recording import write_bag

    if args.rate is not None and not 0 < args.rate <= 1000:
        raise UsageError(f"--rate {args.rate} frames a second; expected more than 0 and at most 1000")
    source = _open(args)
    progress, done = Progress("recording", source.length), 0

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
        print(f"{done} frames in {args.out}: " + ", ".join(f"{topic} ({count})" for topic, count in topics.items()))
    return CHECK_FAILED if source.problems else DONE


def _open(args: argparse.Namespace) -> Source:
    from gain_ros.sources.dataset import open_dataset
    from gain_ros.sources.opening import open_source

    source = open_dataset(args.source, args.split) or open_source(args.source)
    if source.live:
        raise UsageError(f"{args.source!r} is live; record it with ros2 bag record")
    return source
