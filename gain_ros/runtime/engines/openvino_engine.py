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

"""OpenVINO on the CPU."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import numpy as np
import openvino as ov

from gain_ros.errors import EngineUnavailable
from gain_ros.model_folder import ModelFolder
from gain_ros.runtime.engines import check_images
from gain_ros.runtime.engines.logits_graph import logits_graph, one_at_a_time
from gain_ros.runtime.engines.openvino_core import CORE
from gain_ros.runtime.engines.openvino_int8 import quantise

_REQUESTS = 8  # compiled for a batch and a size, each with its own memory; a network has two, and each camera's shape


class OpenVinoEngine:
    """Runs ``logits.onnx`` on the CPU: in fp32, in bf16 where the CPU has it, or with its convolutions in int8."""

    name = "openvino"
    version = ov.__version__.split("-")[0]
    device = "cpu"

    def __init__(self, model_folder: ModelFolder, device: str, threads: int | None, precision: str = "fp32"):
        graph = logits_graph(model_folder, self.name)
        self.precision = "fp32" if precision == "auto" else precision
        if device == "cuda":
            raise EngineUnavailable(
                "openvino has no CUDA device, it runs on the CPU; take engine 'torch' or 'onnxruntime' for a GPU"
            )
        self._ranges = self._checked_ranges(model_folder)
        # Left alone, CPUs with bfloat16 units compute in bfloat16, which moves class borders.
        hint = "bf16" if self.precision == "bf16" else "f32"
        self._options: dict[str, str | int | bool] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
        if threads is not None:  # unpinned: two engines with a share of the cores each would be pinned to the same ones
            self._options |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
        self._graph = graph
        self._requests: OrderedDict[tuple[int, ...], ov.InferRequest] = OrderedDict()
        frames, *sides = list(CORE.read_model(graph).input(0).partial_shape)[:3]
        self._takes_batches = frames.is_dynamic
        self.size = None if any(side.is_dynamic for side in sides) else model_folder.input_size
        first = self._request((1, *model_folder.input_size))
        self.provider = f"{first.get_compiled_model().get_property('EXECUTION_DEVICES')[0]}, {self.precision}"

    def logits(self, images: np.ndarray) -> np.ndarray:
        check_images(images, self.size)
        batch = -1 if len(images) > 1 and self._takes_batches else 1
        request = self._request((batch, *images.shape[1:3]))
        if batch == 1 < len(images):  # an inference writes over the result of the one before
            return one_at_a_time(lambda image: request.infer({0: image})[0].copy(), images)
        return request.infer({0: images})[0]

    def close(self) -> None:
        del self._requests

    def _checked_ranges(self, model_folder: ModelFolder) -> Mapping[str, tuple[float, float]]:
        """Return the ranges for int8, else none. Raises EngineUnavailable where CPU or model lack what it takes."""
        if self.precision == "bf16" and "BF16" not in CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise EngineUnavailable("this CPU has no bf16 (AVX512_BF16 or AMX); take precision 'auto' or 'fp32'")
        if self.precision != "int8":
            return {}
        ranges = model_folder.lower_precision().ranges
        if not ranges:
            raise EngineUnavailable(
                f"model {model_folder.name!r} has no ranges for int8; make them with `gain calibrate "
                f"{model_folder.name} --images D`, or take precision 'auto'"
            )
        return ranges

    def _request(self, shape: tuple[int, ...]) -> ov.InferRequest:
        """Return what runs one batch size, or any (-1), which is some percent slower, at one height and width."""
        if shape not in self._requests:
            if len(self._requests) == _REQUESTS:
                self._requests.popitem(last=False)
            model = CORE.read_model(self._graph)
            if self._ranges:
                quantise(model, self._ranges)
            model.reshape([*shape, 3])
            self._requests[shape] = CORE.compile_model(model, "CPU", self._options).create_infer_request()
        self._requests.move_to_end(shape)
        return self._requests[shape]
