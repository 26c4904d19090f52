# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Checkpoint files, read without running what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gain_ros.errors import CheckpointError


def read_checkpoint(path: str | Path, expected: str) -> Any:
    """Return what ``torch.save`` wrote: tensors and plain values only, never code, on the CPU.

    ``expected`` ends the message of the CheckpointError that is raised for any other file.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); {expected}") from error
    except Exception as error:
        # A broken file raises whatever the reader trips over. Torch's own text is left out: it advises unsafe loading.
        raise CheckpointError(f"{path}: holds code or is no checkpoint; {expected}") from error
