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

"""Lamp posts, bollards, traffic signs and traffic lights."""

import numpy as np

from training.scenes.buildings import Paint
from training.scenes.canvas import POLE, SIGN, Camera, Canvas, pick, scaled

# faces in metres around the middle (right, down): a disc has a radius, a polygon its corners
_BAR = ((-0.22, -0.06), (0.22, -0.06), (0.22, 0.06), (-0.22, 0.06))
_ARROW = ((0.15, -0.16), (-0.02, 0.0), (0.06, 0.08), (-0.18, 0.16), (-0.16, -0.06), (-0.08, -0.04), (0.08, -0.22))
_DIGITS = tuple(((x - 0.05, -0.1), (x + 0.05, -0.1), (x + 0.05, 0.1), (x - 0.05, 0.1)) for x in (-0.09, 0.08))
_BOARD = ((-0.5, -0.36), (0.5, -0.36), (0.5, 0.36), (-0.5, 0.36))
_WRITING = tuple(
    ((-0.38, y - 0.05), (0.3 - y, y - 0.05), (0.3 - y, y + 0.05), (-0.38, y + 0.05)) for y in (-0.18, 0.0, 0.18)
)


def _triangle(size: float):
    return ((0, -size), (0.95 * size, 0.7 * size), (-0.95 * size, 0.7 * size))


_SIGNS = {
    "limit": ((0.34, (190, 30, 36)), (0.25, (236, 236, 232)), *((digit, (24, 24, 24)) for digit in _DIGITS)),
    "no entry": ((0.34, (188, 24, 32)), (_BAR, (240, 240, 238))),
    "warning": ((_triangle(0.42), (190, 28, 34)), (_triangle(0.27), (238, 238, 232)), (_DIGITS[0], (20, 20, 20))),
    "keep left": ((0.33, (28, 70, 150)), (_ARROW, (240, 240, 240))),
    "blue board": ((_BOARD, (30, 64, 140)), *((row, (232, 232, 232)) for row in _WRITING)),
    "green board": ((_BOARD, (18, 92, 62)), *((row, (232, 232, 232)) for row in _WRITING)),
    "white board": ((_BOARD, (228, 226, 216)), *((row, (30, 30, 30)) for row in _WRITING)),
    "back": ((_BOARD, (122, 126, 128)),),
}


def lamp_post(rng: np.random.Generator, x_m: float, side: int) -> Paint:
    tall, arm = float(rng.uniform(5.5, 8.5)), float(rng.uniform(0.8, 1.8))
    grey = pick(rng, ((92, 96, 98), (58, 60, 60), (140, 142, 140), (44, 52, 46)))

    def paint(canvas: Canvas, camera: Camera, ahead: float, _t: float) -> None:
        canvas.depth(ahead)
        scale = camera.focal_px / ahead
        foot, middle, top = (camera.point(x_m, y, ahead) for y in (0, 1.2, tall))
        tip = camera.point(x_m - side * arm, tall + 0.25, ahead)
        canvas.line(middle, top, 0.13 * scale, grey, POLE)
        canvas.line(foot, middle, 0.2 * scale, scaled(grey, 0.8), POLE)
        canvas.line(top, tip, 0.1 * scale, grey, POLE)
        canvas.line(tip, (tip[0] - side * 0.55 * scale, tip[1]), 0.16 * scale, (200, 200, 190), POLE)

    return paint


def bollard(rng: np.random.Generator, x_m: float) -> Paint:
    colour = pick(rng, ((28, 28, 30), (90, 90, 88), (60, 56, 40)))

    def paint(canvas: Canvas, camera: Camera, ahead: float, _t: float) -> None:
        canvas.depth(ahead)
        width = 0.17 * camera.focal_px / ahead
        canvas.line(camera.point(x_m, 0, ahead), camera.point(x_m, 0.95, ahead), width, colour, POLE)
        canvas.line(camera.point(x_m, 0.75, ahead), camera.point(x_m, 0.85, ahead), width, scaled(colour, 2.2), POLE)

    return paint


def sign(rng: np.random.Generator, x_m: float) -> Paint:
    face = _SIGNS[pick(rng, tuple(_SIGNS))]
    tall, size = float(rng.uniform(2.3, 3.2)), float(rng.uniform(0.9, 1.35))

    def paint(canvas: Canvas, camera: Camera, ahead: float, _t: float) -> None:
        canvas.depth(ahead)
        scale = camera.focal_px / ahead
        top = camera.point(x_m, tall, ahead)
        canvas.line(camera.point(x_m, 0, ahead), top, 0.09 * scale, (112, 114, 114), POLE)
        for shape, colour in face:
            if isinstance(shape, float):
                canvas.ellipse(top, (shape * scale * size, shape * scale * size), colour, SIGN)
            else:
                canvas.polygon(np.array(shape) * scale * size + top, colour, SIGN)

    return paint


def traffic_light(rng: np.random.Generator, x_m: float) -> Paint:
    phase_s = float(rng.uniform(0, 12))

    def paint(canvas: Canvas, camera: Camera, ahead: float, t_s: float) -> None:
        canvas.depth(ahead)
        scale = camera.focal_px / ahead
        x, y = camera.point(x_m, 2.9, ahead)
        canvas.line(camera.point(x_m, 0, ahead), (x, y), 0.12 * scale, (44, 46, 46), POLE)
        box = np.array([[-0.26, -0.62], [0.26, -0.62], [0.26, 0.62], [-0.26, 0.62]]) * scale
        canvas.polygon(box + np.array([x, y]), (18, 18, 20), SIGN)
        green = (t_s + phase_s) % 12 < 7
        lamps = ((-0.38, (240, 40, 34), not green), (0, (220, 150, 30), False), (0.38, (60, 240, 150), green))
        for row, colour, on in lamps:
            radius = 0.13 * scale
            canvas.ellipse((x, y + row * scale), (radius, radius), colour if on else scaled(colour, 0.18), SIGN)

    return paint
