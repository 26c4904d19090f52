"""A real ROS graph in one command: a player publishes frames, the segmentation node masks them, a subscriber collects.

Ends by itself with report.html, overlay.webp and result.json in the folder --out, and a JSON line. A source longer than
30 seconds (a webcam: 10) is cut there. The graph has a ROS domain of its own and stays on this machine.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from gain_ros.cli.common import (
    CHECK_FAILED,
    DONE,
    Stages,
    UsageError,
    add_engine,
    add_model,
    complain,
    has_module,
    make_folder,
    plain,
    print_json,
)

_LINE = ("sent", "published", "received", "frames", "engine", "latency_ms", "miou", "out")  # the rest is in result.json


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source", "-s", default="scene",
        help="image, folder of images, video, bag, webcam number or scene[:seed]; default: a drawn street with truth",
    )  # fmt: skip
    add_model(parser)
    add_engine(parser)
    parser.add_argument("--out", "-o", type=Path, default=Path("gain_demo"), metavar="D", help="default: ./gain_demo")
    parser.add_argument("--json", action="store_true", help="without effect: the JSON line is always printed")


def run(args: argparse.Namespace) -> int:
    for library, package in (("rclpy", "ROS 2"), ("jinja2", "Jinja2")):
        if not has_module(library):
            raise UsageError(
                f"demo needs {package} ({library}); source a ROS 2 workspace or pip install -r requirements.txt"
            )
    from gain_ros.bundle import find_model, read_bundle
    from gain_ros.demo.result import make_result
    from gain_ros.demo.run import demo_run
    from gain_ros.replay.sources import open_source

    bundle = read_bundle(find_model(args.model))
    source = open_source(args.source)
    make_folder(args.out)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the children are ended
    progress = Stages()
    try:
        with demo_run(source, bundle.path, args.engine, progress.show) as seen:
            progress.show("drawing the report", 0, None)
            result = make_result(seen, source, bundle, args.out)
    finally:
        progress.close()
    for problem in source.problems:
        complain(problem)
    (args.out / "result.json").write_text(json.dumps(plain(result), indent=1) + "\n")
    print(_summary(result, args.out / "report.html"), file=sys.stderr)
    print_json({key: result[key] for key in _LINE})
    good = result["published"] >= 1 and result["received"] == result["published"] and not source.problems
    return DONE if good else CHECK_FAILED


def _summary(result: dict, page: Path) -> str:
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
