"""Random views of labelled images. Every draw comes from the generator given, so a sample's seed repeats it exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from gain_ros.labels import UNLABELLED


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random view. ``crop`` is (height, width) in pixels; scale and aspect are drawn log-uniformly."""

    crop: tuple[int, int] = (288, 384)
    scale: tuple[float, float] = (0.6, 2.0)
    aspect: float = 1.25
    rotation_deg: float = 3.0
    color: float = 0.35
    hue_deg: float = 12.0
    blur_share: float = 0.25
    noise_share: float = 0.25
    grey_share: float = 0.05


def random_view(
    image: np.ndarray, labels: np.ndarray, how: Augmentation, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Scale, stretch, rotate, flip, crop in one resampling: bilinear for the image, nearest for labels, 255 outside."""
    height, width = how.crop
    scale = math.exp(rng.uniform(*map(math.log, how.scale)))
    stretch = math.exp(0.5 * rng.uniform(-1, 1) * math.log(how.aspect))
    sx, sy = scale * stretch * rng.choice((-1, 1)), scale / stretch
    angle = math.radians(rng.uniform(-how.rotation_deg, how.rotation_deg))
    cos, sin = math.cos(angle), math.sin(angle)
    linear = np.array([[cos * sx, -sin * sy], [sin * sx, cos * sy]])
    spare = np.maximum(np.array(image.shape[1::-1]) - np.array([width, height]) / scale, 0)
    centre = np.array(image.shape[1::-1]) / 2 + spare * rng.uniform(-0.5, 0.5, 2)
    shift = np.array([width, height]) / 2 - linear @ centre
    matrix = np.column_stack((linear, shift))
    view = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=(124, 116, 104))
    ids = cv2.warpAffine(labels, matrix, (width, height), flags=cv2.INTER_NEAREST, borderValue=UNLABELLED)
    return view, ids


def paste_classes(
    image: np.ndarray,
    labels: np.ndarray,
    other_image: np.ndarray,
    other_labels: np.ndarray,
    classes: tuple[int, ...],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """ClassMix (Olsson et al. 2021) for ``classes``: paste a random half of those present in the other view."""
    present = [c for c in classes if (other_labels == c).any()]
    if not present:
        return image, labels
    chosen = rng.permutation(present)[: (len(present) + 1) // 2]
    mask = np.isin(other_labels, chosen)
    return np.where(mask[..., None], other_image, image), np.where(mask, other_labels, labels)


def random_colors(image: np.ndarray, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Hue, saturation, then contrast, brightness, white balance and gamma as look-up tables; sometimes blur, noise,
    grey. uint8 in and out.
    """
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
    x = cv2.LUT(x, (table + 0.5).astype(np.uint8)[None])
    if rng.random() < how.blur_share:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.3, 1.3))
    if rng.random() < how.noise_share:
        noise = rng.standard_normal(x.shape, dtype=np.float32) * np.float32(rng.uniform(1, 8))
        x = np.clip(x + noise + 0.5, 0, 255).astype(np.uint8)
    return x
