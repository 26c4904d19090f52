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

"""Surfaces and plants of one street, made from noise and a few rectangles."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from training.scenes.canvas import NOTHING, TREE, Sprite, Texture, halvings, pick, scaled

BRICKS = (
    (150, 92, 70), (176, 136, 98), (196, 172, 130), (120, 84, 66),
    (206, 200, 188), (226, 222, 210), (132, 126, 116), (98, 92, 88),
)  # fmt: skip
SHOPS = ((28, 62, 110), (150, 24, 30), (24, 84, 52), (40, 40, 44), (96, 40, 88), (196, 130, 24), (210, 206, 198))
FRAMES = ((226, 224, 216), (70, 60, 52), (190, 184, 170), (40, 44, 46))
GLASS = ((34, 40, 48), (60, 74, 90), (22, 24, 28), (90, 108, 124))
GREENS = ((72, 92, 44), (54, 74, 40), (96, 104, 56), (116, 100, 52), (44, 58, 36))
_WALL_PX_PER_M = 22


def noise(rng: np.random.Generator, height: int, width: int, coarsest: int, octaves: int = 5) -> np.ndarray:
    """Value noise, float32 (height, width), mean about 0, within -1..1; coarsest is the largest blob in pixels."""
    total = np.zeros((height, width), np.float32)
    cell, gain = coarsest, 1.0
    for _ in range(octaves):
        if cell < 1:
            break
        grid = rng.standard_normal((max(2, height // cell + 1), max(2, width // cell + 1))).astype(np.float32)
        total += gain * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        cell, gain = cell // 2, gain * 0.55
    return np.clip(total / 2.5, -1, 1)


def _plaster(rng: np.random.Generator, colour, h: int, w: int) -> np.ndarray:
    rgb = np.array(colour, np.float32) + 15 * noise(rng, h, w, 64)[..., None]
    rgb = np.clip(rgb + rng.normal(0, 7, (h, w, 1)).astype(np.float32), 0, 255).astype(np.uint8)
    rgb[::5] = cv2.convertScaleAbs(rgb[::5], alpha=0.93)
    return rgb


def _window(rgb, box, frame, glass, rng) -> None:
    x0, y0, x1, y1 = box
    cv2.rectangle(rgb, (x0 - 1, y0 - 1), (x1 + 1, y1 + 2), frame, -1)
    cv2.rectangle(rgb, (x0 + 1, y0 + 1), (x1 - 1, y1 - 1), glass, -1)
    if rng.random() < 0.4:  # a blind or a curtain
        blind = y0 + int((y1 - y0) * rng.uniform(0.2, 0.6))
        cv2.rectangle(rgb, (x0 + 1, y0 + 1), (x1 - 1, blind), [c + 60 for c in glass], -1)
    middle = (y0 + y1) // 2
    cv2.line(rgb, (x0, middle), (x1, middle), frame, 1)
    if rng.random() < 0.6:
        cv2.line(rgb, ((x0 + x1) // 2, y0), ((x0 + x1) // 2, y1), frame, 1)


def facade(rng: np.random.Generator, storeys: int, shop: bool) -> Texture:
    """Draw the street side of a house: wall, rows of windows, a door or a shop below."""
    px = _WALL_PX_PER_M
    width_m, storey_m = float(rng.uniform(6, 14)), float(rng.uniform(2.8, 3.5))
    height_m = storeys * storey_m + float(rng.uniform(0.4, 1.0))
    h, w = int(height_m * px), int(width_m * px)
    wall = scaled(pick(rng, BRICKS), rng.uniform(0.65, 1.05))
    rgb = _plaster(rng, wall, h, w)
    frame, glass = pick(rng, FRAMES), pick(rng, GLASS)
    columns = max(2, round(width_m / rng.uniform(1.7, 3.2)))
    pitch, storey = w / columns, storey_m * px
    win_w, win_h = pitch * rng.uniform(0.35, 0.75), storey * rng.uniform(0.45, 0.62)
    for floor in range(storeys):
        base = int(h - floor * storey)
        if floor == 0 and shop:
            _shop_front(rgb, rng, base, int(storey), px)
            continue
        cv2.line(rgb, (0, base), (w, base), scaled(wall, 0.72), 2)
        for column in range(columns):
            x = (column + 0.5) * pitch
            if floor == 0 and column == columns // 2:
                left, right = int(x - px * 0.5), int(x + px * 0.5)
                cv2.rectangle(rgb, (left, int(base - 2.2 * px)), (right, base), pick(rng, SHOPS), -1)
                continue
            top = base - storey * 0.86
            _window(rgb, (int(x - win_w / 2), int(top), int(x + win_w / 2), int(top + win_h)), frame, glass, rng)
    cv2.rectangle(rgb, (0, 0), (w, int(px * 0.3)), scaled(wall, rng.uniform(0.6, 1.2)), -1)
    rgb[:, :2] = cv2.convertScaleAbs(rgb[:, :2], alpha=0.6)
    return Texture(halvings(rgb), width_m, height_m)


def _shop_front(rgb, rng, base: int, tall: int, px: int) -> None:
    w = rgb.shape[1]
    colour = pick(rng, SHOPS)
    glass = pick(rng, ((30, 32, 38), (58, 62, 66), (88, 84, 74)))
    cv2.rectangle(rgb, (0, base - tall), (w, base), scaled(colour, 0.8), -1)
    step = int(px * rng.uniform(1.6, 2.8))
    for x in range(4, w - step // 2, step):
        right = min(w - 4, x + step - 5)
        cv2.rectangle(rgb, (x, base - int(tall * 0.74)), (right, base - int(tall * 0.14)), glass, -1)
        for _ in range(5):  # goods in the window
            at = (x + int(rng.integers(2, max(3, step - 8))), base - int(tall * rng.uniform(0.18, 0.55)))
            cv2.circle(
                rgb, at, int(rng.integers(2, 5)), [int(c) for c in 110 + rng.normal(0, 30) + rng.normal(0, 28, 3)], -1
            )
    top = base - tall
    cv2.rectangle(rgb, (0, top + 2), (w, top + int(tall * 0.2)), colour, -1)
    letters = pick(rng, ((236, 232, 220), (240, 214, 110), (20, 20, 20)))
    x = int(w * 0.2)
    while x < w * 0.8:  # letters too small to read: blocks do
        step = int(rng.integers(4, 9))
        cv2.rectangle(rgb, (x, top + int(tall * 0.07)), (x + step - 2, top + int(tall * 0.16)), letters, -1)
        x += step + (6 if rng.random() < 0.2 else 1)


def gable(rng: np.random.Generator, like: Texture, depth_m: float) -> Texture:
    """Draw the end wall of a house: its street side's wall colour, few windows."""
    px = _WALL_PX_PER_M // 2
    h, w = int(like.height_m * px), int(depth_m * px)
    wall = [float(c) for c in np.median(like.mips[0].reshape(-1, 3), axis=0)]
    rgb = _plaster(rng, wall, h, w)
    frame, glass = pick(rng, FRAMES), pick(rng, GLASS)
    for _ in range(int(rng.integers(0, 6))):
        x, y = int(rng.uniform(0.1, 0.8) * w), int(rng.uniform(0.08, 0.75) * h)
        _window(rgb, (x, y, x + int(px * 0.9), y + int(px * 1.3)), frame, glass, rng)
    return Texture(halvings(rgb), depth_m, like.height_m)


def garden_wall(rng: np.random.Generator) -> Texture:
    height_m, width_m, px = float(rng.uniform(0.8, 1.9)), 8.0, 16
    rgb = _plaster(rng, scaled(pick(rng, BRICKS), 0.85), max(10, int(height_m * px)), int(width_m * px))
    rgb[:2] = cv2.convertScaleAbs(rgb[:2], alpha=1.25)
    return Texture(halvings(rgb), width_m, height_m)


def hedge(rng: np.random.Generator) -> Texture:
    height_m, width_m, px = float(rng.uniform(1.0, 2.3)), 8.0, 24
    h, w = int(height_m * px), int(width_m * px)
    rgb = np.array(pick(rng, GREENS), np.float32) * 0.85 + 34 * noise(rng, h, w, 16, 4)[..., None]
    rgb = rgb * np.linspace(1.15, 0.6, h)[:, None, None] + rng.normal(0, 14, (h, w, 1))
    return Texture(halvings(np.clip(rgb, 0, 255).astype(np.uint8)), width_m, height_m)


def fence(rng: np.random.Generator, kind: str) -> Texture:
    """kind: boards (solid), railing (dark, see-through) or guard (pedestrian barrier at the kerb)."""
    width_m, height_m = {"boards": (8.0, 1.7), "railing": (8.0, 1.2), "guard": (2.0, 1.05)}[kind]
    px = 28
    h, w = int(height_m * px), int(width_m * px)
    rgb = np.zeros((h, w, 3), np.uint8)
    if kind == "boards":
        wood = np.array(pick(rng, ((122, 92, 62), (96, 80, 66), (140, 116, 86), (84, 72, 56))), np.float32)
        planks = np.repeat(rng.normal(0, 12, w // 5 + 1), 5)[:w]
        rgb[:] = np.clip(wood + planks[None, :, None] + rng.normal(0, 6, (h, w, 1)), 0, 255)
        rgb[:, ::5] = cv2.convertScaleAbs(rgb[:, ::5], alpha=0.55).reshape(rgb[:, ::5].shape)
        return Texture(halvings(rgb), width_m, height_m)
    dark, bright = ((34, 36, 38), (52, 58, 52)), ((128, 132, 136), (96, 100, 104))
    rgb[:] = pick(rng, dark if kind == "railing" else bright)
    alpha = np.zeros((h, w), np.uint8)
    gap = 4 if kind == "railing" else 6
    alpha[:, ::gap] = alpha[:, 1::gap] = 255
    alpha[:3] = alpha[h - 5 : h - 2] = 255
    for x in range(0, w, px * 2):
        alpha[:, x : x + 3] = 255
    return Texture(halvings(rgb), width_m, height_m, halvings(np.maximum(alpha, 60)))


def leafy_tree(rng: np.random.Generator, conifer: bool = False) -> Sprite:
    """Draw a crown of leaf clusters, lit from above, dark below."""
    h, w = 240, 200
    green = pick(rng, GREENS)
    rgb = np.full((h, w, 3), scaled(green, 0.6), np.uint8)
    solid = np.zeros((h, w), np.uint8)
    for image, colour in ((rgb, pick(rng, ((74, 62, 50), (96, 88, 78), (52, 46, 40)))), (solid, 255)):
        cv2.line(image, (w // 2, h), (w // 2, h // 2), colour, 9)
    clusters = [_cluster(rng, h, w, conifer) for _ in range(280)]
    for x, y, radius in sorted(clusters, key=lambda cluster: -cluster[1]):
        light = 0.55 + 0.75 * (1 - y / h) + 0.25 * (0.5 - x / w) + rng.normal(0, 0.12)
        cv2.circle(rgb, (int(x), int(y)), int(radius), scaled(green, light), -1)
        cv2.circle(solid, (int(x), int(y)), int(radius), 255, -1)
    rgb = np.clip(rgb + rng.normal(0, 17, (h, w, 1)) + rng.normal(0, 5, (h, w, 3)), 0, 255).astype(np.uint8)
    rim = cv2.erode(solid, np.ones((5, 5), np.uint8)) == 0
    solid[(rng.random((h, w)) < 0.5) & rim] = 0
    labels = np.where(solid > 0, TREE, NOTHING).astype(np.uint8)
    if conifer:
        return Sprite.make(rgb, None, labels, float(rng.uniform(6, 11)))
    gaps = noise(rng, h, w, 14, 2) > 0.62  # the sky between leaves is still the tree
    return Sprite.make(rgb, np.where(gaps, 70, 255).astype(np.uint8), labels, float(rng.uniform(5.5, 9.5)))


def _cluster(rng: np.random.Generator, h: int, w: int, conifer: bool) -> tuple[float, float, float]:
    radius = rng.uniform(5, 13)
    if conifer:
        down = math.sqrt(rng.random())
        return w / 2 + rng.uniform(-1, 1) * down * w * 0.28, h * 0.05 + down * h * 0.84, radius * 0.8
    angle, reach = rng.uniform(0, 2 * math.pi), math.sqrt(rng.random())
    return w / 2 + math.cos(angle) * reach * w * 0.41, h * 0.37 + math.sin(angle) * reach * h * 0.29, radius


def bush(rng: np.random.Generator) -> Sprite:
    h, w = 96, 160
    green = pick(rng, GREENS)
    rgb = np.full((h, w, 3), scaled(green, 0.5), np.uint8)
    solid = np.zeros((h, w), np.uint8)
    for _ in range(130):
        angle, reach = rng.uniform(0, math.pi), math.sqrt(rng.random())
        at = (int(w / 2 + math.cos(angle) * reach * w * 0.42), int(h - 4 - math.sin(angle) * reach * h * 0.78))
        radius = int(rng.integers(4, 11))
        cv2.circle(rgb, at, radius, scaled(green, 1.25 - 0.7 * at[1] / h + rng.normal(0, 0.12)), -1)
        cv2.circle(solid, at, radius, 255, -1)
    rgb = np.clip(rgb + rng.normal(0, 16, (h, w, 1)), 0, 255).astype(np.uint8)
    return Sprite.make(rgb, None, np.where(solid > 0, TREE, NOTHING).astype(np.uint8), float(rng.uniform(1.2, 2.4)))


def bare_tree(rng: np.random.Generator) -> Sprite:
    """Draw a winter tree: the sky shows between the twigs, the crown as a whole is the tree (as CamVid labels it)."""
    h, w = 300, 260
    bark = pick(rng, ((74, 66, 58), (96, 88, 78), (52, 48, 44)))
    alpha, crown = np.zeros((h, w), np.uint8), np.zeros((h, w), np.uint8)
    cv2.line(crown, (w // 2, h), (w // 2, int(h * 0.6)), 255, 9)
    branches = [(w / 2, float(h), -math.pi / 2, h * 0.235, 8.0)]
    while branches:
        x, y, angle, length, width = branches.pop()
        x1, y1 = x + math.cos(angle) * length, y + math.sin(angle) * length
        cv2.line(alpha, (int(x), int(y)), (int(x1), int(y1)), 255 if width > 1 else 200, max(1, round(width)))
        if y1 < h * 0.75:
            cv2.line(crown, (int(x), int(y)), (int(x1), int(y1)), 255, max(9, round(width)))
        if width < 0.75:
            continue
        for low, high in ((-0.8, -0.25), (-0.15, 0.15), (0.25, 0.8)):
            branches.append((x1, y1, angle + rng.uniform(low, high), length * rng.uniform(0.66, 0.82), width * 0.62))
    closed = cv2.morphologyEx(crown, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17)))
    twigs = (rng.random((h, w)) < 0.45) * 190.0
    alpha = np.maximum(alpha, cv2.GaussianBlur(twigs.astype(np.float32), (0, 0), 0.7).astype(np.uint8))
    rgb = np.clip(np.array(bark) + rng.normal(0, 13, (h, w, 1)), 0, 255).astype(np.uint8)
    labels = np.where(closed > 0, TREE, NOTHING).astype(np.uint8)
    return Sprite.make(rgb, alpha, labels, float(rng.uniform(7, 11)))


@dataclass(frozen=True)
class Plants:
    """The plants of one street."""

    bushes: tuple
    trees: tuple
    hedge: Texture

    @staticmethod
    def grow(rng: np.random.Generator) -> "Plants":
        trees = (leafy_tree(rng), leafy_tree(rng), bare_tree(rng), bare_tree(rng), leafy_tree(rng, conifer=True))
        return Plants((bush(rng), bush(rng)), trees, hedge(rng))
