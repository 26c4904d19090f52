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

"""The typed ONNX graphs that engines are built from, kept in the cache: int8 cannot be made again without pictures."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence

import numpy as np

from gain_ros.errors import EngineUnavailable
from gain_ros.fit import place, stretched
from gain_ros.frames import encoding_of, size_of
from gain_ros.model_folder import ModelFolder
from gain_ros.onnx import FORMAT
from gain_ros.runtime.tensorrt.build import Route
from gain_ros.runtime.tensorrt.cache import EngineCache


def typed_graph(
    cache: EngineCache,
    model_folder: ModelFolder,
    precision: str,
    shape: tuple[int, ...],
    route: Route,
    images: Sequence[np.ndarray] | None = None,
) -> bytes:
    """Return the model's "labels" graph for frames of ``shape``, RGB or YUV, as ``route`` wants it: cached or made.

    ``images``, uint8 (H, W, 3) RGB each, calibrate int8; given ones replace what was kept. Raises EngineUnavailable
    where onnx, onnxslim or, for int8, the images are missing.
    """
    size = size_of(shape)
    own = place(size, model_folder.input_size, model_folder.fit) == stretched(model_folder.input_size)
    name = _name(model_folder.digest, precision, size, route.name, *([] if own else [model_folder.fit]))
    graph = cache.load_graph(name) if images is None else None
    if graph is None:
        graph = _make(model_folder, precision, size, route, images)
        cache.store_graph(name, graph)
    return graph if encoding_of(shape) == "rgb8" else _for_yuv(cache, graph, shape)


def _for_yuv(cache: EngineCache, graph: bytes, shape: tuple[int, ...]) -> bytes:
    """Return the same network with the conversion from YUV in front; int8 needs no calibration of its own."""
    name = _name(hashlib.sha256(graph).hexdigest(), shape)
    kept = cache.load_graph(name)
    if kept is not None:
        return kept
    with _naming_what_is_missing():
        import onnx

        from gain_ros.onnx.yuv_input import with_yuv_input

        content = with_yuv_input(onnx.load_from_string(graph), (1, *shape)).SerializeToString(deterministic=True)
    cache.store_graph(name, content)
    return content


def _make(
    model_folder: ModelFolder, precision: str, size: tuple[int, int], route: Route, images: Sequence[np.ndarray] | None
) -> bytes:
    if precision == "int8" and not images:
        height, width = size
        raise EngineUnavailable(
            f"int8 is calibrated on pictures, and none were given for {width}x{height}; run "
            f"`gain build {model_folder.name} --precision int8 --size {width}x{height} --images FOLDER` once"
        )
    with _naming_what_is_missing():
        from gain_ros.onnx.precision import typed_onnx

        # Where the builder's flags ask for fp16, the graph stays in fp32.
        in_flags = route.name == "flags"
        wanted = "fp32" if in_flags and precision == "fp16" else precision
        rest = "fp32" if in_flags else "fp16"
        return typed_onnx(model_folder, "labels", wanted, images, size, rest=rest).SerializeToString(deterministic=True)


@contextlib.contextmanager
def _naming_what_is_missing() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise EngineUnavailable(f"building an engine needs {error.name}; run `pip install {error.name}`") from error


def _name(*parts: object) -> str:
    """Return a name that changes with what a graph is made from, and with the format of what is made."""
    return hashlib.sha256(json.dumps([*parts, FORMAT]).encode()).hexdigest()[:32]
