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

"""Checkpoint files, read without running what is in them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch

from gain_ros.errors import CheckpointError


def read_checkpoint(path: str | Path, expected: str) -> Any:
    """Return what ``torch.save`` wrote, tensors and plain values only, never code, or a .safetensors file, on the CPU.

    ``expected`` ends the message of the CheckpointError that is raised for any other file.
    """
    try:
        if Path(path).suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        if zipfile.is_zipfile(path):
            _check_entries(Path(path))
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); {expected}") from error
    except CheckpointError:
        raise
    except Exception as error:
        # A broken file raises whatever the reader trips over. Torch's own text is left out: it advises unsafe loading.
        raise CheckpointError(f"{path}: holds code or is no checkpoint; {expected}") from error


def _check_entries(path: Path) -> None:
    """Raise CheckpointError for a zip that holds more than its file has bytes: ``torch.save`` never compresses."""
    with zipfile.ZipFile(path) as archive:
        sizes = [entry.file_size for entry in archive.infolist()]
        packed = [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]
    if packed or sum(sizes) > path.stat().st_size:
        raise CheckpointError(
            f"{path}: unpacks to {sum(sizes)} bytes ({len(packed)} entries are compressed); expected at most the "
            f"{path.stat().st_size} of the file, as torch.save writes it: save the checkpoint again"
        )
