# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Model folder → network."""

from __future__ import annotations

from pathlib import Path

import torch

from gain_ros.errors import ModelFolderError
from gain_ros.model.gain import GAIN, build
from gain_ros.model_folder import WEIGHTS, find_model, read_model_folder


def load_model(folder: str | Path) -> GAIN:
    """Return the network of a model folder (a path, or the name of a shipped model), in eval mode and float32.

    It maps float32 N×3×H×W normalised RGB to logits N×classes×H×W at input size. Raises ModelFolderError where the
    weights do not fit the architecture.
    """
    model_folder = read_model_folder(find_model(folder))
    model = build(model_folder.architecture, len(model_folder.labels), **model_folder.options)
    state = {name: torch.from_numpy(array).float() for name, array in model_folder.weights().items()}
    expected = {
        name: value.shape for name, value in model.state_dict().items() if not name.startswith(("aux16.", "aux32."))
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
    model.load_state_dict(state, strict=False)
    return model.eval().requires_grad_(False)
