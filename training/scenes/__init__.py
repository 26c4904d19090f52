# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Procedural street scenes with exact ground truth in CamVid's 11 classes.

A camera drives on the left down a street that is drawn, not photographed: every call that paints pixels writes their
class in the same breath, so the labels are exact. Used by ``gain demo``, by tests, and as additional training data.
"""

from training.scenes.street import StreetScene

__all__ = ["StreetScene"]
