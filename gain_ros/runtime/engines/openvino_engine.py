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

import numpy as np
import openvino as ov

from gain_ros.errors import EngineUnavailable
from gain_ros.model_folder import ModelFolder
from gain_ros.runtime.engines import check_images
from gain_ros.runtime.engines.logits_graph import logits_graph, one_at_a_time


class OpenVinoEngine:
    """Runs ``logits.onnx`` on the CPU in float32."""

    name = "openvino"
    version = ov.__version__.split("-")[0]
    device = "cpu"

    def __init__(self, model_folder: ModelFolder, device: str, threads: int | None):
        graph = logits_graph(model_folder, self.name)
        if device == "cuda":
            raise EngineUnavailable(
                "openvino has no CUDA device, it runs on the CPU; take engine 'torch' or 'onnxruntime' for a GPU"
            )
        # Left alone, CPUs with bfloat16 units compute in bfloat16, which moves class borders.
        self._options: dict[str, str | int | bool] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:  # unpinned: two engines with a share of the cores each would be pinned to the same ones
            self._options |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
        self._core = ov.Core()
        self._graph = graph
        self._size = model_folder.input_size
        self._single = self._compile(batch=1)
        self._batched: ov.InferRequest | None = None
        self.provider = self._single.get_compiled_model().get_property("EXECUTION_DEVICES")[0]

    def logits(self, images: np.ndarray) -> np.ndarray:
        check_images(images, self._size)
        if len(images) == 1:
            return self._single.infer({0: images})[0]
        if not self._takes_batches:  # an inference writes over the result of the one before
            return one_at_a_time(lambda image: self._single.infer({0: image})[0].copy(), images)
        if self._batched is None:
            self._batched = self._compile(batch=-1)
        return self._batched.infer({0: images})[0]

    def close(self) -> None:
        del self._single, self._batched

    def _compile(self, batch: int) -> ov.InferRequest:
        """Make a request for one batch size, or for any (-1), which is some percent slower."""
        model = self._core.read_model(self._graph)
        self._takes_batches = model.input().get_partial_shape()[0].is_dynamic
        model.reshape([batch, *self._size, 3])
        return self._core.compile_model(model, "CPU", self._options).create_infer_request()
