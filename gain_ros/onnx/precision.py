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
torch only where a folder brings no ONNX of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gain_ros.files import scratch_folder
from gain_ros.fit import place, stretched
from gain_ros.model_folder import ModelFolder
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
    if precision not in PRECISIONS or rest not in PRECISIONS[:2]:
        names = ", ".join(PRECISIONS)
        raise ValueError(f"precision is {precision!r}, rest {rest!r}; expected one of {names}, and of fp32, fp16")
    size = size or model_folder.input_size
    if form == "logits" and size != model_folder.input_size:
        raise ValueError(f"size is {size}; form 'logits' takes images at the network's {model_folder.input_size} alone")
    model = with_shape(_plain(model_folder, form, size), (batch, *size, 3))
    if precision == "fp32":
        return model
    if precision == "fp16":
        return to_half(model)
    if rest == "fp32":
        return quantise(model, images or ())
    return to_half(quantise(with_half_scales(model), images or ()))


def _plain(model_folder: ModelFolder, form: str, size: tuple[int, int]) -> ModelProto:
    """Return the folder's own graph, or else one exported now: the folder's stretches frames of any size."""
    import onnx

    if form == "labels" and place(size, model_folder.input_size, model_folder.fit) != stretched(
        model_folder.input_size
    ):
        return _fitted(model_folder, size)
    graph = model_folder.onnx(form)
    if graph is not None:
        return onnx.load_from_string(graph)
    from gain_ros.onnx.export import export_onnx

    with scratch_folder() as folder:
        fixed = model_folder.input_size if form == "logits" else None
        return onnx.load(export_onnx(model_folder.path, folder / f"{form}.onnx", form, fixed))


def _fitted(model_folder: ModelFolder, size: tuple[int, int]) -> ModelProto:
    """Export the "labels" graph for frames of ``size`` as the model's fit has them."""
    import onnx

    from gain_ros.model import load_model
    from gain_ros.model.deploy import LabelsForm
    from gain_ros.onnx.export import write_onnx

    mean, std, input_size, fit = model_folder.mean, model_folder.std, model_folder.input_size, model_folder.fit
    with scratch_folder() as folder:
        form = LabelsForm(load_model(model_folder), mean, std, input_size, fit)
        return onnx.load(write_onnx(form, folder / "labels.onnx", "labels", size, size))
