# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Data sets, as Lightning data modules."""

from training.data.module import CamVid, Cityscapes, LabelledFrames, Scenes

__all__ = ["CamVid", "Cityscapes", "LabelledFrames", "Scenes"]
