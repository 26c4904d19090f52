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

"""The libraries that can run the network, one file each. Nothing here imports any of them until it is opened."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from gain_ros.errors import EngineUnavailable, ModelFolderError
from gain_ros.libraries import has_module
from gain_ros.model_folder import ModelFolder
from gain_ros.privacy import silence

silence()  # this file is loaded before any engine's

DEVICES = ("auto", "cpu", "cuda")
PRECISION_CHOICES = ("auto", "fp32", "bf16", "fp16", "int8")

# The key is both the engine's name and the import name of its library; the value is what opens it.
_ENGINES = {
    "onnxruntime": ("gain_ros.runtime.engines.onnxruntime_engine", "OnnxRuntimeEngine"),
    "tensorrt": ("gain_ros.runtime.tensorrt.engine", "TensorRtEngine"),
    "openvino": ("gain_ros.runtime.engines.openvino_engine", "OpenVinoEngine"),
    "torch": ("gain_ros.runtime.engines.torch_engine", "open_torch"),
}
ENGINES = tuple(_ENGINES)

# The first is what "auto" is on a CPU; torch on a GPU has fp16, or fp32 where fp16 misses the golden labels.
PRECISIONS = {
    "onnxruntime": ("fp32",),
    "tensorrt": ("fp16", "fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
    "torch": ("fp32", "fp16"),
}


class _Engine(Protocol):
    """What every engine says of itself: ``provider`` is what runs it, ``device`` "cpu" or "cuda"."""

    name: str
    precision: str
    version: str
    provider: str
    device: str

    def close(self) -> None:
        """Free the model. The engine is not used again."""


@runtime_checkable
class LogitsEngine(_Engine, Protocol):
    """Runs the network up to the head's logits; conversion and resizes are the Segmenter's.

    ``size`` is the (h, w) of the only images that it takes, None where it takes any.
    """

    size: tuple[int, int] | None

    def logits(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, h, w, 3) RGB of ``size`` → float32 (N, C, h', w'). Raises ValueError for other input."""


@runtime_checkable
class MaskEngine(_Engine, Protocol):
    """Takes frames at camera size and gives whole masks."""

    def labels(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Frames of any size → labels and confidence, both uint8 (N, H, W), which belong to the caller.

        ``frames`` is uint8, RGB (N, H, W, 3) or a camera's YUV bytes as in :mod:`gain_ros.frames`.
        """


Engine = LogitsEngine | MaskEngine


def available_engines() -> tuple[str, ...]:
    """Name the engines whose library is installed, found without importing it."""
    return tuple(filter(has_module, ENGINES))


def engines_for(model_folder: ModelFolder) -> tuple[str, ...]:
    """Name the installed engines that can run a model: PyTorch runs no imported graph."""
    return tuple(name for name in available_engines() if name != "torch" or not model_folder.imported)


def with_precisions(names: Sequence[str], precisions: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """Pair each engine with those of ``precisions`` that it has; None: fp32 on a CPU and "auto" on a GPU.

    >>> with_precisions(["onnxruntime", "openvino"], ["fp32", "int8"])
    [('onnxruntime', 'fp32'), ('openvino', 'fp32'), ('openvino', 'int8')]
    """
    if precisions is None:
        return [(name, "auto" if name in ("torch", "tensorrt") else "fp32") for name in names]
    return [(name, precision) for name in names for precision in precisions if precision in PRECISIONS[name]]


def open_engine(
    name: str,
    model_folder: ModelFolder,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    cuda_graph: bool = False,
) -> Engine:
    """Load a model into an engine.

    ``device`` "auto" takes a GPU the library can use, else the CPU; "cuda" never falls back. ``precision`` is one that
    the engine has (PRECISIONS), or "auto": fp32 on a CPU, fp16 on a GPU. ``threads`` bounds the CPU threads of the
    engine, None leaves the choice to the library. ``cuda_graph``, which replays recorded launches, is for TensorRT.
    Raises ValueError for unknown names and EngineUnavailable where the request cannot be met.
    """
    if name not in _ENGINES:
        raise ValueError(f"engine {name!r} is unknown; expected auto or one of {', '.join(ENGINES)}")
    if device not in DEVICES:
        raise ValueError(f"device {device!r} is unknown; expected one of {', '.join(DEVICES)}")
    if precision not in PRECISION_CHOICES:
        raise ValueError(f"precision {precision!r} is unknown; expected one of {', '.join(PRECISION_CHOICES)}")
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}; expected at least 1, or None for the engine's own choice")
    if name not in available_engines() and name != "tensorrt":  # which itself says what a Jetson and what a PC needs
        raise EngineUnavailable(
            f"engine {name!r} is not installed (found: {', '.join(available_engines()) or 'none'}); "
            f"run `pip install {name}` or take another engine"
        )
    if precision not in ("auto", *PRECISIONS[name]):
        raise EngineUnavailable(
            f"engine {name!r} computes in {' or '.join(PRECISIONS[name])}, not in {precision}; take precision 'auto', "
            f"or engine {' or '.join(repr(other) for other in PRECISIONS if precision in PRECISIONS[other])}"
        )
    module, opener = _ENGINES[name]
    options = (cuda_graph,) if name == "tensorrt" else ()
    try:
        return getattr(importlib.import_module(module), opener)(model_folder, device, threads, precision, *options)
    except (EngineUnavailable, ModelFolderError):
        raise
    except Exception as error:  # whatever a library raises for a broken installation or a graph it cannot load
        raise EngineUnavailable(
            f"engine {name!r} cannot load model {model_folder.name!r}: {error}; take another engine or mend its "
            "installation"
        ) from error


def check_images(images: np.ndarray, size: tuple[int, int] | None) -> None:
    """Raise ValueError unless ``images`` is uint8 (N ≥ 1, h, w, 3) for ``size`` (h, w); None: with any h and w ≥ 1."""
    shape = (*(size or images.shape[1:3]), 3)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != shape or not images.size:
        height, width = size or ("h", "w")
        expected = f"uint8 (N, {height}, {width}, 3) RGB with N at least 1"
        raise ValueError(f"images are {images.dtype} {images.shape}; expected {expected}")
