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

"""Drawn streets as folders of pictures with truth beside them."""

from __future__ import annotations

from pathlib import Path

from training.scenes.folder import write_street


def street(folder: Path, frames: int = 2, seed: int = 6, rate_hz: float = 10.0) -> Path:
    """Pictures in a new folder ``folder``/scene; its truth lies in ``folder``/sceneannot."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_street(folder, seed, frames, rate_hz, lambda _done: None)
