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

"""Road, markings, kerbs, pavement and verges as one texture seen from above."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from training.scenes.canvas import CAMERA_HEIGHT_M, PAVEMENT, ROAD, TREE, Camera, Canvas, scaled
from training.scenes.textures import noise

TILE_M = 96.0  # LOOP_M is a multiple of it
HALF_WIDTH_M = 20.0
_ALONG_PX, _ACROSS_PX = 14.0, 26.0  # texels a metre
_BANDS_M = ((0, 9), (9, 22), (22, 55), (55, math.inf))  # one smaller copy each


@dataclass(frozen=True)
class Plan:
    """The street's cross-section in metres; x = 0 is the middle of the camera's lane, which is the left one."""

    left_m: float
    right_m: float
    lane_x_m: tuple[float, float]
    walk_m: float
    green: tuple[bool, bool]
    asphalt: tuple[float, float, float]
    slab: tuple[float, float, float]
    yellow_lines: bool
    zebra_m: float | None
    shadow_side: int  # 0: overcast
    speed_mps: float
    parked: tuple[float, float]

    @staticmethod
    def draw(rng: np.random.Generator) -> "Plan":
        grey, lane = float(rng.uniform(60, 100)), float(rng.uniform(3.2, 3.8))
        parking = [2.1 if rng.random() < 0.5 else 0.0 for _ in range(2)]
        slab, warm = rng.uniform(84, 134), rng.uniform(-6, 10)
        return Plan(
            left_m=-lane / 2 - 0.3 - parking[0],
            right_m=lane * 1.5 + 0.3 + parking[1],
            lane_x_m=(0.0, lane),
            walk_m=float(rng.uniform(1.8, 4.0)),
            green=(bool(rng.random() < 0.25), bool(rng.random() < 0.25)),
            asphalt=(grey, grey + 1, grey + 4),
            slab=(slab + warm, slab, slab - warm),
            yellow_lines=bool(rng.random() < 0.6),
            zebra_m=float(rng.uniform(10, 80)) if rng.random() < 0.5 else None,
            shadow_side=int(rng.integers(-1, 2)),
            speed_mps=float(rng.uniform(6.5, 9.5)),
            parked=(0.62 if parking[0] else 0.0, 0.62 if parking[1] else 0.0),
        )


def _columns(x0: float, x1: float) -> slice:
    a, b = sorted(round((x + HALF_WIDTH_M) * _ACROSS_PX) for x in (x0, x1))
    return slice(max(0, a), max(a + 1, b))


def _rows(z0: float, z1: float) -> slice:
    return slice(int(z0 * _ALONG_PX), int(z1 * _ALONG_PX))


class Ground:
    """The street's floor: mips RGB uint8, and one class per column (the street is straight in its own metres)."""

    def __init__(self, rng: np.random.Generator, plan: Plan):
        h, w = int(TILE_M * _ALONG_PX), int(2 * HALF_WIDTH_M * _ACROSS_PX)
        self._plan, self._rng = plan, rng
        self._uneven = 5 * noise(rng, h, w, 96, 6) + rng.normal(0, 7, (h, w)).astype(np.float32)
        self.labels = np.full(w, ROAD, np.uint8)
        x_m = (np.arange(w) + 0.5) / _ACROSS_PX - HALF_WIDTH_M
        wear = 4 * np.cos((x_m - plan.lane_x_m[0]) * 2 * math.pi / 1.75).astype(np.float32)  # two tyre tracks a lane
        rgb = np.array(plan.asphalt, np.float32) + (self._uneven - wear)[..., None]
        self._repairs(rgb)
        for side, edge in ((-1, plan.left_m), (1, plan.right_m)):
            self._side(rgb, side, edge)
        self._markings(rgb)
        if plan.shadow_side:
            self._house_shadow(rgb)
        rgb = np.clip(rgb, 0, 255).astype(np.uint8)
        self.mips = [rgb]
        for _ in _BANDS_M[1:]:  # far rows are seen at a grazing angle: shrink along the road faster than across it
            last = self.mips[-1]
            self.mips.append(_shrink(last))

    def _repairs(self, rgb) -> None:
        rng, plan = self._rng, self._plan
        for _ in range(16):
            z, x = rng.uniform(0, TILE_M - 6), rng.uniform(plan.left_m, plan.right_m - 1.5)
            rgb[_rows(z, z + rng.uniform(1, 6)), _columns(x, x + rng.uniform(0.6, 2))] += rng.uniform(-14, 10)
        for _ in range(5):
            z, x = rng.uniform(1, TILE_M - 2), rng.uniform(plan.left_m + 0.5, plan.right_m - 1)
            rgb[_rows(z, z + 0.6), _columns(x, x + 0.6)] = scaled(plan.asphalt, 0.6)
        for _ in range(10):  # cracks wander along the road
            z, x = rng.uniform(0, TILE_M - 12), rng.uniform(plan.left_m, plan.right_m)
            for step in np.arange(0, rng.uniform(3, 12), 0.08):
                x += rng.normal(0, 0.025)
                rgb[_rows(z + step, z + step + 0.09), _columns(x, x + 0.04)] -= 22

    def _side(self, rgb, side: int, edge: float) -> None:
        plan, uneven = self._plan, self._uneven[..., None]
        outer = side * HALF_WIDTH_M
        slabs = _columns(edge, outer)
        rgb[:, slabs] = np.array(plan.slab, np.float32) + uneven[:, slabs] * 1.2
        self.labels[slabs] = PAVEMENT
        for z in np.arange(0, TILE_M, 0.9):
            rgb[int(z * _ALONG_PX), slabs] -= 10
        for x in np.arange(0, plan.walk_m, 0.7):
            rgb[:, _columns(edge + side * x, edge + side * (x + 0.03))] -= 9
        kerb = _columns(edge, edge + side * 0.16)
        rgb[:, kerb] = np.array(plan.slab, np.float32) + 26 + uneven[:, kerb]
        rgb[:, _columns(edge, edge - side * 0.25)] -= 12
        if plan.green[(side + 1) // 2]:
            grass = _columns(edge + side * plan.walk_m, outer)
            rgb[:, grass] = np.array([74, 92, 46], np.float32) + 2.4 * uneven[:, grass]
            self.labels[grass] = TREE
        if plan.yellow_lines:
            for x in (edge - side * 0.35, edge - side * 0.6):
                line = _columns(x - 0.05, x + 0.05)
                rgb[:, line] = np.array([168, 140, 62], np.float32) + uneven[:, line] * 2

    def _markings(self, rgb) -> None:
        plan, rng = self._plan, self._rng
        white = np.array([196, 196, 192], np.float32)
        middle = sum(plan.lane_x_m) / 2
        boxes = [(z, z + 3.4, middle - 0.07, middle + 0.07) for z in np.arange(0, TILE_M - 1, 6.0)]
        if plan.zebra_m is not None:
            z = plan.zebra_m
            boxes += [(z, z + 2.8, x, x + 0.5) for x in np.arange(plan.left_m + 0.3, plan.right_m - 0.4, 1.0)]
            boxes += [(z - 2.5, z - 2.2, plan.left_m + 0.7, middle - 0.2)]
        for z0, z1, x0, x1 in boxes:
            at = _rows(z0, z1), _columns(x0, x1)
            rgb[at] = white * rng.uniform(0.8, 1) + self._uneven[at][..., None] * 2.5

    def _house_shadow(self, rgb) -> None:
        """Houses on one side stand in the sun: their shadow reaches over the pavement, sometimes over the road."""
        plan, rng = self._plan, self._rng
        edge = plan.left_m if plan.shadow_side < 0 else plan.right_m
        z = 0.0
        while z < TILE_M:
            length, reach = rng.uniform(5, 14), rng.uniform(0.5, 6.5)
            dark = _columns(plan.shadow_side * HALF_WIDTH_M, edge - plan.shadow_side * reach)
            rgb[_rows(z, z + length), dark] *= 0.62
            z += length

    def paint(self, canvas: Canvas, camera: Camera) -> None:
        """Fill the canvas below the horizon."""
        first = max(0, math.floor(camera.centre_px[1]) + 2)
        rows = np.arange(first, canvas.height)
        z = (camera.focal_px * CAMERA_HEIGHT_M / (rows + 0.5 - camera.centre_px[1])).astype(np.float32)
        aside = (camera.aside_m - camera.bend_per_m * z * z).astype(np.float32)
        u = np.arange(canvas.width, dtype=np.float32) + 0.5 - camera.centre_px[0]
        across = u * (z / camera.focal_px)[:, None] + (aside + HALF_WIDTH_M)[:, None]
        across = np.clip(across, 0, 2 * HALF_WIDTH_M - 0.05)
        along = ((camera.along_m + z) % TILE_M).astype(np.float32)
        canvas.labels[first:] = self.labels[(across * _ACROSS_PX).astype(np.int32)]
        clear = canvas.clearness(z)[:, None, None].astype(np.float32)
        haze = np.array(canvas.haze_rgb, np.float32) * (1 - clear)
        for mip, (low, high) in zip(self.mips, _BANDS_M, strict=True):
            band = np.flatnonzero((z >= low) & (z < high))
            if len(band):
                flat = _look_up(mip, across[band], along[band])
                canvas.rgb[first + band[0] : first + band[-1] + 1] = flat * clear[band] + haze[band]


def _shrink(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 4), interpolation=cv2.INTER_AREA)


def _look_up(mip: np.ndarray, across_m: np.ndarray, along_m: np.ndarray) -> np.ndarray:
    map_x = across_m * (mip.shape[1] / (2 * HALF_WIDTH_M)) - 0.5
    map_y = np.repeat((along_m * (mip.shape[0] / TILE_M))[:, None], across_m.shape[1], axis=1)
    return cv2.remap(mip, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
