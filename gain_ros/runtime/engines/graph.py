"""The ONNX file that the CPU engines run."""

from __future__ import annotations

from pathlib import Path

from gain_ros.bundle import ONNX_FILES, Bundle
from gain_ros.runtime.engines import EngineUnavailable


def logits_graph(bundle: Bundle, engine: str) -> Path:
    """The model's "logits" graph. Raises EngineUnavailable where the folder has none."""
    graph = bundle.onnx("logits")
    if graph is None:
        raise EngineUnavailable(
            f"engine {engine!r} needs {ONNX_FILES['logits']}, which {bundle.path} lacks; "
            "take engine 'torch' or package the model again with its ONNX files"
        )
    return graph
