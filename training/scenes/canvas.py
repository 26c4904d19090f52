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

"""Camera and canvas: the only place that paints, always picture and labels together."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(11)
NOTHING = 254  # inside sprites only: a pixel that is not painted

LOOP_M = 480.0  # the street repeats after this way
NEAR_M = 0.9
CAMERA_HEIGHT_M = 1.35
_SUBPIXEL_BITS = 3
_FAR_AWAY_PX = 30000  # cv2's fixed point overflows beyond


def scaled(colour, factor: float) -> tuple[int, int, int]:
    """Return a lighter or darker RGB colour."""
    red, green, blue = (int(min(255, max(0, channel * factor))) for channel in colour)
    return red, green, blue


def pick(rng: np.random.Generator, options):
    """One of the options (rng.choice would turn tuples into arrays)."""
    return options[int(rng.integers(len(options)))]


def halvings(image: np.ndarray, levels: int = 5) -> list[np.ndarray]:
    """Return the image and its area-averaged halves, so that far surfaces do not flicker."""
    mips = [image]
    while len(mips) < levels and min(mips[-1].shape[:2]) >= 8:
        height, width = mips[-1].shape[:2]
        mips.append(cv2.resize(mips[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return mips


@dataclass(frozen=True)
class Texture:
    """A flat surface: RGB with its smaller copies, the metres it covers, and its opacity (None: solid)."""

    mips: list
    width_m: float
    height_m: float
    alpha: list | None = None


@dataclass(frozen=True)
class Sprite:
    """A cut-out that always faces the camera: RGB, opacity (None: solid) and class, NOTHING outside."""

    rgb: list
    alpha: list | None
    labels: list
    height_m: float

    @staticmethod
    def make(rgb: np.ndarray, alpha: np.ndarray | None, labels: np.ndarray, height_m: float) -> "Sprite":
        """Smaller copies take the class that covers most of each pixel."""
        present = [int(label) for label in np.unique(labels)]
        shares = [halvings((labels == label).astype(np.float32)) for label in present]
        lookup = np.array(present, np.uint8)
        small = [lookup[np.argmax(np.stack(level), axis=0)] for level in zip(*shares, strict=True)]
        return Sprite(halvings(rgb), None if alpha is None else halvings(alpha), small, height_m)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera on a car. World: x right and y up in metres, z in metres ahead of the camera."""

    focal_px: float
    centre_px: tuple[float, float]
    along_m: float
    bend_per_m: float  # the street curves: x moves by bend * z^2
    aside_m: float

    def ahead(self, z_m: float) -> float:
        """Distance ahead of the nearest repetition of a place in the street; down to -30 m behind."""
        return (z_m - self.along_m + 30.0) % LOOP_M - 30.0

    def point(self, x_m: float, y_m: float, z_m: float) -> tuple[float, float]:
        """One world point in the picture, pixels (u, v)."""
        z = max(z_m, 0.2)
        scale = self.focal_px / z
        u = self.centre_px[0] + scale * (x_m - self.aside_m + self.bend_per_m * z * z)
        return u, self.centre_px[1] - scale * (y_m - CAMERA_HEIGHT_M)

    def project(self, points) -> np.ndarray:
        """World points (x, y, z) to pixels, float64 (N, 2)."""
        return np.array([self.point(*p) for p in points])


class Canvas:
    """RGB picture uint8 (H, W, 3) and class ids uint8 (H, W)."""

    def __init__(self, size: tuple[int, int], haze_rgb, haze_m: float):
        self.height, self.width = size
        self.rgb = np.zeros((*size, 3), np.uint8)
        self.labels = np.full(size, 255, np.uint8)
        self.haze_rgb, self.haze_m = haze_rgb, haze_m
        self.clear = 1.0

    def depth(self, z_m: float) -> None:
        """Everything painted from here on is this far away: it fades into the haze."""
        self.clear = self.clearness(max(z_m, 0.0))

    def clearness(self, z_m):
        """Share of an object's own colour that arrives through the haze; scalar or array."""
        return np.exp(-np.maximum(z_m - 6.0, 0) / self.haze_m)

    def faded(self, colour) -> tuple[int, int, int]:
        clear, rest = self.clear, 1 - self.clear
        haze = self.haze_rgb
        return (
            int(colour[0] * clear + haze[0] * rest),
            int(colour[1] * clear + haze[1] * rest),
            int(colour[2] * clear + haze[2] * rest),
        )

    def polygon(self, points, colour, label: int) -> None:
        """Fill a polygon given in pixels (N, 2)."""
        fixed = _fixed_point(np.asarray(points))
        cv2.fillPoly(self.rgb, [fixed], self.faded(colour), cv2.LINE_8, _SUBPIXEL_BITS)
        cv2.fillPoly(self.labels, [fixed], label, cv2.LINE_8, _SUBPIXEL_BITS)

    def line(self, a, b, width_px: float, colour, label: int) -> None:
        ends = [(int(_clamp(x)), int(_clamp(y))) for x, y in (a, b)]
        thickness = int(min(200, max(1, round(width_px))))
        cv2.line(self.rgb, ends[0], ends[1], self.faded(colour), thickness, cv2.LINE_8)
        cv2.line(self.labels, ends[0], ends[1], label, thickness, cv2.LINE_8)

    def ellipse(self, centre, radii, colour, label: int, ring_px: float = 0.0) -> None:
        """Draw a filled ellipse, or its outline ring_px wide."""
        if max(abs(centre[0]), abs(centre[1]), *radii) > _FAR_AWAY_PX / 2:
            return
        points = _CIRCLE * np.asarray(radii) + np.asarray(centre)
        if not ring_px:
            self.polygon(points, colour, label)
            return
        outline = np.round(points).astype(np.int32)
        thickness = int(min(50, max(1, round(ring_px))))
        cv2.polylines(self.rgb, [outline], True, self.faded(colour), thickness)
        cv2.polylines(self.labels, [outline], True, label, thickness)

    def darken(self, points, factor: float) -> None:
        """Cast a shadow: the same class in less light."""
        points = np.asarray(points)
        box = self._box(points)
        if box is None:
            return
        patch = self.rgb[box[1] : box[3], box[0] : box[2]]
        cv2.copyTo(cv2.convertScaleAbs(patch, alpha=factor), _polygon_mask(points, box), patch)

    def quad(self, texture: Texture, corners_px: np.ndarray, span, label: int, shade: float) -> None:
        """Hang columns span[0]..span[1] (fractions) of a texture over four picture points: tl, tr, br, bl."""
        box = self._box(corners_px)
        if box is None:
            return
        level = _level_for(texture, corners_px, span)
        source = texture.mips[level]
        h, w = source.shape[:2]
        left, right = span[0] * w, span[1] * w
        src = np.array([[left, 0], [right, 0], [right, h], [left, h]], np.float32)
        matrix = cv2.getPerspectiveTransform(src, (corners_px - box[:2]).astype(np.float32))
        size = (box[2] - box[0], box[3] - box[1])
        paint = cv2.warpPerspective(source, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha = None
        if texture.alpha is not None:
            alpha = cv2.warpPerspective(texture.alpha[level], matrix, size, borderMode=cv2.BORDER_REPLICATE)
        mask = _polygon_mask(corners_px, box)
        self._blend(paint, mask, alpha, box, shade)
        self.labels[box[1] : box[3], box[0] : box[2]][mask > 0] = label

    def sprite(self, sprite: Sprite, foot_px, pixels_per_m: float, shade: float, mirror: bool = False) -> None:
        """Stand a sprite on a picture point."""
        level, scale = 0, pixels_per_m * sprite.height_m / sprite.rgb[0].shape[0]
        while level + 1 < len(sprite.rgb) and scale < 0.7:
            level, scale = level + 1, pixels_per_m * sprite.height_m / sprite.rgb[level + 1].shape[0]
        h, w = sprite.rgb[level].shape[:2]
        left, top = foot_px[0] - w * scale / 2, foot_px[1] - h * scale
        box = self._box(np.array([[left, top], [left + w * scale, foot_px[1]]]))
        if box is None:
            return
        shift_x = (left + w * scale if mirror else left) - box[0]
        matrix = np.array([[-scale if mirror else scale, 0, shift_x], [0, scale, top - box[1]]], np.float32)
        size = (box[2] - box[0], box[3] - box[1])
        labels = cv2.warpAffine(sprite.labels[level], matrix, size, flags=cv2.INTER_NEAREST, borderValue=NOTHING)
        paint = cv2.warpAffine(sprite.rgb[level], matrix, size, borderMode=cv2.BORDER_REPLICATE)
        alpha = None if sprite.alpha is None else cv2.warpAffine(sprite.alpha[level], matrix, size)
        mask = np.where(labels == NOTHING, 0, 255).astype(np.uint8)
        self._blend(paint, mask, alpha, box, shade)
        cv2.copyTo(labels, mask, self.labels[box[1] : box[3], box[0] : box[2]])

    def _box(self, points: np.ndarray) -> tuple[int, int, int, int] | None:
        """Return the part of the canvas that the points span: x0, y0, x1, y1; None when outside."""
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        x0, y0 = int(max(0, math.floor(x0))), int(max(0, math.floor(y0)))
        x1, y1 = int(min(self.width, math.ceil(x1) + 1)), int(min(self.height, math.ceil(y1) + 1))
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None

    def _blend(self, paint, mask, alpha, box, shade: float) -> None:
        patch = self.rgb[box[1] : box[3], box[0] : box[2]]
        rest = 1 - self.clear
        paint = cv2.transform(paint, _fade_matrix(shade * self.clear, self.haze_rgb, rest))
        if alpha is not None:
            weight = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
            kept = cv2.multiply(patch, cv2.bitwise_not(weight), scale=1 / 255)
            paint = cv2.add(cv2.multiply(paint, weight, scale=1 / 255), kept)
        cv2.copyTo(paint, mask, patch)


_CIRCLE = np.array([[math.cos(a), math.sin(a)] for a in np.linspace(0, 2 * math.pi, 20, endpoint=False)])


def _clamp(value: float) -> float:
    return min(_FAR_AWAY_PX, max(-_FAR_AWAY_PX, value))


def _fixed_point(points: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(points, -_FAR_AWAY_PX, _FAR_AWAY_PX) * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def _polygon_mask(points: np.ndarray, box) -> np.ndarray:
    mask = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
    cv2.fillPoly(mask, [_fixed_point(points - box[:2])], 255, cv2.LINE_8, _SUBPIXEL_BITS)
    return mask


def _fade_matrix(gain: float, haze_rgb, rest: float) -> np.ndarray:
    matrix = np.zeros((3, 4), np.float32)
    matrix[:, :3] = np.eye(3) * gain
    matrix[:, 3] = np.array(haze_rgb) * rest
    return matrix


def _level_for(texture: Texture, corners_px: np.ndarray, span) -> int:
    """Choose the smaller copy that has about as many texels as the quad has pixels."""
    tall = max(1.0, abs(corners_px[0, 1] - corners_px[3, 1]), abs(corners_px[1, 1] - corners_px[2, 1]))
    wide = max(1.0, np.ptp(corners_px[:, 0]) / max(1e-3, span[1] - span[0]))
    h, w = texture.mips[0].shape[:2]
    # walls along the street are squeezed sideways: a little blur there is better than flicker
    excess = min(h / tall, w / wide / 1.7) / 1.2
    return int(min(len(texture.mips) - 1, max(0, math.floor(math.log2(max(excess, 1e-3))))))
