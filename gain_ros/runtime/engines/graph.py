"""The ONNX file that the CPU engines run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gain_ros.bundle import ONNX_FILES, Bundle
from gain_ros.runtime.engines import EngineUnavailable


@contextmanager
def logits_graph(bundle: Bundle, engine: str) -> Iterator[Path]:
    """The model's "logits" graph, to be loaded within the ``with``. Raises EngineUnavailable where there is none."""
    with bundle.loadable_onnx("logits") as graph:
        if graph is None:
            raise EngineUnavailable(
                f"engine {engine!r} needs {ONNX_FILES['logits']}, which {bundle.path} lacks; "
                "take engine 'torch' or package the model again with its ONNX files"
            )
        yield graph
