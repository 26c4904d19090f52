"""The typed ONNX graphs that engines are built from, kept in the cache: int8 cannot be made again without pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import gain_ros.runtime
from gain_ros.bundle import Bundle
from gain_ros.runtime.engine_cache import EngineCache
from gain_ros.runtime.engines import EngineUnavailable
from gain_ros.runtime.engines.tensorrt_build import Route


def typed_graph(
    cache: EngineCache,
    bundle: Bundle,
    precision: str,
    size: tuple[int, int],
    route: Route,
    images: Sequence[np.ndarray] | None = None,
) -> bytes:
    """The model's "labels" graph for frames of ``size`` (H, W) as ``route`` wants it, from the cache or made now.

    ``images``, uint8 (H, W, 3) RGB each, calibrate int8; given ones replace what was kept. Raises EngineUnavailable
    where the onnx package or, for int8, the images are missing.
    """
    name = _identity(bundle, precision, size, route)
    kept = cache.load_graph(name) if images is None else None
    if kept is not None:
        return kept
    content = _make(bundle, precision, size, route, images)
    cache.store_graph(name, content)
    return content


def _make(
    bundle: Bundle, precision: str, size: tuple[int, int], route: Route, images: Sequence[np.ndarray] | None
) -> bytes:
    if precision == "int8" and not images:
        height, width = size
        raise EngineUnavailable(
            f"int8 is calibrated on pictures, and none were given for {height}x{width}; run "
            f"`gain build {bundle.name} --precision int8 --size {height}x{width} --images FOLDER` once"
        )
    try:
        from gain_ros.runtime.precision import typed_onnx

        # Where the builder's flags ask for fp16, the graph stays in fp32.
        in_flags = route.name == "flags"
        wanted = "fp32" if in_flags and precision == "fp16" else precision
        rest = {"rest": "fp32"} if in_flags and precision == "int8" else {}
        graph = typed_onnx(bundle, "labels", wanted, images, size, **rest)
    except ModuleNotFoundError as error:
        raise EngineUnavailable(f"building an engine needs {error.name}; run `pip install {error.name}`") from error
    return graph.SerializeToString(deterministic=True)


def _identity(bundle: Bundle, precision: str, size: tuple[int, int], route: Route) -> str:
    """Changes with the model, what is asked for, and the code that makes graphs."""
    sources = sorted(Path(gain_ros.runtime.__file__).parent.glob("*.py"))
    code = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    text = json.dumps([bundle.digest, precision, size, route.name, code])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
