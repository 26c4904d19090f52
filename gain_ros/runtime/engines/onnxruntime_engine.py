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

"""ONNX Runtime: the default on CPUs."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from gain_ros.errors import EngineUnavailable
from gain_ros.model_folder import ModelFolder
from gain_ros.runtime.engines import check_images
from gain_ros.runtime.engines.logits_graph import logits_graph, one_at_a_time

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class OnnxRuntimeEngine:
    """Runs ``logits.onnx`` on the CPU, or with CUDA where onnxruntime-gpu is installed and works."""

    name = "onnxruntime"
    version = ort.__version__
    precision = "fp32"

    def __init__(self, model_folder: ModelFolder, device: str, threads: int | None, _precision: str = "fp32"):
        graph = logits_graph(model_folder, self.name)
        offered = ort.get_available_providers()
        if device == "cuda" and _CUDA not in offered:
            raise EngineUnavailable(
                f"onnxruntime {ort.__version__} has no CUDA provider (it offers {', '.join(offered)}); "
                "install onnxruntime-gpu in its place or ask for device 'cpu'"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or 0
        # Spinning threads gain little and take the cores from the camera driver and the ROS graph.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.load_model_format", "ONNX")  # the one that was checked, no guessing
        providers = [_CPU] if device == "cpu" or _CUDA not in offered else [_CUDA, _CPU]
        self._session = ort.InferenceSession(graph, options, providers=providers)
        self.provider = self._session.get_providers()[0]
        self.device = "cuda" if self.provider == _CUDA else "cpu"
        if device == "cuda" and self.device != "cuda":
            raise EngineUnavailable(
                f"onnxruntime {ort.__version__} could not start its CUDA provider and would run on {self.provider}; "
                "its log above names the missing library, or ask for device 'cpu'"
            )
        given = self._session.get_inputs()[0]
        self._input, self._single = given.name, given.shape[0] == 1
        self.size = model_folder.input_size if all(isinstance(side, int) for side in given.shape[1:3]) else None

    def logits(self, images: np.ndarray) -> np.ndarray:
        check_images(images, self.size)
        if self._single and len(images) > 1:
            return one_at_a_time(self._run, images)
        return self._run(images)

    def close(self) -> None:
        self._session = None

    def _run(self, images: np.ndarray) -> np.ndarray:
        return self._session.run(None, {self._input: images})[0]
