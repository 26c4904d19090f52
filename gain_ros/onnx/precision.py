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

"""Model folder → ONNX in one precision, every tensor typed: what TensorRT builds with strong typing.

TensorRT 11 knows no precision flags; the graph itself says what runs in fp16 and what in int8. Needs onnx and onnxslim;
torch only where a folder brings no graph of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gain_ros.model_folder import ModelFolder
from gain_ros.onnx import INPUTS
from gain_ros.onnx.export import labels_graph, logits_graph
from gain_ros.onnx.quantize import quantise
from gain_ros.onnx.rewriting import to_half, with_half_scales, with_shape

if TYPE_CHECKING:
    from onnx import ModelProto

PRECISIONS = ("fp32", "fp16", "int8")


def typed_onnx(
    model_folder: ModelFolder,
    form: str = "labels",
    precision: str = "fp32",
    images: Sequence[np.ndarray] | None = None,
    size: tuple[int, int] | None = None,
    batch: int = 1,
    rest: str = "fp16",
) -> ModelProto:
    """Return the deployment graph for one input shape and one precision; the same arguments give the same bytes.

    ``form``, inputs and outputs are those of :func:`gain_ros.onnx.export.export_onnx`; ``size`` (H, W) is the
    camera's for "labels" and can only be the network's for "logits"; None means the network's. "fp16" leaves both
    resizes, softmax and averages in fp32. "int8" has explicit Q/DQ around the convolutions that bear it, calibrated on
    ``images``, uint8 (H, W, 3) RGB each of any size; its ``rest`` is "fp16", or "fp32" for a TensorRT without strong
    typing, which halves it by a flag (8.6). Raises ValueError for unknown names, another size of "logits", and "int8"
    without images.
    """
    if form not in INPUTS:
        raise ValueError(f"form is {form!r}; expected one of {', '.join(INPUTS)}")
    if precision not in PRECISIONS or rest not in PRECISIONS[:2]:
        names = ", ".join(PRECISIONS)
        raise ValueError(f"precision is {precision!r}, rest {rest!r}; expected one of {names}, and of fp32, fp16")
    size = size or model_folder.input_size
    if form == "logits" and size != model_folder.input_size:
        raise ValueError(f"size is {size}; form 'logits' takes images at the network's {model_folder.input_size} alone")
    graph = labels_graph(model_folder, size) if form == "labels" else logits_graph(model_folder)
    model = with_shape(graph, (batch, *size, 3))
    if precision == "fp32":
        return model
    if precision == "fp16":
        return to_half(model)
    if rest == "fp32":
        return quantise(model, images or ())
    return to_half(quantise(with_half_scales(model), images or ()))
