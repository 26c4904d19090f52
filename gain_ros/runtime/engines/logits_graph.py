# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ONNX graph that the CPU engines run."""

from __future__ import annotations

from gain_ros.errors import EngineUnavailable
from gain_ros.model_folder import ONNX_FILES, ModelFolder


def logits_graph(model_folder: ModelFolder, engine: str) -> bytes:
    """Return the model's "logits" graph. Raises EngineUnavailable where the folder has none."""
    graph = model_folder.onnx("logits")
    if graph is None:
        raise EngineUnavailable(
            f"engine {engine!r} needs {ONNX_FILES['logits']}, which {model_folder.path} lacks; "
            "take engine 'torch' or package the model again with its ONNX files"
        )
    return graph
