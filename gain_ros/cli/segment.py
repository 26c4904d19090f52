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

"""Segment an image, a folder, a video, a webcam or a bag: D/<stem>.png, 8-bit class ids at the source's resolution."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gain_ros.cli.common import (
    CHECK_FAILED,
    DONE,
    Progress,
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
from gain_ros.cli.out_folder import OutFolder, marked, out_folder
from gain_ros.files import scratch_folder
from gain_ros.signals import Stopped

if TYPE_CHECKING:
    import numpy as np

    from gain_ros.labels import LabelSet
    from gain_ros.runtime.segmenter import Segmenter
    from gain_ros.sources.source import Source, SourceFrame
    from gain_ros.video_file import VideoFile

_MOST_WAITING = 4  # masks to be written
_VIDEO = "overlay/overlay.mp4"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="image, folder, video, bag, webcam number, rtsp:// or http:// stream")
    add_model(parser)
    parser.add_argument("--out", "-o", required=True, type=Path, metavar="D", help="folder for the masks")
    add_engine(parser)
    add_precision(parser)
    add_fit(parser)
    parser.add_argument("--overlay", action="store_true", help="also D/overlay/<stem>.jpg: frame and class colours")
    parser.add_argument("--video", action="store_true", help="also D/overlay/overlay.mp4: the overlays as a video")
    parser.add_argument("--force", action="store_true", help="replace the masks that an earlier run wrote to D")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from gain_ros.runtime.opening import open_segmenter
    from gain_ros.sources.opening import open_source

    source = open_source(args.source)
    with (
        out_folder(args.out, [args.source], ("*.png", "overlay/*.jpg", _VIDEO), args.force) as out,
        open_segmenter(args.model, engine=args.engine, **view(args)) as segmenter,
    ):
        frames, seconds = _segment_all(source, segmenter, args, out)
        result = {
            "frames": frames,
            "engine": segmenter.info.engine,
            "fps": round(frames / seconds, 2) if seconds else 0.0,
            "out": str(args.out),
            "unreadable": source.unreadable,
        }
    for text in (*source.warnings, *source.problems):
        complain(text)
    if args.json:
        print_json(result)
    else:
        say(args, f"{frames} masks in {args.out} ({result['engine']}, {result['fps']:.1f} frames/s)")
    return CHECK_FAILED if source.problems or not frames else DONE


def _segment_all(source: Source, segmenter: Segmenter, args: argparse.Namespace, out: OutFolder) -> tuple[int, float]:
    """Segment every frame, with decoding and writing beside the network; returns frames and seconds."""
    from gain_ros.sources.prefetch import prefetch
    from gain_ros.video_file import VideoFile

    say(args, f"{source.name}: {segmenter.model_folder.name} on {segmenter.info.engine}")
    progress = Progress(args, "segmenting", source.length)
    classes = segmenter.model_folder.class_output()
    frames, started_s = 0, time.monotonic()
    pending: list[Future[None]] = []
    with scratch_folder(args.out) as unfinished, ThreadPoolExecutor(1, "write") as writer:
        video = VideoFile(unfinished / Path(_VIDEO).name, "mp4v", source.rate_hz) if args.video else None
        write = partial(_write, out, label_set=classes.labels, overlay=args.overlay, video=video)
        try:
            for frame in prefetch(source):
                mask = segmenter.segment([frame.rgb], confidence=classes.needs_confidence)[0]
                pending.append(writer.submit(write, frame, classes.apply(mask.labels, mask.confidence)))
                frames += 1
                if len(pending) > _MOST_WAITING:
                    pending.pop(0).result()
                progress.show(frames)
        except Stopped:
            if not source.live:
                raise
            say(args, f"stopped after {frames} frames")
        finally:
            progress.close()
        for written in pending:
            written.result()
        if video is not None and frames:
            video.close()
            (out.scratch / _VIDEO).parent.mkdir(exist_ok=True)
            (unfinished / Path(_VIDEO).name).replace(out.scratch / _VIDEO)
            out.publish()
    return frames, time.monotonic() - started_s


def _write(
    out: OutFolder,
    frame: SourceFrame,
    labels: np.ndarray,
    label_set: LabelSet,
    overlay: bool,
    video: VideoFile | None,
) -> None:
    import cv2

    from gain_ros.pictures import encode
    from gain_ros.runtime import drawing

    mask = encode(labels, ".png", cv2.IMWRITE_PNG_COMPRESSION, 3)
    (out.scratch / f"{frame.stem}.png").write_bytes(marked(mask))
    if overlay or video is not None:
        picture = drawing.overlay(frame.rgb, labels, label_set, 0.5)
    if video is not None:
        video.add(picture)
    if overlay:
        (out.scratch / "overlay").mkdir(exist_ok=True)
        (out.scratch / "overlay" / f"{frame.stem}.jpg").write_bytes(marked(encode(picture, ".jpg")))
    out.publish()
