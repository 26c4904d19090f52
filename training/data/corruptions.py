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

"""What light, weather and cameras do to a picture, each at three strengths: to measure by, not to train with.

Brightness, contrast, blur, noise and JPEG have the constants of ImageNet-C's severities 1, 3 and 5 (Hendrycks and
Dietterich, ICLR 2019). Motion blur is of a camera that turns, fog and shadow are the physics of
:mod:`training.data.augment`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from gain_ros.datasets.frames import Frames, Pair
from training.data.augment import darken, fog, random_shade

STRENGTHS = (1, 2, 3)
Corruption = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def brightness(image: np.ndarray, strength: int, _: np.random.Generator) -> np.ndarray:
    """Raise the value of HSV by 10, 30 or 50 %."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 2] = to_uint8(hsv[..., 2] + np.float32(255 * (0.1, 0.3, 0.5)[strength - 1]))
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def contrast(image: np.ndarray, strength: int, _: np.random.Generator) -> np.ndarray:
    """Keep 40, 20 or 5 % of the distance to the mean colour."""
    mean = image.mean((0, 1), dtype=np.float32)
    return to_uint8((image - mean) * np.float32((0.4, 0.2, 0.05)[strength - 1]) + mean)


def blur(image: np.ndarray, strength: int, _: np.random.Generator) -> np.ndarray:
    """Blur by a Gaussian with a sigma of 1, 3 or 6 pixels."""
    return cv2.GaussianBlur(image, (0, 0), (1, 3, 6)[strength - 1])


def motion_blur(image: np.ndarray, strength: int, _: np.random.Generator) -> np.ndarray:
    """Smear along the rows by 1.5, 3 or 5 % of the width."""
    return cv2.blur(image, (max(2, round(image.shape[1] * (0.015, 0.03, 0.05)[strength - 1])), 1))


def noise(image: np.ndarray, strength: int, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise with a standard deviation of 8, 18 or 38 % of full scale."""
    sigma = np.float32(255 * (0.08, 0.18, 0.38)[strength - 1])
    return to_uint8(image + sigma * rng.standard_normal(image.shape, dtype=np.float32))


def jpeg(image: np.ndarray, strength: int, rng: np.random.Generator) -> np.ndarray:
    """Encode as JPEG of quality 25, 15 or 7."""
    _, code = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, (25, 15, 7)[strength - 1]))
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))


def in_fog(image: np.ndarray, strength: int, _: np.random.Generator) -> np.ndarray:
    """Lay light grey fog over a flat road whose horizon is at 45 % of the height."""
    return fog(image, 0.45 * image.shape[0], (0.02, 0.06, 0.15)[strength - 1], 210)


def shadow(image: np.ndarray, strength: int, rng: np.random.Generator) -> np.ndarray:
    """Take 30, 50 or 70 % of the light from a blotchy region."""
    return darken(image, random_shade(image.shape[:2], rng), (0.3, 0.5, 0.7)[strength - 1])


CORRUPTIONS: dict[str, Corruption] = {
    "brightness": brightness,
    "contrast": contrast,
    "blur": blur,
    "motion blur": motion_blur,
    "noise": noise,
    "JPEG": jpeg,
    "fog": in_fog,
    "shadow": shadow,
}


def to_uint8(image: np.ndarray) -> np.ndarray:
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class CorruptedFrames(Frames):
    """Other frames under a corruption. What is drawn at random follows from a frame's name."""

    frames: Frames
    corruption: str
    strength: int

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Pair:
        pair = self.frames[index]
        rng = np.random.default_rng(zlib.crc32(f"{self.corruption} {pair.name}".encode()))
        return Pair(CORRUPTIONS[self.corruption](pair.image, self.strength, rng), pair.labels, pair.name)

    def name(self, index: int) -> str:
        return self.frames.name(index)

    def labels(self, index: int) -> np.ndarray:
        return self.frames.labels(index)
