"""Raw engine, Segmenter and node side by side in one run, on the same frames: milliseconds a frame and frames a second.

The node runs in this process, on a ROS graph of its own; its time is from a frame's arrival to its published mask. The
candidates take turns, so that a busy machine is busy for all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable
from typing import Any

from gain_ros.cli.common import DONE, Progress, add_engines, add_json, frame_size, has_module, print_json, table
from gain_ros.errors import UsageError

# Rounds this long leave the diagnostics window (10 s) to one round of a node, with enough frames for a p99.
_ROUNDS, _ROUND_S, _FEWEST_FRAMES = 5, 2.0, 5
_WARM_UP = 3
_FRAMES = 6


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M", help="model folder, or name of a shipped model")
    add_engines(parser)
    parser.add_argument(
        "--size", type=frame_size, default=(720, 960), metavar="HxW", help="camera frames; default 720x960"
    )
    parser.add_argument(
        "--reference", action="store_true",
        help="also the published form: GAIN on ResNet-18 in eager PyTorch (NCHW, fp32), at the model's input size",
    )  # fmt: skip
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    if args.reference and not has_module("torch"):
        raise UsageError("--reference needs torch, which is not installed; pip install torch")
    from gain_ros.model_folder import find_model, read_model_folder

    model_folder = read_model_folder(find_model(args.model))
    with contextlib.ExitStack() as stack:
        rows, candidates = _prepare(stack, model_folder, args)
        _take_turns(rows, candidates)
    _compare(rows)
    if args.json:
        print_json({"rows": rows, "size": list(args.size), "model": model_folder.name, "rounds": _ROUNDS})
    else:
        head = ["what", "engine", "p50 ms", "p95 ms", "p99 ms", "frames/s", "times the fastest Segmenter"]
        print(table([head, *map(_cells, rows)]))
    return DONE


def _prepare(stack: contextlib.ExitStack, model_folder: Any, args: argparse.Namespace) -> tuple[list[dict], list[Any]]:
    import numpy as np

    from gain_ros.resize import resize_input
    from gain_ros.runtime.opening import open_segmenter

    picture = resize_input(model_folder.golden()[0], args.size)
    frames = [np.roll(picture, index * args.size[1] // _FRAMES, axis=1) for index in range(_FRAMES)]
    rows, candidates = [], []

    def add(what: str, engine: str, provider: str, candidate: Any) -> None:
        rows.append({"what": what, "engine": engine, "provider": provider})
        candidates.append(candidate)

    ros = _graph(stack) if has_module("rclpy") else None
    for name in args.engines:
        segmenter = stack.enter_context(open_segmenter(model_folder.path, engine=name))
        add("engine", name, segmenter.info.provider, _Repeated(_raw_engine(stack, name, model_folder, frames)))
        add("segmenter", name, segmenter.info.provider, _Repeated(_segment(segmenter, frames)))
        if ros is not None:
            add("node", name, segmenter.info.provider, stack.enter_context(ros.node(segmenter, frames)))
    if args.reference:
        add("reference", "torch", "R18, eager, NCHW, fp32", _Repeated(_reference(model_folder)))
    return rows, candidates


def _raw_engine(stack: contextlib.ExitStack, name: str, model_folder: Any, frames: list) -> Callable[[int], Any]:
    """The engine on its own, on input that is ready for it."""
    from gain_ros.resize import resize_input
    from gain_ros.runtime.engines import MaskEngine, open_engine

    engine = open_engine(name, model_folder)
    stack.callback(engine.close)
    if isinstance(engine, MaskEngine):
        batches = [frame[None] for frame in frames]
        return lambda index: engine.labels(batches[index % len(batches)])
    images = [resize_input(frame, model_folder.input_size)[None] for frame in frames]
    return lambda index: engine.logits(images[index % len(images)])


def _segment(segmenter: Any, frames: list) -> Callable[[int], Any]:
    return lambda index: segmenter.segment([frames[index % len(frames)]], confidence=False)


def _reference(model_folder: Any) -> Callable[[int], Any]:
    import torch

    from gain_ros.model import build

    network = build("gain_r18", len(model_folder.labels)).eval()
    image = torch.rand(1, 3, *model_folder.input_size)

    def forward(_index: int) -> Any:
        with torch.inference_mode():
            return network(image)

    return forward


class _Repeated:
    """A candidate that is a call: each is timed."""

    def __init__(self, call: Callable[[int], Any]):
        self._call = call

    def warm_up(self) -> None:
        self._times_ms(0.0)

    def measure(self) -> dict[str, float]:
        return _percentiles(self._times_ms(_ROUND_S))

    def rate_hz(self) -> float:
        return 1000 / statistics.median(self._times_ms(_ROUND_S))

    def _times_ms(self, seconds: float) -> list[float]:
        times_ms: list[float] = []
        end_s = time.perf_counter() + seconds
        while len(times_ms) < _FEWEST_FRAMES or time.perf_counter() < end_s:
            start_s = time.perf_counter()
            self._call(len(times_ms))
            times_ms.append(1e3 * (time.perf_counter() - start_s))
        return times_ms


def _graph(stack: contextlib.ExitStack) -> Any:
    from gain_ros.bench.inprocess import InProcessGraph
    from gain_ros.evaluation.live.graph import environment, fastdds_profile, graph_variables, own_domain

    domain = stack.enter_context(own_domain())
    stack.enter_context(environment(graph_variables(domain, fastdds_profile())))
    return stack.enter_context(InProcessGraph(_ROUND_S, _FEWEST_FRAMES))


def _percentiles(times_ms: list[float]) -> dict[str, float]:
    import numpy as np

    p50, p95, p99 = np.percentile(times_ms, (50, 95, 99))
    return {"p50_ms": float(p50), "p95_ms": float(p95), "p99_ms": float(p99)}


def _take_turns(rows: list[dict[str, Any]], candidates: list[Any]) -> None:
    """Fill in each row the median over the rounds of its percentiles and rate."""
    for candidate in candidates:
        candidate.warm_up()
    progress = Progress("measuring", _ROUNDS * len(candidates))
    rounds: list[list[dict[str, float]]] = [[] for _ in candidates]
    for turn in range(_ROUNDS):
        for index, candidate in enumerate(candidates):
            rounds[index].append(candidate.measure())
            progress.show(turn * len(candidates) + index + 1)
    progress.close()
    for row, seen in zip(rows, rounds, strict=True):
        row.update({key: round(statistics.median(each[key] for each in seen), 3) for key in seen[0]})
    for row, candidate in zip(rows, candidates, strict=True):  # last: a node under full load shows it in its latencies
        row["fps"] = round(candidate.rate_hz(), 2)


def _compare(rows: list[dict[str, Any]]) -> None:
    """Add each row's ratio to the fastest Segmenter, and what a node costs over the Segmenter inside it."""
    segmenters = {row["engine"]: row for row in rows if row["what"] == "segmenter"}
    fastest_ms = min(row["p50_ms"] for row in segmenters.values())
    for row in rows:
        row["ratio"] = round(row["p50_ms"] / fastest_ms, 3)
        if row["what"] == "node":
            inside = segmenters[row["engine"]]
            row["over_segmenter_ms"] = {
                rank: round(row[f"{rank}_ms"] - inside[f"{rank}_ms"], 3) for rank in ("p50", "p95", "p99")
            }


def _cells(row: dict[str, Any]) -> list[str]:
    times = [f"{row[key]:.2f}" for key in ("p50_ms", "p95_ms", "p99_ms")]
    return [row["what"], row["engine"], *times, f"{row['fps']:.1f}", f"{row['ratio']:.2f}"]
