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

"""int8 by explicit quantise/dequantise pairs, which every TensorRT from 8.6 to 11 reads the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gain_ros.files import scratch_folder
from gain_ros.resize import resize_input

if TYPE_CHECKING:
    from onnx import ModelProto

# Left in higher precision, by parts of names (docs/benchmarks.md): little work each, and an input that nothing else
# takes in int8.
KEPT = ("/stem.0/", "/gai16/", "/gai32/", "/classifier/")
PERCENTILE = 99.999  # of the magnitudes of each tensor; the few beyond are cut off


def quantise(model: ModelProto, images: Sequence[np.ndarray]) -> ModelProto:
    """Return a graph of one input shape whose convolutions, all but KEPT, work on int8, calibrated on ``images``.

    Symmetric, weights per output channel, inputs per tensor; what a convolution gives stays as it is. ``images`` are
    uint8 (H, W, 3) RGB each, of any size. Raises ValueError where there is none.
    """
    if not len(images):
        raise ValueError("int8 got no images; give some dozen real ones to calibrate on")
    from onnx import ModelProto, load
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    named = [node.name for node in model.graph.node if any(part in node.name for part in KEPT)]
    kept = [*named, *convolutions[:1], *convolutions[-1:]]  # an imported graph has other names
    copy = ModelProto.FromString(model.SerializeToString())  # the quantiser changes what it is given
    with scratch_folder() as folder:
        file = folder / "quantised.onnx"
        quantize_static(
            copy,
            str(file),
            _Calibration(model, images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=kept,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,
                "OpTypesToExcludeOutputQuantization": ["Conv"],
                "CalibPercentile": PERCENTILE,
                "CalibMaxIntermediateOutputs": 4,  # pictures whose tensors are held at a time
            },
        )
        return load(file)


class _Calibration:
    """Hands the pictures to the quantiser one after another, as the graph takes them."""

    def __init__(self, model: ModelProto, images: Sequence[np.ndarray]):
        value = model.graph.input[0]
        self._name = value.name
        self._batch, *self._size, _ = (dim.dim_value for dim in value.type.tensor_type.shape.dim)
        self._images = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._images, None)
        if image is None:
            return None
        return {self._name: np.repeat(resize_input(image, tuple(self._size))[None], self._batch, axis=0)}
