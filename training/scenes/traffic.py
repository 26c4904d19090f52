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

"""Cars, vans, buses, pedestrians and cyclists."""

import math
from dataclasses import dataclass

import numpy as np

from training.scenes.buildings import Paint
from training.scenes.canvas import BICYCLIST, CAR, NEAR_M, PEDESTRIAN, Camera, Canvas, pick, scaled

_PAINTS = (
    (178, 182, 188), (34, 36, 42), (120, 20, 26), (24, 44, 92), (222, 222, 220),
    (84, 90, 96), (36, 70, 60), (160, 120, 52), (60, 66, 72),
)  # fmt: skip
_CLOTHES = (
    (30, 32, 40), (52, 44, 40), (70, 24, 26), (28, 38, 66), (86, 84, 80), (128, 120, 104), (20, 20, 22), (48, 60, 50),
)  # fmt: skip
_SKINS = ((214, 168, 140), (190, 140, 110), (140, 96, 70), (96, 66, 50))
_HAIR = ((24, 20, 18), (70, 52, 36), (130, 120, 110))
_TYRE, _RIM = (20, 20, 22), (118, 120, 124)


@dataclass(frozen=True)
class Body:
    """A vehicle's side outline, rear bumper over the roof to front bumper, as (length, height) fractions."""

    outline: tuple
    side_glass: tuple
    rear_pane: int  # index of the outline's piece that is the rear window; -1: none
    windscreen: int
    waist: float  # height fraction where the cabin begins
    taper: float  # the roof's width over the waist's
    size_m: tuple[float, float, float]  # length, width, height
    wheel_m: float


BODIES = {
    "hatch": Body(
        ((0, 0.22), (0, 0.62), (0.07, 0.95), (0.16, 1), (0.5, 1), (0.7, 0.66), (0.95, 0.56), (1, 0.42), (1, 0.2)),
        ((0.1, 0.66), (0.16, 0.93), (0.48, 0.94), (0.64, 0.66)), 1, 4, 0.62, 0.8, (3.9, 1.72, 1.46), 0.31,
    ),
    "saloon": Body(
        ((0, 0.22), (0, 0.58), (0.04, 0.66), (0.16, 0.68), (0.28, 1),
         (0.55, 1), (0.7, 0.66), (0.95, 0.56), (1, 0.4), (1, 0.2)),
        ((0.2, 0.68), (0.3, 0.94), (0.53, 0.94), (0.66, 0.66)), 3, 5, 0.68, 0.78, (4.5, 1.76, 1.42), 0.31,
    ),
    "estate": Body(
        ((0, 0.22), (0, 0.6), (0.05, 0.97), (0.12, 1), (0.54, 1), (0.7, 0.64), (0.96, 0.54), (1, 0.4), (1, 0.2)),
        ((0.06, 0.64), (0.1, 0.92), (0.52, 0.94), (0.65, 0.64)), 1, 4, 0.6, 0.82, (4.6, 1.78, 1.5), 0.32,
    ),
    "van": Body(
        ((0, 0.14), (0, 0.97), (0.02, 1), (0.66, 1), (0.82, 0.62), (0.97, 0.5), (1, 0.4), (1, 0.13)),
        ((0.62, 0.6), (0.62, 0.9), (0.69, 0.9), (0.79, 0.6)), 0, 3, 0.6, 0.94, (4.9, 1.95, 2.15), 0.35,
    ),
    "bus": Body(
        ((0, 0.1), (0, 0.97), (0.02, 1), (0.97, 1), (1, 0.95), (1, 0.1)),
        ((0.03, 0.5), (0.03, 0.84), (0.97, 0.84), (0.97, 0.5)), 0, 4, 0.5, 0.97, (10.0, 2.45, 3.1), 0.48,
    ),
}  # fmt: skip


class Vehicle:
    """Paints one vehicle; its end nearest to the camera is at the given distance.

    facing +1: it shows its rear (drives our way), -1: its front.
    """

    def __init__(self, rng: np.random.Generator, kind: str, x_m: float, facing: int, light: float):
        self.body, self.kind, self.x_m, self.facing = BODIES[kind], kind, x_m, facing
        colour = pick(rng, _PAINTS)
        if kind == "bus":
            colour = pick(rng, ((160, 24, 28), (40, 90, 150), (222, 214, 190)))
        elif kind == "van" and rng.random() < 0.6:
            colour = (214, 214, 212)
        self.colour = scaled(colour, light)
        self.glass = pick(rng, ((26, 30, 34), (44, 52, 58), (70, 82, 90)))
        outline, side_glass = np.array(self.body.outline, float), np.array(self.body.side_glass, float)
        if facing < 0:
            outline, side_glass = outline[::-1] * (-1, 1) + (1, 0), side_glass * (-1, 1) + (1, 0)
        self.outline, self.side_glass = outline, side_glass
        pieces = len(outline) - 1
        self.pane = self.body.rear_pane if facing > 0 else pieces - 1 - self.body.windscreen

    def __call__(self, canvas: Canvas, camera: Camera, ahead: float, _t: float) -> None:
        length, width, _ = self.body.size_m
        if ahead + length < NEAR_M + 0.6:
            return
        canvas.depth(ahead)
        corners = [(self.x_m + side * (width / 2 + 0.12), 0.0, max(NEAR_M, ahead + z)) for side, z in
                   ((-1, -0.1), (1, -0.1), (1, length), (-1, length))]  # fmt: skip
        canvas.darken(camera.project(corners), 0.42)
        left, right = (self._edge(camera, side, ahead) for side in (-1, 1))
        self._shell(canvas, left, right, ahead)
        # the flank is seen where it lies between the near end and the middle of the picture
        near_z, far_z = max(NEAR_M, ahead), ahead + length
        for side in (-1, 1):
            x = self.x_m + side * width / 2
            turn = camera.point(x, 0.6, far_z)[0] - camera.point(x, 0.6, near_z)[0]
            if turn * side > 0:
                self._flank(canvas, camera, side, ahead)
        if ahead > NEAR_M and ahead < 70:
            self._details(canvas, camera, ahead)

    def _half_width(self, y: float) -> float:
        body, half = self.body, self.body.size_m[1] / 2
        return half if y <= body.waist else half * (1 - (1 - body.taper) * (y - body.waist) / (1 - body.waist))

    def _on_side(self, camera: Camera, side: int, ahead: float, points) -> np.ndarray:
        length, _, height = self.body.size_m
        return camera.project(
            [(self.x_m + side * self._half_width(y), y * height, max(NEAR_M, ahead + z * length)) for z, y in points]
        )

    def _edge(self, camera: Camera, side: int, ahead: float) -> np.ndarray:
        return self._on_side(camera, side, ahead, self.outline)

    def _shell(self, canvas: Canvas, left: np.ndarray, right: np.ndarray, ahead: float) -> None:
        """Draw the strip over bumper, bonnet, window and roof, as far as it faces us; far pieces first."""
        for i in range(len(left) - 2, -1, -1):
            quad = np.array([left[i], left[i + 1], right[i + 1], right[i]])
            if quad[0, 1] <= quad[1, 1]:  # seen from behind or below
                continue
            flat = self.outline[i + 1, 0] - self.outline[i, 0] > 0.15  # bonnets and roofs catch the sky
            canvas.polygon(quad, scaled(self.colour, 1.12 if flat else 1.0), CAR)
            if i == self.pane and ahead > NEAR_M - 3:
                self._window(canvas, quad)

    def _window(self, canvas: Canvas, quad: np.ndarray) -> None:
        low, high = 0.06, 0.94  # a slanted pane fills its piece of the outline
        if self.kind == "bus":
            low, high = (0.52, 0.9) if self.facing > 0 else (0.38, 0.92)
        elif self.kind == "van" and self.facing > 0:
            low, high = 0.52, 0.9

        def at(across: float, up: float) -> np.ndarray:
            bottom, top = quad[0] + (quad[3] - quad[0]) * across, quad[1] + (quad[2] - quad[1]) * across
            return bottom + (top - bottom) * up

        canvas.polygon(np.array([at(0.07, low), at(0.1, high), at(0.9, high), at(0.93, low)]), self.glass, CAR)
        shine = tuple(min(255, c + 24) for c in self.glass)
        canvas.polygon(np.array([at(0.2, low), at(0.3, high), at(0.42, high), at(0.34, low)]), shine, CAR)

    def _flank(self, canvas: Canvas, camera: Camera, side: int, ahead: float) -> None:
        length, _, _ = self.body.size_m
        canvas.polygon(self._edge(camera, side, ahead), scaled(self.colour, 0.84), CAR)
        canvas.polygon(self._on_side(camera, side, ahead, self.side_glass), self.glass, CAR)
        if ahead > 45:
            return
        x, wheel = self.x_m + side * self._half_width(0.3), self.body.wheel_m
        angles = np.linspace(0, 2 * math.pi, 14, endpoint=False)
        for at in (0.19, 0.81):
            centre = ahead + at * length
            if centre - wheel < NEAR_M:
                continue
            for radius, colour in ((wheel, _TYRE), (wheel * 0.58, _RIM)):
                ring = [(x, wheel + radius * math.sin(a), centre + radius * math.cos(a)) for a in angles]
                canvas.polygon(camera.project(ring), colour, CAR)

    def _details(self, canvas: Canvas, camera: Camera, ahead: float) -> None:
        """Tyres, bumper, lamps and number plate of the end that we see."""
        _, width, height = self.body.size_m
        half, foot = width / 2, self.outline[0, 1]

        def box(x0, y0, x1, y1, colour):
            points = [(self.x_m + x * half, y * height, ahead) for x, y in ((x0, y0), (x0, y1), (x1, y1), (x1, y0))]
            canvas.polygon(camera.project(points), colour, CAR)

        for side in (-1, 1):
            box(side * 0.96, 0, side * 0.68, foot + 0.02, (16, 16, 18))
        box(-1, foot, 1, foot + 0.12, scaled(self.colour, 0.5))
        nose = 0.42 if self.facing < 0 else min(0.62, self.body.waist)
        lamp = (176, 30, 26) if self.facing > 0 else (232, 232, 214)
        for side in (-1, 1):
            box(side * 0.96, nose - 0.14, side * 0.7, nose - 0.02, lamp)
        if self.facing < 0:
            box(-0.55, nose - 0.12, 0.55, nose - 0.05, (28, 28, 30))
        box(-0.28, foot + 0.06, 0.28, foot + 0.15, (214, 178, 60) if self.facing > 0 else (226, 226, 222))


def _around(foot, scale: float):
    """Metres (right, up) from a foot point to pixels."""

    def at(x: float, y: float) -> tuple[float, float]:
        return foot[0] + x * scale, foot[1] - y * scale

    return at


def pedestrian(rng: np.random.Generator, x_m: float, walking: bool) -> Paint:
    coat, trousers = pick(rng, _CLOTHES), scaled(pick(rng, _CLOTHES), 0.8)
    skin, hair = pick(rng, _SKINS), pick(rng, _HAIR)
    tall, phase, bag = float(rng.uniform(0.92, 1.06)), float(rng.uniform(0, 6)), rng.random() < 0.35

    def paint(canvas: Canvas, camera: Camera, ahead: float, t_s: float) -> None:
        canvas.depth(ahead)
        scale = camera.focal_px / ahead * tall
        at = _around(camera.point(x_m, 0, ahead), scale)
        canvas.darken([at(-0.3, 0.04), at(0.35, 0.04), at(0.35, -0.05), at(-0.3, -0.05)], 0.7)
        stride = math.sin(5.5 * t_s + phase) * 0.75 if walking else 0.12
        for side, colour in ((1, scaled(trousers, 0.75)), (-1, trousers)):
            knee = at(side * 0.16 * stride, 0.46)
            sole = at(side * (0.05 + 0.3 * stride), 0.05 + 0.05 * max(0.0, -side * stride))
            canvas.line(at(0, 0.86), knee, 0.17 * scale, colour, PEDESTRIAN)
            canvas.line(knee, sole, 0.13 * scale, colour, PEDESTRIAN)
        torso = [at(-0.17, 0.76), at(-0.22, 1.36), at(-0.1, 1.48), at(0.1, 1.48), at(0.22, 1.36), at(0.18, 0.76)]
        canvas.polygon(torso, coat, PEDESTRIAN)
        if ahead < 35:
            shaded = [at(0.04, 0.76), at(0.08, 1.46), at(0.22, 1.36), at(0.18, 0.76)]
            canvas.polygon(shaded, scaled(coat, 0.72), PEDESTRIAN)
            for side in (-1, 1):
                hand = at(side * (0.24 - 0.16 * stride), 0.82)
                canvas.line(at(side * 0.19, 1.36), hand, 0.1 * scale, scaled(coat, 0.85), PEDESTRIAN)
            if bag:
                bag_shape = [at(0.2, 0.55), at(0.2, 0.85), at(0.42, 0.85), at(0.42, 0.55)]
                canvas.polygon(bag_shape, scaled(trousers, 1.3), PEDESTRIAN)
        canvas.ellipse(at(0, 1.62), (0.11 * scale, 0.14 * scale), skin, PEDESTRIAN)
        canvas.ellipse(at(0, 1.68), (0.115 * scale, 0.09 * scale), hair, PEDESTRIAN)

    return paint


def cyclist(rng: np.random.Generator, x_m: float) -> Paint:
    """Rides along the street: seen end on, a narrow wheel below a person."""
    coat = pick(rng, (*_CLOTHES, (190, 200, 40), (200, 90, 30)))
    trousers, skin, phase = pick(rng, _CLOTHES), pick(rng, _SKINS), float(rng.uniform(0, 6))
    helmet = pick(rng, ((30, 30, 32), (200, 200, 196), (40, 80, 150)))

    def paint(canvas: Canvas, camera: Camera, ahead: float, t_s: float) -> None:
        canvas.depth(ahead)
        scale = camera.focal_px / ahead
        at = _around(camera.point(x_m, 0, ahead), scale)
        canvas.darken([at(-0.4, 0.05), at(0.4, 0.05), at(0.4, -0.06), at(-0.4, -0.06)], 0.6)
        canvas.ellipse(at(0, 0.34), (0.05 * scale, 0.34 * scale), (22, 22, 24), BICYCLIST)
        canvas.line(at(-0.28, 1.02), at(0.28, 1.02), 0.05 * scale, (50, 50, 52), BICYCLIST)
        turn = math.sin(6 * t_s + phase)
        for side in (-1, 1):
            lift = 0.5 + 0.1 * turn * side
            canvas.line(at(side * 0.09, 0.95), at(side * 0.15, lift), 0.16 * scale, trousers, BICYCLIST)
            shin = at(side * 0.15, lift), at(side * 0.1, lift - 0.36)
            canvas.line(*shin, 0.12 * scale, scaled(trousers, 0.8), BICYCLIST)
            canvas.line(at(side * 0.2, 1.4), at(side * 0.27, 1.05), 0.1 * scale, scaled(coat, 0.85), BICYCLIST)
        torso = [at(-0.16, 0.88), at(-0.23, 1.4), at(-0.1, 1.52), at(0.1, 1.52), at(0.23, 1.4), at(0.16, 0.88)]
        canvas.polygon(torso, coat, BICYCLIST)
        canvas.ellipse(at(0, 1.64), (0.1 * scale, 0.13 * scale), skin, BICYCLIST)
        canvas.ellipse(at(0, 1.7), (0.12 * scale, 0.09 * scale), helmet, BICYCLIST)

    return paint


_BICYCLE_FRAME = (
    ((-0.5, 0.34), (-0.16, 0.78)), ((-0.16, 0.78), (0.36, 0.8)), ((0.36, 0.8), (0.0, 0.34)),
    ((0.0, 0.34), (-0.5, 0.34)), ((-0.16, 0.78), (0.0, 0.34)), ((0.36, 0.8), (0.5, 0.34)),
    ((-0.2, 0.92), (-0.16, 0.78)), ((0.36, 0.8), (0.34, 1.0)),
    ((-0.3, 0.93), (-0.08, 0.93)), ((0.24, 1.0), (0.44, 1.02)),
)  # fmt: skip


def parked_bicycle(rng: np.random.Generator, x_m: float) -> Paint:
    colour = pick(rng, ((30, 30, 34), (120, 24, 28), (30, 60, 120), (150, 150, 148)))

    def paint(canvas: Canvas, camera: Camera, ahead: float, _t: float) -> None:
        canvas.depth(ahead)
        scale = camera.focal_px / ahead
        at = _around(camera.point(x_m, 0, ahead), scale)
        for x in (-0.5, 0.5):
            canvas.ellipse(at(x, 0.34), (0.3 * scale, 0.33 * scale), (24, 24, 26), BICYCLIST, ring_px=0.07 * scale)
        for a, b in _BICYCLE_FRAME:
            canvas.line(at(*a), at(*b), 0.06 * scale, colour, BICYCLIST)

    return paint
