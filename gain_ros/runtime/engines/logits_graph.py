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

"""The ONNX graph that the CPU engines run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gain_ros.errors import EngineUnavailable
from gain_ros.model_folder import GRAPH, ModelFolder


def logits_graph(model_folder: ModelFolder, engine: str) -> bytes:
    """Return the model's "logits" graph. Raises EngineUnavailable where the folder has none."""
    graph = model_folder.graph()
    if graph is None:
        raise EngineUnavailable(
            f"engine {engine!r} needs {GRAPH}, which {model_folder.path} lacks; "
            "take engine 'torch' or package the model again with it"
        )
    return graph


def one_at_a_time(run: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """Run images (N, h, w, 3) through a graph that takes one alone, as some imported ones do."""
    return np.concatenate([run(image[None]) for image in images])
