"""The same pictures through every engine: how many pixels agree with PyTorch fp32, and mIoU where truth is known."""

from __future__ import annotations

import argparse
from typing import Any

from gain_ros.cli.common import (
    CHECK_FAILED,
    DONE,
    Progress,
    UsageError,
    add_engines,
    add_json,
    complain,
    print_json,
    table,
)

_MIN_AGREEMENT = 0.999


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M", help="model folder, or name of a shipped model")
    parser.add_argument(
        "--images", required=True, metavar="D",
        help="folder of images, or any source of gain segment; a folder Dannot beside it holds its truth (CamVid ids)",
    )  # fmt: skip
    add_engines(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from gain_ros.replay.sources import open_source

    source = open_source(args.images)
    if source.live:
        raise UsageError(f"--images {args.images!r} is live and never shows the same frame twice; give files")
    rows = _compare(source, args)
    for problem in source.problems:
        complain(problem)
    if args.json:
        print_json({"rows": rows, "reference": rows[0]["engine"], "frames": rows[0]["frames"]})
    else:
        print(table([["engine", "provider", "agreement", "mIoU"], *map(_cells, rows)]))
    good = bool(rows[0]["frames"]) and all(row["agreement"] >= _MIN_AGREEMENT for row in rows)
    return DONE if good and not source.problems else CHECK_FAILED


def _compare(source: Any, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Frame by frame through all engines, so that no mask has to be kept; PyTorch first where it is present."""
    from contextlib import ExitStack

    import numpy as np

    from gain_ros.runtime.segmenter import Segmenter
    from gain_ros.score import confusion_matrix, mean_iou

    names = sorted(args.engines, key=lambda name: name != "torch")
    with ExitStack() as stack:
        engines = [stack.enter_context(Segmenter.open(args.model, engine=name)) for name in names]
        label_set = engines[0].bundle.labels
        scored = source.label_set is not None and source.label_set.names == label_set.names
        same, pixels, frames = np.zeros(len(engines)), 0, 0
        confusion = np.zeros((len(engines), len(label_set), len(label_set)), np.int64)
        progress = Progress("comparing", source.length)
        for frame in source:
            masks = [engine.segment([frame.rgb], confidence=False)[0].labels for engine in engines]
            same += [float((mask == masks[0]).sum()) for mask in masks]
            if scored and frame.labels is not None:
                confusion += [confusion_matrix(frame.labels, mask, len(label_set)) for mask in masks]
            pixels, frames = pixels + masks[0].size, frames + 1
            progress.show(frames)
        progress.close()
        return [
            {
                "engine": engine.engine,
                "provider": engine.provider,
                "frames": frames,
                "agreement": same[i] / pixels if pixels else 0.0,
                "miou": mean_iou(confusion[i]) if scored else None,
            }
            for i, engine in enumerate(engines)
        ]


def _cells(row: dict[str, Any]) -> list[str]:
    miou = "-" if row["miou"] is None else f"{100 * row['miou']:.2f}"
    return [row["engine"], row["provider"], f"{100 * row['agreement']:.3f} %", miou]
