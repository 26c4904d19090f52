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

"""A bag goes in, a verdict comes out: mIoU where truth is known, flicker and confidence where it is not.

Offline, every frame is segmented and scored exactly; in real time, the real node is fed at the recorded pace and what
it lost and how old its masks were is counted too. D gets result.json, frames.jsonl and report.html.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gain_ros.cli.common import (
    CHECK_FAILED,
    DONE,
    Stages,
    add_engine,
    add_fit,
    add_json,
    add_model,
    add_precision,
    complain,
    print_json,
    say,
    view,
)
from gain_ros.cli.out_folder import EVALUATION, out_folder
from gain_ros.errors import UsageError
from gain_ros.files import scratch_folder
from gain_ros.libraries import require

if TYPE_CHECKING:
    from gain_ros.evaluation.report.gallery import Gallery
    from gain_ros.evaluation.truth import TruthOptions


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bags", nargs="*", metavar="BAG",
        help="ROS 2 or ROS 1 bag, BAG:/topic where it has several cameras, or any recorded source of gain segment",
    )  # fmt: skip
    add_model(parser)
    add_engine(parser)
    add_precision(parser)
    add_fit(parser)
    parser.add_argument("--out", "-o", type=Path, metavar="D", help="folder for result.json, frames.jsonl, report.html")
    parser.add_argument("--mode", choices=("offline", "realtime"), default="offline", help="default: offline")
    add_json(parser)
    _configure_truth(parser.add_argument_group("truth"))
    _configure_offline(parser.add_argument_group("offline"))
    live = parser.add_argument_group("real time")
    live.add_argument("--rate", type=float, default=1.0, metavar="R", help="speed of the replay; default 1")
    live.add_argument("--use-sim-time", action="store_true", help="recorded stamps and /clock for the node")
    live.add_argument(
        "--attach", action="store_true", help="score a node that runs already, while ros2 bag play plays BAG to it"
    )
    live.add_argument("--mask-topic", default="/segmentation/mask", metavar="T", help="--attach: default %(default)s")
    compare = parser.add_argument_group("comparison of two results")
    compare.add_argument("--compare", nargs=2, type=Path, metavar=("A", "B"), help="B is the new one; 1: it is worse")
    compare.add_argument("--max-drop", type=float, default=0.01, metavar="X", help="loss of mIoU allowed; default 0.01")
    compare.add_argument(
        "--max-slowdown", type=float, default=0.2, metavar="X", help="growth of p99 allowed; default 0.2 (20 %%)"
    )


def _configure_truth(group: Any) -> None:
    from gain_ros.evaluation.truth import BY

    group.add_argument(
        "--truth-topic", metavar="T", help="topic of the bag with class ids (mono8); default: the one that it has"
    )
    group.add_argument("--truth-dir", type=Path, metavar="D", help="folder of PNG files with class ids")
    group.add_argument(
        "--truth-labels", metavar="L",
        help="what the ids mean: camvid, cityscapes, cityscapes-ids, a class file, a map, a model (default: this one)",
    )  # fmt: skip
    group.add_argument("--truth-by", choices=BY, default="auto", help="how files find their frames; default: auto")
    group.add_argument(
        "--tolerance", type=float, default=5.0, metavar="MS", help="most time between label and frame; default 5 ms"
    )


def _configure_offline(group: Any) -> None:
    group.add_argument("--batch", type=int, default=1, metavar="N", help="frames a network call; default 1")
    group.add_argument("--against", metavar="E", help="engine, or model of the same classes, to compare masks with")
    group.add_argument("--workers", type=int, default=1, metavar="N", help="bags at a time; default 1")
    group.add_argument(
        "--group-by", type=_pattern, metavar="REGEX",
        help="also score bags together whose paths have the same match, or groups of it, as in '/(day|night)/'",
    )  # fmt: skip
    group.add_argument("--ray", metavar="ADDRESS", help="spread the bags over a Ray cluster; local starts one here")


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from error
    return text


def run(args: argparse.Namespace) -> int:
    if args.compare:
        return _compare(args)
    _check(args)
    from gain_ros.evaluation.report.page import write_report

    evaluate = _live if args.attach or args.mode == "realtime" else _offline
    with out_folder(args.out, args.bags, EVALUATION) as out:
        result = evaluate(args, out.scratch)
        page = args.out / write_report(out.scratch).name
        out.publish()
    for text in (*result["errors"], *result["warnings"]):
        complain(text)
    if args.json:
        print_json({**result, "out": str(args.out)})
    else:
        say(args, "\n".join([*_summary(result), f"{page} shows more"]))
    return CHECK_FAILED if result["partial"] or result["frames"]["failed"] or _untrue(result) else DONE


def _check(args: argparse.Namespace) -> None:
    if args.out is None:
        raise UsageError("--out is missing; name a folder for the result")
    live = args.attach or args.mode == "realtime"
    if not args.bags or (live and len(args.bags) != 1):
        raise UsageError(f"{len(args.bags)} bags given; expected one" + ("" if live else " or more"))
    if live and (args.workers != 1 or args.ray or args.against or args.batch != 1 or args.group_by):
        raise UsageError("--workers, --ray, --against, --batch, --group-by are for offline evaluation; leave them out")
    if args.workers < 1 or args.batch < 1:
        raise UsageError(f"--workers {args.workers} --batch {args.batch}: both have to be at least 1")
    if args.ray and args.workers != 1:
        raise UsageError("--workers is for one machine and --ray for a cluster; give one of them")
    if args.attach and view(args):
        raise UsageError("--fit, --roi and --precision are the running node's parameters with --attach; leave them out")
    require("gain evaluate", "jinja2", "pygal", *["rclpy"] * live)


def _truth(args: argparse.Namespace) -> TruthOptions:
    from gain_ros.evaluation.truth import TruthOptions

    return TruthOptions(args.truth_topic, args.truth_dir, args.truth_labels, args.truth_by, args.tolerance)


def _offline(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    from gain_ros.evaluation.many_bags import evaluate_bags
    from gain_ros.evaluation.offline import Job
    from gain_ros.evaluation.result import write_result

    jobs = [
        Job(bag, args.model, args.engine, _truth(args), args.batch, args.against, view=view(args)) for bag in args.bags
    ]
    progress = Stages(args)
    with scratch_folder(out) as rows:
        try:
            done = evaluate_bags(jobs, rows, progress.show, args.workers, args.ray)
        finally:
            progress.close()
        evaluation = done.evaluation
        if args.group_by is not None:
            evaluation = replace(evaluation, options={**evaluation.options, "group_by": args.group_by})
        result = write_result(out, evaluation, done.rows())
    _write_galleries(out, done.galleries)
    return result


def _live(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    from gain_ros.evaluation.attach import evaluate_attached
    from gain_ros.evaluation.realtime import evaluate_realtime
    from gain_ros.evaluation.result import write_result

    progress = Stages(args)
    try:
        if args.attach:
            evaluation, rows, gallery = evaluate_attached(args.bags[0], _truth(args), progress.show, args.mask_topic)
        else:
            evaluation, rows, gallery = evaluate_realtime(
                args.bags[0],
                args.model,
                args.engine,
                _truth(args),
                args.rate,
                progress.show,
                args.use_sim_time,
                view(args),
            )
    finally:
        progress.close()
    result = write_result(out, evaluation, rows)
    _write_galleries(out, (gallery,))
    return result


def _write_galleries(out: Path, galleries: tuple[Gallery, ...]) -> None:
    first, *others = galleries
    for other in others:
        first.merge(other)
    first.write(out)


def _compare(args: argparse.Namespace) -> int:
    from gain_ros.evaluation.compare import compare

    if args.bags or args.out:
        raise UsageError("--compare reads two results and writes none; leave bags and --out out")
    before, after = args.compare
    comparison = compare(before, after, args.max_drop, args.max_slowdown)
    say(args, comparison.text)
    if args.json:
        print_json(comparison.as_dict())
    return CHECK_FAILED if comparison.failed else DONE


def _untrue(result: dict[str, Any]) -> bool:
    """Tell whether truth was asked for and some of it could not be used, or none was found."""
    truth = result["truth"]
    return truth is not None and (truth["refused"] > 0 or truth["scored"] == 0)


def _summary(result: dict[str, Any]) -> list[str]:
    frames, truth, stability = result["frames"], result["truth"], result["unlabelled"]
    counts = ", ".join(f"{frames[key]} {key}" for key in frames if frames[key])
    lines = [f"{result['model']['name']} on {result['engine']} ({result['provider']}): {counts}"]
    if result["miou"] is not None:
        lines.append(f"mIoU {100 * result['miou']:.2f}, {100 * result['pixel_accuracy']:.2f} % of pixels")
    if result["group_miou"] is not None:
        each = ", ".join(
            f"{name} {100 * value:.2f}" for name, value in result["group_iou"].items() if value is not None
        )
        lines.append(f"mIoU over groups {100 * result['group_miou']:.2f} ({each})")
    if "realtime" in result:
        lines += _live_summary(result)
    for group in result.get("groups", ()):
        score = "no truth" if group["miou"] is None else f"mIoU {100 * group['miou']:.2f}"
        lines.append(f"{group['group']}: {score}, {group['frames']['published']} frames of {len(group['bags'])} bags")
    if truth is not None:
        left_over = len(truth["unmatched_truth"])
        lines.append(
            f"truth from {truth['from']}: {truth['scored']} frames scored, {truth['unmatched_frames']} without, "
            f"{truth['refused']} refused; {left_over} labels without a frame"
        )
    if stability is not None and stability["flicker"] is not None:
        flicker, changed = (100 * stability[key] for key in ("flicker", "changed"))
        lines.append(f"between frames {changed:.2f} % of pixels change and {flicker:.2f} % flicker")
    if "against" in result:
        lines.append(f"agreement with {result['against']['name']}: {100 * result['against']['agreement']:.3f} %")
    return lines


def _live_summary(result: dict[str, Any]) -> list[str]:
    live, age_ms = result["realtime"], result["mask_age_ms"]
    lines = []
    if age_ms["p50"] is not None:
        lines.append(f"masks came {age_ms['p50']:.1f} ms after their frames at p50, {age_ms['p99']:.1f} ms at p99")
    if live["miou_in_use"] is not None:
        lines.append(f"mIoU of the masks in use at each label's time {100 * live['miou_in_use']:.2f}")
    if live.get("lost_on_the_way"):
        lines.append(f"{live['lost_on_the_way']} frames never reached the node; see docs/transport.md")
    return lines
