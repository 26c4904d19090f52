# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Labelled pictures for tests."""

from __future__ import annotations

import cv2
import numpy as np

from gain_ros.datasets.frames import Pair
from gain_ros.labels import CAMVID, UNLABELLED


def drawn(seed: int, height: int = 72, width: int = 96) -> Pair:
    """Blocks of all classes in their colours, a little noisy; the first rows are unlabelled."""
    rng = np.random.default_rng(seed)
    labels = cv2.resize(
        rng.integers(0, len(CAMVID), (4, 6), np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
    )
    image = np.array(CAMVID.colors, np.uint8)[labels] // 2 + rng.integers(0, 40, (height, width, 3), np.uint8)
    labels[:2] = UNLABELLED
    return Pair(image, labels, str(seed))
