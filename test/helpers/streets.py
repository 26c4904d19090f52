# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Drawn streets as folders of pictures with truth beside them."""

from __future__ import annotations

from pathlib import Path

from training.scenes.folder import write_street


def street(folder: Path, frames: int = 2, seed: int = 6, rate_hz: float = 10.0) -> Path:
    """Pictures in a new folder ``folder``/scene; its truth lies in ``folder``/sceneannot."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_street(folder, seed, frames, rate_hz, lambda _done: None)
