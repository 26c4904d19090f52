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
