"""The libraries that can run the network, one file each. Nothing here imports any of them until it is opened."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gain_ros.errors import EngineUnavailable, ModelFolderError
from gain_ros.model_folder import ModelFolder
from gain_ros.runtime.tensorrt.progress import BuildProgress

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "fp16", "int8")

# The key is both the engine's name and the import name of its library.
_ENGINES = {
    "onnxruntime": ("gain_ros.runtime.engines.onnxruntime_engine", "OnnxRuntimeEngine"),
    "tensorrt": ("gain_ros.runtime.tensorrt.engine", "TensorRtEngine"),
    "openvino": ("gain_ros.runtime.engines.openvino_engine", "OpenVinoEngine"),
    "torch": ("gain_ros.runtime.engines.torch_engine", "TorchEngine"),
}
ENGINES = tuple(_ENGINES)


@dataclass(frozen=True)
class TensorRtOptions:
    """What engine "tensorrt" can be told; the others take no notice.

    ``precision`` is one of PRECISIONS, "auto" is fp16. ``cuda_graph`` replays recorded launches. With ``build`` a
    missing engine is built in the background while another engine serves, without it none is ever built.
    """

    precision: str = "auto"
    cuda_graph: bool = False
    build: BuildProgress | None = None


class Engine(Protocol):
    """What a file in this folder offers.

    Where ``whole_step`` is true the engine takes frames at camera size and gives labels (``labels``); else it takes
    images at network size and gives the head's logits (``logits``), and the Segmenter does the resizes.
    """

    name: str
    version: str
    provider: str
    device: str
    whole_step: bool

    def logits(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, h, w, 3) RGB at network size → float32 (N, C, h', w'). Raises ValueError for other input."""

    def labels(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Frames at any size → labels and confidence, both uint8 (N, H, W), which belong to the caller.

        ``frames`` is uint8, RGB (N, H, W, 3) or a camera's YUV bytes as in :mod:`gain_ros.frames`.
        """

    def close(self) -> None:
        """Frees the model. The engine is not used again."""


def available_engines() -> tuple[str, ...]:
    """Names of the engines whose library is installed, found without importing it."""
    return tuple(name for name in ENGINES if importlib.util.find_spec(name) is not None)


def open_engine(
    name: str,
    model_folder: ModelFolder,
    device: str = "auto",
    threads: int | None = None,
    tensorrt: TensorRtOptions = TensorRtOptions(),
) -> Engine:
    """Loads a model into an engine.

    ``device`` "auto" takes a GPU the library can use, else the CPU; "cuda" never falls back. ``threads`` bounds the CPU
    threads of the engine, None leaves the choice to the library.
    Raises ValueError for unknown names and EngineUnavailable where the request cannot be met.
    """
    if name not in _ENGINES:
        raise ValueError(f"engine {name!r} is unknown; expected auto or one of {', '.join(ENGINES)}")
    if device not in DEVICES:
        raise ValueError(f"device {device!r} is unknown; expected one of {', '.join(DEVICES)}")
    if tensorrt.precision not in PRECISIONS:
        raise ValueError(f"precision {tensorrt.precision!r} is unknown; expected one of {', '.join(PRECISIONS)}")
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}; expected at least 1, or None for the engine's own choice")
    if name not in available_engines() and name != "tensorrt":  # which itself says what a Jetson and what a PC needs
        raise EngineUnavailable(
            f"engine {name!r} is not installed (found: {', '.join(available_engines()) or 'none'}); "
            f"run `pip install {name}` or take another engine"
        )
    module, class_name = _ENGINES[name]
    options = (tensorrt,) if name == "tensorrt" else ()
    try:
        return getattr(importlib.import_module(module), class_name)(model_folder, device, threads, *options)
    except (EngineUnavailable, ModelFolderError):
        raise
    except Exception as error:  # whatever a library raises for a broken installation or a graph it cannot load
        raise EngineUnavailable(
            f"engine {name!r} cannot load model {model_folder.name!r}: {error}; take another engine or mend its "
            "installation"
        ) from error


def check_images(images: np.ndarray, size: tuple[int, int]) -> None:
    """Raises ValueError unless ``images`` is uint8 (N ≥ 1, h, w, 3) for ``size`` (h, w)."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (*size, 3) or not len(images):
        expected = f"uint8 (N, {size[0]}, {size[1]}, 3) RGB with N at least 1"
        raise ValueError(f"images are {images.dtype} {images.shape}; expected {expected}")
