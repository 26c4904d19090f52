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

"""Build a model's TensorRT engine for one kind of frames into this machine's cache, and report how well it agrees.

An fp16 or fp32 engine below 99.9 % of the reference's pixels, and an int8 engine that loses more than 0.3 mIoU, is
refused and deleted, unless --accept says otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gain_ros.cli.common import (
    CHECK_FAILED,
    DONE,
    Progress,
    add_fit,
    add_json,
    complain,
    frame_size,
    print_json,
    say,
)
from gain_ros.errors import UsageError

_CALIBRATION_FRAMES = 128
_REFERENCES = ("torch", "onnxruntime", "openvino")
_LOG_PERIOD_S = 5.0


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M", help="model folder, or name of a shipped model")
    parser.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp16", help="default: fp16")
    parser.add_argument(
        "--size", type=frame_size, metavar="WxH", help="the camera's frames; default: those of --images or of the model"
    )
    add_fit(parser)
    parser.add_argument(
        "--encoding", choices=("rgb8", "nv12", "yuyv"), default="rgb8",
        help="what the camera gives: nv12 and yuyv bytes are read as they are, all else comes as rgb8 (default)",
    )  # fmt: skip
    parser.add_argument(
        "--images", metavar="D",
        help="folder of images, or any source of gain segment, to judge the engine on; int8 is calibrated on its first "
        f"{_CALIBRATION_FRAMES} frames and needs truth (a folder Dannot beside it)",
    )  # fmt: skip
    parser.add_argument("--accept", action="store_true", help="keep the engine whatever the report says")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from gain_ros.errors import GoldenMismatch
    from gain_ros.fit import WHOLE, seen_part
    from gain_ros.model_folder import find_model, read_model_folder
    from gain_ros.runtime.part import PartSegmenter
    from gain_ros.runtime.segmenter import EngineSegmenter
    from gain_ros.runtime.tensorrt.acceptance import refusal
    from gain_ros.runtime.tensorrt.engine import TensorRtEngine

    model_folder = read_model_folder(find_model(args.model))
    model_folder = replace(model_folder, fit=args.fit or model_folder.fit)
    source = _open_images(args)
    engine = TensorRtEngine(model_folder, precision=args.precision)
    size = args.size or _first_size(source) or model_folder.golden()[0].shape[:2]
    roi = tuple(args.roi or WHOLE)
    region = seen_part(size, model_folder.input_size, model_folder.fit, roi)
    shape = _shape(region.size, args.encoding)
    reference = _open_reference(model_folder)
    try:
        _prepare(args, engine, shape, reference, _calibration(args, source, size, region))
        fast = PartSegmenter(EngineSegmenter(model_folder, engine, "as asked"), roi)
        entry = engine.store.entry(shape)
        assert entry is not None, "prepared above"
        report = {"agreement": entry.facts["agreement"], "frames": 1, "miou": None, "reference_miou": None}
        if source is not None and reference is not None:
            report = _report(args, source, size, PartSegmenter(reference, roi), fast)
        problem = refusal(args.precision, report["agreement"], report["miou"], report["reference_miou"])
        if problem and not args.accept:
            engine.store.forget(shape, problem)
    except GoldenMismatch as error:
        complain(f"{error}; --accept keeps it")
        return CHECK_FAILED
    finally:
        engine.close()
        if reference is not None:
            reference.close()
    _print(args, entry, size, report, reference)
    incomplete = [] if source is None else source.problems
    for text in incomplete:
        complain(text)
    if problem:
        complain(f"{problem}; {'kept, as --accept says' if args.accept else 'deleted again; --accept keeps it'}")
    return CHECK_FAILED if incomplete or (problem and not args.accept) else DONE


def _open_images(args: argparse.Namespace) -> Any:
    from gain_ros.sources.opening import open_source

    if args.images is None:
        if args.precision == "int8":
            raise UsageError("--precision int8 needs --images D: it is calibrated and judged on real pictures")
        return None
    source = open_source(args.images)
    if source.live:
        raise UsageError(f"--images {args.images!r} is live and never shows the same frame twice; give files")
    return source


def _first_size(source: Any) -> tuple[int, int] | None:
    if source is None:
        return None
    for frame in source:
        return frame.rgb.shape[:2]
    raise UsageError(f"--images {source.name!r} holds no picture that can be read; give another folder")


def _shape(size: tuple[int, int], encoding: str) -> tuple[int, ...]:
    from gain_ros.frames import shape_of

    try:
        return shape_of(size, encoding)
    except ValueError as error:
        raise UsageError(f"{error}; give another --encoding or --size") from error


def _open_reference(model_folder: Any) -> Any:
    """Open the model in fp32 on the CPU, for the parts of frames that TensorRT gets: PyTorch where installed.

    None where no other engine is installed.
    """
    from gain_ros.runtime.engines import engines_for
    from gain_ros.runtime.opening import open_segmenter
    from gain_ros.runtime.part import PartSegmenter

    for name in sorted({*engines_for(model_folder)} & {*_REFERENCES}, key=_REFERENCES.index):
        opened = open_segmenter(model_folder.path, name, "cpu", "fp32", fit=model_folder.fit)
        return opened.inner if isinstance(opened, PartSegmenter) else opened
    return None


def _calibration(args: argparse.Namespace, source: Any, size: tuple[int, int], region: Any) -> list[Any] | None:
    if args.precision != "int8":
        return None
    frames = (frame.rgb[region.slices] for frame in source if frame.rgb.shape[:2] == size)
    images = list(itertools.islice(frames, _CALIBRATION_FRAMES))
    if not images:
        raise UsageError(f"--images {args.images!r} holds no frame of {size[1]}x{size[0]}; give --size, or others")
    return images


def _prepare(
    args: argparse.Namespace, engine: Any, shape: tuple[int, ...], reference: Any, images: list[Any] | None
) -> None:
    from gain_ros.runtime.tensorrt.progress import BuildProgress

    progress = BuildProgress()
    _watch(progress, lambda: engine.prepare(shape, progress, reference, images, args.accept), args.quiet)


def _watch(progress: Any, work: Callable[[], None], quiet: bool) -> None:
    """Run ``work`` in a thread and show how far it is: a bar on a terminal, else a line every few seconds."""
    outcome: list[BaseException] = []

    def body() -> None:
        try:
            work()
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    terminal = sys.stderr.isatty() and not quiet
    try:
        while thread.is_alive():
            thread.join(0.2 if terminal else _LOG_PERIOD_S)
            if terminal:
                print(f"\r\033[K{_bar(progress)}", end="", file=sys.stderr, flush=True)
            elif progress.text and not quiet:
                print(f"gain: {progress.text}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        _cancel(progress, thread)
        raise
    finally:
        if terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
    if outcome:
        raise outcome[0]


def _bar(progress: Any) -> str:
    filled = round(24 * (progress.share or 0.0))
    return f"[{'#' * filled}{'.' * (24 - filled)}] {progress.text}"


def _cancel(progress: Any, thread: threading.Thread) -> None:
    """Wait for the build to end; a second Ctrl-C, or a TensorRT that cannot cancel, ends the process."""
    complain("cancelling the build; Ctrl-C again leaves at once")
    progress.cancel()
    with contextlib.suppress(KeyboardInterrupt):
        thread.join(None if progress.share is not None else 0.0)
    if thread.is_alive():  # the interpreter's end under a running builder may crash
        sys.stderr.flush()
        os._exit(130)


def _report(args: argparse.Namespace, source: Any, size: tuple[int, int], reference: Any, fast: Any) -> dict[str, Any]:
    from gain_ros.bench.parity import parity_rows

    frames = (frame for frame in source if frame.rgb.shape[:2] == size)
    progress = Progress(args, "comparing", source.length)
    try:
        expected, found = parity_rows(source, [reference, fast], progress.show, frames, args.encoding)
    finally:
        progress.close()
    if not found["frames"]:
        raise UsageError(f"--images {source.name!r} holds no frame of {size[1]}x{size[0]}; give --size, or others")
    return {
        "agreement": found["agreement"],
        "frames": found["frames"],
        "miou": found["miou"],
        "reference_miou": expected["miou"],
    }


def _print(args: argparse.Namespace, entry: Any, size: tuple[int, int], report: dict[str, Any], reference: Any) -> None:
    by = reference.info.engine if reference is not None else "the golden pair"
    result = {
        "path": str(entry.folder),
        "sha256": entry.sha256["engine.plan"],
        "parity": report["agreement"],
        "reference": by,
        "precision": args.precision,
        "size": list(size),
        "encoding": args.encoding,
        "why": entry.why,
        "seconds": entry.facts["seconds"],
        "layers": entry.facts["layers"],
        "plugin": entry.facts["plugin"],
        **{key: report[key] for key in ("frames", "miou", "reference_miou")},
    }
    if args.json:
        print_json(result)
        return
    say(args, f"{entry.folder}: {entry.why}; {result['seconds']} s, {result['layers']} layers")
    say(args, f"attention plugin: {result['plugin']}")
    say(args, f"{100 * report['agreement']:.3f} % of {report['frames']} frames' pixels as {by} in fp32")
    if report["miou"] is not None:
        say(args, f"mIoU {100 * report['miou']:.2f}, {by} {100 * report['reference_miou']:.2f}")
