"""Which engine serves a model, and why."""

from __future__ import annotations

import os

from gain_ros.model_folder import ModelFolder, find_model, read_model_folder
from gain_ros.runtime import fastest
from gain_ros.runtime.engines import TensorRtOptions, available_engines, open_engine
from gain_ros.runtime.segmenter import Segmenter


def open_segmenter(
    model: str | os.PathLike[str],
    engine: str = "auto",
    device: str = "auto",
    *,
    threads: int | None = None,
    tensorrt: TensorRtOptions | None = None,
) -> Segmenter:
    """Load ``model`` (folder or shipped name) and run its golden pair; what comes back is ready for frames.

    ``engine`` is a name from ``available_engines()`` or "auto"; ``device`` is "cpu", "cuda" (never a silent CPU run) or
    "auto"; ``threads`` bounds the engine's CPU threads; ``tensorrt`` is for engine "tensorrt". "auto" prefers TensorRT
    for all frames that it has an engine for, and takes the fastest of the others else.
    Raises ModelFolderError for a bad folder, EngineUnavailable where engine or device cannot be had, GoldenMismatch
    where the engine's result is wrong, ValueError for unknown names.
    """
    model_folder = read_model_folder(find_model(model))
    if engine not in ("auto", "tensorrt"):
        return _open_checked(model_folder, engine, device, threads)
    from gain_ros.runtime.tensorrt.preferring import open_with_tensorrt

    options = tensorrt or TensorRtOptions()
    return open_with_tensorrt(
        model_folder,
        lambda: _open_fastest(model_folder, device, threads),
        lambda: open_engine("tensorrt", model_folder, device, threads, options),
        must=engine == "tensorrt",
        build=options.build,
    )


def _open_checked(model_folder: ModelFolder, engine: str, device: str, threads: int | None) -> Segmenter:
    segmenter = Segmenter(model_folder, open_engine(engine, model_folder, device, threads), "as asked")
    try:
        segmenter.check_golden()
    except BaseException:
        segmenter.close()
        raise
    return segmenter


def _open_fastest(model_folder: ModelFolder, device: str, threads: int | None) -> Segmenter:
    """The fastest engine that is ready at once, so never TensorRT."""
    rgb, _ = model_folder.golden()
    names = [name for name in available_engines() if name != "tensorrt"]
    identity = {
        "model": model_folder.digest,
        "device": device,
        "threads": threads,
        "machine": fastest.machine(names),
    }
    chosen, reason = fastest.choose(
        names,
        identity,
        open_one=lambda name: _open_checked(model_folder, name, device, threads),
        run=lambda each: each.segment([rgb], confidence=False),
        close=Segmenter.close,
    )
    chosen.reason = reason
    return chosen
