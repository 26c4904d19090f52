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

"""Model folder → network."""

from __future__ import annotations

from pathlib import Path

import torch

from gain_ros.errors import ModelFolderError
from gain_ros.model.gain import GAIN, build
from gain_ros.model_folder import MODEL_YAML, WEIGHTS, ModelFolder, find_model, read_model_folder


def load_model(folder: str | Path | ModelFolder) -> GAIN:
    """Return the network of a model folder, in eval mode and float32.

    ``folder`` is a path, the name of a shipped model, or a model folder that was read. The network maps float32 N×3×H×W
    normalised RGB to logits N×classes×H×W at input size. Raises ModelFolderError where the weights do not fit the
    architecture.
    """
    model_folder = folder if isinstance(folder, ModelFolder) else read_model_folder(find_model(folder))
    state = {name: torch.from_numpy(array).float() for name, array in model_folder.weights().items()}
    with torch.device("meta"):  # sizes without memory: options may ask for any width
        sketch = _build(model_folder)
    expected = {
        name: value.shape for name, value in sketch.state_dict().items() if not name.startswith(("aux16.", "aux32."))
    }
    expected = {name: shape for name, shape in expected.items() if not name.endswith("num_batches_tracked")}
    given = {name: value.shape for name, value in state.items() if not name.endswith("num_batches_tracked")}
    wrong = sorted(name for name in expected.keys() | given.keys() if expected.get(name) != given.get(name))
    if wrong:
        name = wrong[0]
        raise ModelFolderError(
            model_folder.path / WEIGHTS,
            f"{len(wrong)} tensors that do not fit {model_folder.architecture}({model_folder.options}), "
            f"the first {name}: {given.get(name, 'missing')}",
            str(expected.get(name, "no such tensor")),
            "package the model again or mend architecture and options in model.yaml",
        )
    model = _build(model_folder)
    model.load_state_dict(state, strict=False)
    return model.eval().requires_grad_(False)


def _build(model_folder: ModelFolder) -> GAIN:
    try:
        return build(model_folder.architecture, len(model_folder.labels), **model_folder.options)
    except (ValueError, TypeError, RuntimeError) as error:  # torch raises the last two for odd numbers
        raise ModelFolderError(
            model_folder.path / MODEL_YAML,
            f"a network that cannot be made ({error})",
            "an architecture with its options",
            "package the model again",
        ) from error
