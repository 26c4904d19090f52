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

"""Random views of labelled images. Every draw comes from the generator given, so a sample's seed repeats it exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from gain_ros.datasets.frames import Pair
from gain_ros.labels import UNLABELLED
from gain_ros.model_folder import IMAGENET_MEAN

BORDER = tuple(round(255 * value) for value in IMAGENET_MEAN)


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random view; a ``..._share`` is the share of samples that something is done to.

    ``crop`` is (height, width) in pixels; scale and aspect are drawn log-uniformly, and so are the standard deviations
    of Gaussian blur, ``blur_px``, and of noise, ``noise_levels`` of 255. ``paste_share`` pastes half of the
    ``paste_classes`` that a second view holds (ClassMix, Olsson et al., WACV 2021; None: the things of the data set
    that stand alone), ``cutmix_share`` a rectangle of it (Yun et al., ICCV 2019).
    """

    crop: tuple[int, int] = (288, 384)
    scale: tuple[float, float] = (0.6, 2.0)
    aspect: float = 1.25
    rotation_deg: float = 3.0
    color: float = 0.35
    hue_deg: float = 12.0
    grey_share: float = 0.05
    shadow_share: float = 0.3
    fog_share: float = 0.05
    blur_share: float = 0.25
    blur_px: tuple[float, float] = (0.3, 1.3)
    noise_share: float = 0.25
    noise_levels: tuple[float, float] = (1.0, 8.0)
    jpeg_share: float = 0.1
    paste_share: float = 0.15
    paste_classes: tuple[str, ...] | None = None
    cutmix_share: float = 0.0


def random_view(pair: Pair, how: Augmentation, rng: np.random.Generator, focus: int | None = None) -> Pair:
    """Scale, stretch, rotate, flip, crop in one resampling: bilinear for the image, nearest for labels, 255 outside.

    ``focus`` is a class: the crop then lies around one of its pixels, where there is one.
    """
    size = np.array(how.crop[::-1])
    scale = log_uniform(how.scale, rng)
    stretch = math.exp(0.5 * rng.uniform(-1, 1) * math.log(how.aspect))
    sx, sy = scale * stretch * rng.choice((-1, 1)), scale / stretch
    angle = math.radians(rng.uniform(-how.rotation_deg, how.rotation_deg))
    cos, sin = math.cos(angle), math.sin(angle)
    linear = np.array([[cos * sx, -sin * sy], [sin * sx, cos * sy]])
    centre = crop_centre(pair.labels, size / scale, rng, focus)
    matrix = np.column_stack((linear, size / 2 - linear @ centre))
    labels = cv2.warpAffine(pair.labels, matrix, size.tolist(), flags=cv2.INTER_NEAREST, borderValue=UNLABELLED)
    image = pair.image
    while scale <= 0.5:  # warpAffine takes four pixels whatever the scale: halve by area first, or the view aliases
        image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        matrix, scale = matrix @ np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]]), 2 * scale
    view = cv2.warpAffine(image, matrix, size.tolist(), flags=cv2.INTER_LINEAR, borderValue=BORDER)
    return Pair(view, labels, pair.name)


def log_uniform(interval: tuple[float, float], rng: np.random.Generator) -> float:
    low, high = map(math.log, interval)
    return math.exp(rng.uniform(low, high))


def crop_centre(labels: np.ndarray, extent: np.ndarray, rng: np.random.Generator, focus: int | None) -> np.ndarray:
    """Centre (x, y) of a crop that covers ``extent`` (x, y) source pixels and leaves the image as little as it can."""
    middle = np.array(labels.shape[::-1]) / 2
    spare = np.maximum(2 * middle - extent, 0)
    offset = rng.uniform(-0.5, 0.5, 2)
    pixels = np.flatnonzero(labels == focus) if focus is not None else ()
    if not len(pixels):
        return middle + spare * offset
    y, x = divmod(int(rng.choice(pixels)), labels.shape[1])
    return np.clip((x, y) + 0.8 * extent * offset, middle - spare / 2, middle + spare / 2)


def paste_classes(onto: Pair, other: Pair, classes: tuple[int, ...], rng: np.random.Generator) -> Pair:
    """Paste a random half of those of ``classes`` that ``other`` holds."""
    present = [c for c in classes if (other.labels == c).any()]
    if not present:
        return onto
    return overlay(onto, other, np.isin(other.labels, rng.permutation(present)[: (len(present) + 1) // 2]))


def paste_rectangle(onto: Pair, other: Pair, rng: np.random.Generator) -> Pair:
    """Paste a rectangle of the view's own aspect; its share of the area is uniform."""
    height, width = onto.labels.shape
    side = math.sqrt(rng.uniform())
    h, w = round(height * side), round(width * side)
    top, left = rng.integers(height - h + 1), rng.integers(width - w + 1)
    mask = np.zeros((height, width), bool)
    mask[top : top + h, left : left + w] = True
    return overlay(onto, other, mask)


def overlay(onto: Pair, other: Pair, mask: np.ndarray) -> Pair:
    image = np.where(mask[..., None], other.image, onto.image)
    return Pair(image, np.where(mask, other.labels, onto.labels), onto.name)


def random_colors(image: np.ndarray, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Light, weather and camera: shadow, fog, colour, blur, noise, JPEG. uint8 in and out."""
    if rng.random() < how.shadow_share:
        image = random_shadow(image, rng)
    if rng.random() < how.fog_share:
        image = random_fog(image, rng)
    image = random_tone(image, how, rng)
    if rng.random() < how.blur_share:
        image = cv2.GaussianBlur(image, (0, 0), log_uniform(how.blur_px, rng))
    if rng.random() < how.noise_share:
        noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(log_uniform(how.noise_levels, rng))
        image = np.clip(image + noise + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < how.jpeg_share:
        _, code = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 91))))
        image = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))
    return image


def random_tone(image: np.ndarray, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Hue and saturation, then contrast, brightness, white balance and gamma as look-up tables; sometimes grey."""
    levels = np.arange(256, dtype=np.float32)
    saturation = 0 if rng.random() < how.grey_share else rng.uniform(1 - how.color, 1 + how.color)
    hue_shift = rng.uniform(-how.hue_deg, how.hue_deg) / 2  # OpenCV's 8-bit hue is in units of 2 degrees
    hsv_table = np.stack(((levels + hue_shift) % 180, np.clip(levels * saturation, 0, 255), levels), axis=1)
    hsv = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), hsv_table.astype(np.uint8)[None])
    x = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    contrast, brightness = rng.uniform(1 - how.color, 1 + how.color, 2)
    gamma = math.exp(rng.uniform(-how.color, how.color))
    balance = rng.uniform(1 - how.color / 3, 1 + how.color / 3, 3)
    mean = float(x.mean())
    table = ((levels - mean) * contrast + mean * brightness)[:, None] * balance
    table = 255 * np.clip(table / 255, 0, 1) ** gamma
    return cv2.LUT(x, (table + 0.5).astype(np.uint8)[None])


def random_shadow(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Darken a random blotchy region, as trees, bridges and vehicles do on a sunny day. uint8 in and out."""
    return darken(image, random_shade(image.shape[:2], rng), rng.uniform(0.25, 0.65))


def random_shade(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return where a shadow lies, float (H, W) of 0 (none) to 1.

    The region is a smooth random field above a random level, so its edge is soft or hard and its shape large or
    dappled.
    """
    height, width = size
    cells = int(rng.integers(2, 13))
    coarse = rng.standard_normal((cells, max(2, cells * width // height)), dtype=np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    softness = log_uniform((0.02, 0.5), rng)
    return np.clip((field - rng.uniform(-0.5, 0.8)) / softness, 0, 1)


def darken(image: np.ndarray, shade: np.ndarray, depth: float) -> np.ndarray:
    """Take the share ``depth`` of its light from what lies in ``shade``; the sky still lights it, and bluish."""
    factor = 1 - shade[..., None] * depth * np.array((1, 0.96, 0.88), np.float32)
    return (image * factor + 0.5).astype(np.uint8)


def random_fog(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    horizon, density = image.shape[0] * rng.uniform(0.2, 0.6), log_uniform((0.01, 0.1), rng)
    return fog(image, horizon, density, rng.uniform(170, 235))


def fog(image: np.ndarray, horizon: float, density: float, light: float) -> np.ndarray:
    """Lay fog of grey ``light`` by Koschmieder's law over a flat road. uint8 in and out.

    Distance grows towards the row ``horizon``, and all above it is far away; ``density`` is the extinction over the
    distance of the lowest row from an imagined camera.
    """
    height = image.shape[0]
    distance = 1 / np.clip((np.arange(height) - horizon) / height, 0.03, None)
    share = (1 - np.exp(-density * distance)).astype(np.float32)[:, None, None]
    return (image * (1 - share) + np.float32(light) * share + 0.5).astype(np.uint8)
