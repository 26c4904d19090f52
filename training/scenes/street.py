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

"""A street: what stands and moves where, the day's light, and the camera that drives through."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from training.scenes import buildings, furniture, traffic
from training.scenes.buildings import Paint, Surfaces
from training.scenes.canvas import BUILDING, FENCE, LOOP_M, NEAR_M, SKY, TREE, Camera, Canvas, pick, scaled
from training.scenes.ground import Ground, Plan
from training.scenes.textures import noise

_VIEW_M = 150.0  # nothing is drawn beyond: a skyline closes the street


@dataclass(frozen=True)
class Thing:
    """Something with a place: its near end at z_m, painted last where near; not painted beyond far_m."""

    z_m: float
    paint: Paint
    speed_mps: float = 0.0
    length_m: float = 0.0
    far_m: float = _VIEW_M
    near_m: float = 2.0
    deep: bool = False  # sorted by its far end, because others stand in front of its whole length


@dataclass(frozen=True)
class Light:
    """Weather and camera of one drive."""

    gain: float
    gamma: float
    tint: np.ndarray
    zenith: tuple[int, int, int]
    horizon: tuple[int, int, int]
    sky_gain: float
    cloud: float
    haze_rgb: tuple[int, int, int]
    haze_m: float
    by_side: dict[int, float]
    blur_px: float
    grain: float

    @staticmethod
    def draw(rng: np.random.Generator, shadow_side: int) -> "Light":
        overcast, dusk = shadow_side == 0, rng.random() < 0.15
        grey, blue = ((196, 206, 216), (220, 226, 232)), ((104, 158, 222), (140, 186, 232), (190, 216, 244))
        horizon = pick(rng, ((236, 240, 242), (226, 232, 238), (250, 250, 248)))
        contrast = 0.0 if overcast else float(rng.uniform(0.12, 0.35))
        return Light(
            gain=float(rng.uniform(0.45, 0.65)) if dusk else float(rng.uniform(0.72, 1.12)),
            gamma=float(rng.uniform(0.95, 1.4)),
            tint=1 + rng.normal(0, 0.025, 3),
            zenith=pick(rng, grey if overcast else blue),
            horizon=horizon,
            sky_gain=0.75 if dusk else float(rng.uniform(0.95, 1.25)),
            cloud=float(rng.uniform(0.3, 1.0)) if overcast else float(rng.uniform(0.0, 0.6)),
            haze_rgb=scaled(horizon, 0.82),
            haze_m=float(rng.uniform(180, 700)),
            by_side={-1: 0.86 + contrast * shadow_side, 1: 0.86 - contrast * shadow_side},
            blur_px=float(rng.uniform(0.35, 0.75)),
            grain=float(rng.uniform(2.5, 6)),
        )


class StreetScene:
    """A drive down one street, with exact ground truth in CamVid's 11 classes (``gain_ros.labels.CAMVID``).

    Args:
        seed: chooses street, traffic, light and weather; the same seed gives the same drive.
        size: (height, width) of the pictures in pixels, at least 32 x 32; the contents scale with the height.

    Raises:
        ValueError: a size below 32 x 32.

    """

    def __init__(self, seed: int, size: tuple[int, int] = (360, 480)):
        if min(size) < 32:
            raise ValueError(f"scene size {size[1]}x{size[0]} is too small; give at least 32x32")
        self.seed, self.size = int(seed), (int(size[0]), int(size[1]))
        rng = np.random.default_rng([20, self.seed])
        self._plan = Plan.draw(rng)
        self._light = Light.draw(rng, self._plan.shadow_side)
        self._bend_per_m, self._bend_phase = float(rng.uniform(-1, 1) / 900), float(rng.uniform(0, 6))
        self._focal, self._horizon = float(rng.uniform(1.15, 1.4)), float(rng.uniform(0.47, 0.55))
        self._ground = Ground(rng, self._plan)
        self._things = _furnish(rng, self._plan, self._light.by_side)
        self._skyline = _skyline(rng)
        height, width = self.size
        self._sky = _paint_sky(rng, self._light, max(8, int(height * 0.62)), width + width // 2)
        grain = rng.normal(128, self._light.grain, (height + 64, width + 64, 1))
        self._grain = np.clip(grain + rng.normal(0, 1.5, (*grain.shape[:2], 3)), 0, 255).astype(np.uint8)

    def frame(self, t_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the picture at time t_s: RGB uint8 (H, W, 3), class ids uint8 (H, W)."""
        camera = self._camera(t_s)
        canvas = Canvas(self.size, self._light.haze_rgb, self._light.haze_m)
        self._paint_background(canvas, camera)
        self._ground.paint(canvas, camera)
        for thing, ahead in self._visible(camera, t_s):
            thing.paint(canvas, camera, ahead, t_s)
        return self._develop(canvas.rgb, t_s), canvas.labels

    def _camera(self, t_s: float) -> Camera:
        height, width = self.size
        along = self._plan.speed_mps * t_s
        bend = self._bend_per_m * math.sin(2 * math.pi * along / LOOP_M + self._bend_phase)
        sway_px = height / 360 * (1.2 * math.sin(2.1 * t_s) + 0.7 * math.sin(5.3 * t_s + 1))
        centre = (width / 2 - bend * 12 * height, height * self._horizon + sway_px)
        return Camera(self._focal * height, centre, along, bend, 0.15 * math.sin(0.4 * t_s))

    def _visible(self, camera: Camera, t_s: float) -> list[tuple[Thing, float]]:
        """Things in view and how far ahead they are, in painter's order."""
        found = []
        for thing in self._things:
            ahead = camera.ahead(thing.z_m + thing.speed_mps * t_s)
            if ahead < thing.far_m and ahead + thing.length_m > (NEAR_M if thing.length_m else thing.near_m):
                found.append((ahead + thing.length_m if thing.deep else ahead, ahead, thing))
        found.sort(key=lambda entry: -entry[0])
        return [(thing, ahead) for _, ahead, thing in found]

    def _paint_background(self, canvas: Canvas, camera: Camera) -> None:
        height, width = self.size
        start = int(np.clip(width / 4 - (camera.centre_px[0] - width / 2), 0, self._sky.shape[1] - width))
        rows = min(self._sky.shape[0], height)
        canvas.rgb[:rows] = self._sky[:rows, start : start + width]
        canvas.labels[:rows] = SKY
        heights, classes, colours = self._skyline
        canvas.depth(_VIEW_M)
        step = width * 1.6 / len(heights)
        left = camera.centre_px[0] - 0.8 * width + camera.bend_per_m * _VIEW_M * camera.focal_px
        base = camera.centre_px[1] + 0.012 * height
        for i, (tall, label) in enumerate(zip(heights, classes, strict=True)):
            x, top = left + i * step, base - tall * height
            if -step < x < width:
                canvas.polygon([(x, top), (x + step, top), (x + step, base), (x, base)], colours[i], int(label))

    def _develop(self, rgb: np.ndarray, t_s: float) -> np.ndarray:
        """Exposure, lens and sensor."""
        light = self._light
        levels = np.linspace(0, 1, 256)[:, None] ** light.gamma
        lut = np.rint(255 * np.clip(light.gain * levels * light.tint, 0, 1)).astype(np.uint8)
        rgb = cv2.GaussianBlur(cv2.LUT(rgb, lut[None]), (0, 0), light.blur_px * self.size[0] / 360)
        dy, dx = np.random.default_rng([self.seed, round(t_s * 1000) & 0x7FFFFFFF]).integers(0, 64, 2)
        grain = self._grain[dy : dy + self.size[0], dx : dx + self.size[1]]
        return cv2.addWeighted(rgb, 1.0, grain, 1.0, -128.0)


def _paint_sky(rng: np.random.Generator, light: Light, h: int, w: int) -> np.ndarray:
    clouds = cv2.resize(noise(rng, 128, 256, 48, 6), (w, h), interpolation=cv2.INTER_CUBIC)[..., None]
    cover = np.clip((clouds + light.cloud - 0.35) * 2.2, 0, 1)
    down = np.linspace(0, 1, h, dtype=np.float32)[:, None, None] ** 0.8
    blue = np.array(light.zenith, np.float32) * (1 - down) + np.array(light.horizon, np.float32) * down
    depth = cv2.resize(noise(rng, 128, 256, 32, 4), (w, h), interpolation=cv2.INTER_CUBIC)[..., None]
    white = 250 - 44 * np.clip(depth, 0, 1)
    sky = (blue * (1 - cover) + white * cover) * light.sky_gain / max(0.75, light.gain)
    return np.clip(sky, 0, 255).astype(np.uint8)


def _skyline(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list]:
    """Far roofs and trees above the horizon: heights (fractions of the picture), classes and colours per column."""
    columns, block = 240, 12
    trees = 0.02 + 0.035 * np.abs(noise(rng, 4, columns, 24, 5)[0])
    roofs = np.repeat(rng.uniform(0.015, 0.05, columns // block), block)
    house = np.repeat(rng.random(columns // block) < 0.45, block)
    shades = np.where(house, np.repeat(rng.uniform(62, 96, columns // block), block), rng.uniform(62, 74, columns))
    colours = [(s, s, s) if is_house else (s - 6, s + 4, s - 16) for s, is_house in zip(shades, house, strict=True)]
    return np.where(house, roofs, trees), np.where(house, BUILDING, TREE), colours


def _furnish(rng: np.random.Generator, plan: Plan, light: dict[int, float]) -> list[Thing]:
    surfaces = Surfaces.make(rng)
    green_share = float(rng.uniform(0.1, 0.5))
    things: list[Thing] = []
    for side, edge in ((-1, plan.left_m), (1, plan.right_m)):
        line = edge + side * plan.walk_m
        things += _lots(rng, surfaces, side, line, light[side], green_share)
        things += _kerb(rng, surfaces, side, edge, line, light[side])
        things += _people(rng, plan, side, edge, line)
        things += _parked_cars(rng, plan, side, edge, light[side])
    return things + _moving_cars(rng, plan) + _cyclists(rng, plan)


def _lots(rng, surfaces: Surfaces, side: int, line: float, light: float, green_share: float) -> list[Thing]:
    things, z = [], 0.0
    while z < LOOP_M - 24:
        if rng.random() < green_share:
            length = 8.0 * int(rng.integers(1, 4))
            things.append(
                Thing(z, buildings.garden(rng, surfaces, side, line, length, light), length_m=length, deep=True)
            )
        else:
            walls = pick(rng, surfaces.facades)
            back = 0.0 if rng.random() < 0.8 else float(rng.uniform(0.5, 3))
            length = walls[0].width_m
            house = buildings.building(rng, walls, side, line + side * back, light)
            things.append(Thing(z, house, length_m=length, deep=True))
            length += 0.0 if rng.random() < 0.88 else float(rng.uniform(1, 5))
        z += length
    return things


def _kerb(rng, surfaces: Surfaces, side: int, edge: float, line: float, light: float) -> list[Thing]:
    """Lamp posts, signs, lights, bollards, street trees and guard rails near the kerb."""
    kerb, things = edge + side * 0.45, []
    for z in np.arange(rng.uniform(0, 20), LOOP_M, rng.uniform(22, 34)):
        x = kerb if rng.random() < 0.7 else line - side * 0.3
        things.append(Thing(float(z), furniture.lamp_post(rng, x, side)))
    for z in np.arange(rng.uniform(4, 20), LOOP_M, rng.uniform(16, 30)):
        make = furniture.traffic_light if rng.random() < 0.3 else furniture.sign
        things.append(Thing(float(z + rng.uniform(-4, 4)), make(rng, kerb), far_m=110, near_m=3.0))
    for _ in range(int(rng.integers(4, 9))):
        z = float(rng.uniform(0, LOOP_M))
        things += [Thing(z + 1.6 * i, furniture.bollard(rng, kerb), far_m=60) for i in range(int(rng.integers(2, 6)))]
    for z in np.arange(rng.uniform(0, 40), LOOP_M, rng.uniform(28, 80)):
        sprite, size = pick(rng, surfaces.plants.trees[:4]), float(rng.uniform(0.7, 1))
        things.append(Thing(float(z), buildings.plant(sprite, edge + side, light, False, size)))
    guard = surfaces.fences["guard"]
    for _ in range(int(rng.integers(4, 8))):
        z, length = float(rng.uniform(0, LOOP_M)), int(rng.integers(4, 12))
        rail = buildings.panel(guard, edge + side * 0.3, FENCE, light)
        things += [Thing(z + 2 * i, rail, length_m=2.0, far_m=70, deep=True) for i in range(length)]
    return things


def _people(rng, plan: Plan, side: int, edge: float, line: float) -> list[Thing]:
    things = []
    for _ in range(int(rng.integers(16, 50))):
        walking = rng.random() < 0.75
        speed = float(pick(rng, (-1, 1)) * rng.uniform(0.9, 1.6)) if walking else 0.0
        x, z = edge + side * float(rng.uniform(0.6, max(0.9, plan.walk_m - 0.4))), float(rng.uniform(0, LOOP_M))
        for i in range(2 if rng.random() < 0.4 else 1):
            person = traffic.pedestrian(rng, x + side * 0.55 * i, walking)
            things.append(Thing(z + 0.4 * i, person, speed, far_m=90))
    for _ in range(int(rng.integers(8, 16))):
        z = float(rng.uniform(0, LOOP_M))
        stand = line - side * 0.7
        things += [
            Thing(z + 0.7 * i, traffic.parked_bicycle(rng, stand), far_m=50, near_m=2.4)
            for i in range(int(rng.integers(1, 4)))
        ]
    return things


def _parked_cars(rng, plan: Plan, side: int, edge: float, light: float) -> list[Thing]:
    share, things, z = plan.parked[(side + 1) // 2], [], 0.0
    while share and z < LOOP_M - 12:
        if rng.random() < share:
            facing = -side if rng.random() < 0.85 else side
            thing = _vehicle(rng, ("hatch", "hatch", "saloon", "estate", "van"), z, edge - side * 1.1, facing, light)
            things.append(thing)
            z += thing.length_m + float(rng.uniform(0.7, 1.6))
        else:
            z += float(rng.uniform(4, 22))
    return things


def _vehicle(rng, kinds: tuple, z: float, x: float, facing: int, light: float, speed: float = 0.0) -> Thing:
    kind = pick(rng, kinds)
    vehicle = traffic.Vehicle(rng, kind, x, facing, light)
    return Thing(z, vehicle, speed, traffic.BODIES[kind].size_m[0], far_m=130)


def _moving_cars(rng, plan: Plan) -> list[Thing]:
    kinds = ("hatch", "saloon", "estate", "hatch", "van")
    own, other = plan.lane_x_m
    things, z = [], float(rng.uniform(10, 26))
    if rng.random() < 0.3:  # no car right ahead
        z += 30
    while z < LOOP_M - 60:  # a gap behind us: nobody appears in our back
        things.append(_vehicle(rng, (*kinds, "bus"), z, own + 0.1, 1, 1.0, plan.speed_mps))
        z += float(rng.uniform(14, 60))
    z, speed = 20.0, -float(rng.uniform(6, 10))
    while z < LOOP_M - 20:
        things.append(_vehicle(rng, (*kinds, "bus"), z, other, -1, 1.0, speed))
        z += float(rng.uniform(14, 70))
    return things


def _cyclists(rng, plan: Plan) -> list[Thing]:
    things = []
    left, right = (2.8 if parked else 0.7 for parked in plan.parked)  # past the parked cars
    for x, way in ((plan.left_m + left, 1), (plan.right_m - right, -1)):
        for _ in range(int(rng.integers(5, 10))):
            pace = plan.speed_mps if rng.random() < 0.5 else float(rng.uniform(3.5, 6))
            z = float(rng.uniform(0, LOOP_M))
            things.append(Thing(z, traffic.cyclist(rng, x), way * pace, far_m=90, near_m=2.4))
    return things
