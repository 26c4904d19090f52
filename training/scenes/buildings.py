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

"""Houses, gardens, fences: what stands along the street and does not move."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.scenes import textures
from training.scenes.canvas import BUILDING, FENCE, NEAR_M, SIGN, TREE, Camera, Canvas, Sprite, Texture, pick, scaled

Paint = Callable[[Canvas, Camera, float, float], None]  # canvas, camera, metres ahead, seconds

_DEPTH_M = 9.0
_ROOFS = (None, None, (84, 74, 70), (104, 72, 60), (66, 66, 70))


@dataclass(frozen=True)
class Surfaces:
    """The materials of one street."""

    facades: tuple[tuple[Texture, Texture], ...]  # street side, end wall
    fences: dict[str, Texture]
    wall: Texture
    plants: textures.Plants

    @staticmethod
    def make(rng: np.random.Generator) -> "Surfaces":
        fronts = [textures.facade(rng, int(rng.integers(2, 5)), shop=rng.random() < 0.7) for _ in range(9)]
        return Surfaces(
            facades=tuple((front, textures.gable(rng, front, _DEPTH_M)) for front in fronts),
            fences={kind: textures.fence(rng, kind) for kind in ("boards", "railing", "guard")},
            wall=textures.garden_wall(rng),
            plants=textures.Plants.grow(rng),
        )


def _along_street(canvas, camera, x_m, near_m, texture, label, shade) -> None:
    """Paint a textured wall parallel to the road, cut off in front of the camera."""
    far_m = near_m + texture.width_m
    start = max(near_m, NEAR_M)
    if far_m <= start:
        return
    pieces = 2 if far_m - start > 6 and start > 25 and abs(camera.bend_per_m) > 2e-4 else 1  # follow the bend
    edges = np.linspace(start, far_m, pieces + 1)
    for a, b in zip(edges[-2::-1], edges[:0:-1], strict=True):
        top, span = texture.height_m, ((a - near_m) / texture.width_m, (b - near_m) / texture.width_m)
        corners = camera.project([(x_m, top, a), (x_m, top, b), (x_m, 0, b), (x_m, 0, a)])
        canvas.quad(texture, corners, span, label, shade)


def building(rng: np.random.Generator, walls: tuple[Texture, Texture], side: int, x_m: float, light: float) -> Paint:
    """Return a house whose street side stands at x_m."""
    front, end = walls
    roof, rise = pick(rng, _ROOFS), float(rng.uniform(1.8, 3.4))
    chimney = roof is not None and rng.random() < 0.6
    end_light = float(rng.uniform(0.6, 0.95)) * light
    wall = scaled(np.median(end.mips[-1].reshape(-1, 3), axis=0), end_light)
    board = pick(rng, textures.SHOPS) if rng.random() < 0.4 else None
    top, ridge_m, back_m = front.height_m, x_m + side * _DEPTH_M / 2, x_m + side * _DEPTH_M

    def paint(canvas: Canvas, camera: Camera, ahead: float, _t: float) -> None:
        near, far = max(NEAR_M, ahead), ahead + front.width_m
        if far < NEAR_M:
            return
        canvas.depth(near * 0.6 + far * 0.4)
        if chimney:
            z = near + 1
            low, high, outer = top + rise - 1, top + rise + 1.3, ridge_m + side
            stack = [(ridge_m, low, z), (ridge_m, high, z), (outer, high, z), (outer, low, z)]
            canvas.polygon(camera.project(stack), scaled(wall, 0.8), BUILDING)
        if roof:
            slope = [(x_m, top, near), (x_m, top, far), (ridge_m, top + rise, far), (ridge_m, top + rise, near)]
            canvas.polygon(camera.project(slope), scaled(roof, light), BUILDING)
        if ahead > NEAR_M:
            if roof:
                peak = [(x_m, top, near), (ridge_m, top + rise, near), (back_m, top, near)]
                canvas.polygon(camera.project(peak), wall, BUILDING)
            corners = camera.project([(x_m, top, near), (back_m, top, near), (back_m, 0, near), (x_m, 0, near)])
            canvas.quad(end, corners, (0, 1), BUILDING, end_light)
        _along_street(canvas, camera, x_m, ahead, front, BUILDING, light)
        if board and ahead + 2 > NEAR_M + 2:  # a shop sign that sticks out into the street
            out = x_m - side * 0.9
            sign = [(x_m, 3.7, ahead + 2), (out, 3.7, ahead + 2), (out, 2.9, ahead + 2), (x_m, 2.9, ahead + 2)]
            canvas.polygon(camera.project(sign), scaled(board, light), SIGN)

    return paint


def panel(texture: Texture, x_m: float, label: int, light: float) -> Paint:
    """One length of fence, wall or hedge along the street."""

    def paint(canvas: Canvas, camera: Camera, ahead: float, _t: float) -> None:
        canvas.depth(ahead)
        _along_street(canvas, camera, x_m, ahead, texture, label, light)

    return paint


def plant(sprite: Sprite, x_m: float, light: float, mirror: bool, size: float) -> Paint:
    def paint(canvas: Canvas, camera: Camera, ahead: float, _t: float) -> None:
        if ahead < 2.0:
            return
        canvas.depth(ahead)
        canvas.sprite(sprite, camera.point(x_m, 0, ahead), camera.focal_px / ahead * size, light, mirror)

    return paint


def garden(
    rng: np.random.Generator, surfaces: Surfaces, side: int, line_m: float, length_m: float, light: float
) -> Paint:
    """Return a lot with no house at the street: trees, hedge, fence, perhaps a house behind; painted back to front."""
    plants = surfaces.plants
    layers: list[tuple[float, float, Paint]] = []
    if rng.random() < 0.6:
        layers.append((0.0, 100.0, building(rng, pick(rng, surfaces.facades), side, line_m + side * 9, light * 0.95)))
    for _ in range(max(1, int(length_m / 4.5))):
        z, x = float(rng.uniform(0, length_m)), line_m + side * float(rng.uniform(1.5, 8))
        tree = plant(pick(rng, plants.trees), x, light, rng.random() < 0.5, float(rng.uniform(0.8, 1.4)))
        layers.append((z, 20.0 + z, tree))
    kind = pick(rng, ("hedge", "hedge", "bushes", "none"))
    pieces = int(length_m / 8)
    for i in range(pieces):
        if kind == "hedge":
            layers.append((8.0 * i, 10.0 + i / 100, panel(plants.hedge, line_m + side * 0.7, TREE, light)))
        elif kind == "bushes":
            for z in np.arange(0.5, 8, 1.6):
                mirror, size = rng.random() < 0.5, float(rng.uniform(0.8, 1.3))
                shrub = plant(pick(rng, plants.bushes), line_m + side * 1.2, light, mirror, size)
                layers.append((8 * i + z, 10.0 + i / 100 + z / 1000, shrub))
    railing, boards = surfaces.fences["railing"], surfaces.fences["boards"]
    front = pick(rng, (railing, boards, railing, surfaces.wall, None))
    if front is not None:
        label = BUILDING if front is surfaces.wall else FENCE
        layers += [(8.0 * i, i / 100, panel(front, line_m, label, light)) for i in range(pieces)]
    layers.sort(key=lambda layer: -layer[1])

    def paint(canvas: Canvas, camera: Camera, ahead: float, t_s: float) -> None:
        for offset, _, draw in layers:
            draw(canvas, camera, ahead + offset, t_s)

    return paint
