"""Procedural street scenes with exact ground truth in CamVid's 11 classes.

A camera drives on the left down a street that is drawn, not photographed: every call that paints pixels writes their class
in the same breath, so the labels are exact. Used by ``gain demo``, by tests, and as additional training data.

Units: metres and seconds in the world (x right, y up, z ahead), pixels in the picture, colours RGB 0..255.
"""

import math
from dataclasses import dataclass, field
from typing import Callable

import cv2
import numpy as np

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(11)
NOTHING = 254  # inside sprites only: a pixel that is not painted

LOOP_M = 480.0  # the street repeats after this way
VIEW_M = 170.0  # nothing is drawn beyond; a skyline closes the street
NEAR_M = 0.9
CAMERA_HEIGHT_M = 1.35
GROUND_TILE_M = 96.0  # LOOP_M is a multiple
GROUND_HALF_WIDTH_M = 20.0
_SUBPIXEL_BITS = 3


# --- texture helpers ------------------------------------------------------------------------------------------------


def _noise(rng: np.random.Generator, height: int, width: int, coarsest: int, octaves: int = 5) -> np.ndarray:
    """Tileable-looking value noise, float32 height x width, mean about 0, range about -1..1."""
    total = np.zeros((height, width), np.float32)
    cell, gain = coarsest, 1.0
    for _ in range(octaves):
        if cell < 1:
            break
        grid = rng.standard_normal((max(2, height // cell + 1), max(2, width // cell + 1))).astype(np.float32)
        total += gain * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        cell, gain = cell // 2, gain * 0.55
    return np.clip(total / 2.5, -1, 1)


def _shift(colour, amount: float) -> tuple[int, int, int]:
    return tuple(int(min(255, max(0, channel + amount))) for channel in colour)


def _scale(colour, factor: float) -> tuple[int, int, int]:
    return tuple(int(min(255, max(0, channel * factor))) for channel in colour)


def _pick(rng: np.random.Generator, options):
    return options[int(rng.integers(len(options)))]


def _halvings(rgb: np.ndarray, levels: int = 5) -> list[np.ndarray]:
    mips = [rgb]
    while len(mips) < levels and min(mips[-1].shape[:2]) >= 8:
        height, width = mips[-1].shape[:2]
        mips.append(cv2.resize(mips[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return mips


@dataclass(frozen=True)
class _Texture:
    """A flat surface: colours with their smaller copies, the metres it covers, and how opaque it is."""

    mips: list
    width_m: float
    height_m: float
    alpha: list | None = None


@dataclass(frozen=True)
class _Sprite:
    """A cut-out that always faces the camera: RGB, opacity and class (NOTHING outside), with smaller copies."""

    rgb: list
    alpha: list
    labels: list
    height_m: float

    @staticmethod
    def make(rgb: np.ndarray, alpha: np.ndarray, labels: np.ndarray, height_m: float) -> "_Sprite":
        present = [int(k) for k in np.unique(labels)]
        votes = [_halvings((labels == k).astype(np.float32)) for k in present]
        lookup = np.array(present, np.uint8)
        small = [lookup[np.argmax(np.stack(level), axis=0)] for level in zip(*votes)]
        return _Sprite(_halvings(rgb), _halvings(alpha), small, height_m)


# --- camera and canvas ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Camera:
    focal_px: float
    centre_px: tuple[float, float]
    along_m: float
    bend_per_m: float
    aside_m: float

    def ahead(self, z_m: float) -> float:
        """Distance ahead of the camera, of the nearest repetition of the street."""
        return (z_m - self.along_m + 30.0) % LOOP_M - 30.0

    def project(self, points) -> np.ndarray:
        """World points (N, 3), z as distance ahead, to picture points (N, 2)."""
        p = np.asarray(points, np.float64).reshape(-1, 3)
        z = np.maximum(p[:, 2], 0.2)
        x = p[:, 0] - self.aside_m + self.bend_per_m * z * z
        u = self.centre_px[0] + self.focal_px * x / z
        v = self.centre_px[1] - self.focal_px * (p[:, 1] - CAMERA_HEIGHT_M) / z
        return np.stack([u, v], axis=1)


class _Canvas:
    """Picture and labels, always painted together."""

    def __init__(self, size: tuple[int, int], haze_rgb, haze_m: float):
        self.height, self.width = size
        self.rgb = np.zeros((*size, 3), np.uint8)
        self.labels = np.full(size, 255, np.uint8)
        self.haze_rgb, self.haze_m = haze_rgb, haze_m
        self.clear = 1.0

    def depth(self, z_m: float) -> None:
        """Everything painted from here on is this far away: it fades into the haze."""
        self.clear = math.exp(-max(0.0, z_m - 6) / self.haze_m)

    def faded(self, colour) -> tuple[int, int, int]:
        return tuple(int(c * self.clear + h * (1 - self.clear)) for c, h in zip(colour, self.haze_rgb))

    def polygon(self, points: np.ndarray, colour, label: int | None) -> None:
        """Fill a polygon; label None leaves the classes (a shadow, a window in a car)."""
        fixed = np.round(np.clip(points, -30000, 30000) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(self.rgb, [fixed], self.faded(colour), cv2.LINE_8, _SUBPIXEL_BITS)
        if label is not None:
            cv2.fillPoly(self.labels, [fixed], label, cv2.LINE_8, _SUBPIXEL_BITS)

    def line(self, a, b, width_px: float, colour, label: int) -> None:
        ends = np.round(np.clip(np.array([a, b]), -30000, 30000)).astype(np.int32)
        thickness = int(min(200, max(1, round(width_px))))
        cv2.line(self.rgb, ends[0].tolist(), ends[1].tolist(), self.faded(colour), thickness, cv2.LINE_8)
        cv2.line(self.labels, ends[0].tolist(), ends[1].tolist(), label, thickness, cv2.LINE_8)

    def ellipse(self, centre, radii, colour, label: int | None, angle_deg: float = 0.0, width_px: float = -1) -> None:
        if max(abs(centre[0]), abs(centre[1]), *radii) > 20000:
            return
        points = cv2.ellipse2Poly((0, 0), (1000, 1000), 0, 0, 360, 15).astype(np.float64) / 1000 * np.array(radii)
        c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
        points = points @ np.array([[c, s], [-s, c]]) + np.array(centre)
        if width_px <= 0:
            self.polygon(points, colour, label)
            return
        ring = np.round(points).astype(np.int32)
        thickness = int(min(50, max(1, round(width_px))))
        cv2.polylines(self.rgb, [ring], True, self.faded(colour), thickness)
        cv2.polylines(self.labels, [ring], True, label, thickness)

    def darken(self, points: np.ndarray, factor: float) -> None:
        """A shadow: same class, less light."""
        box = self._box(points)
        if box is None:
            return
        x0, y0, x1, y1 = box
        mask = self._mask(points, box)
        patch = self.rgb[y0:y1, x0:x1]
        dark = cv2.convertScaleAbs(patch, alpha=factor)
        cv2.copyTo(dark, mask, patch)

    def quad(self, texture: _Texture, corners_px: np.ndarray, span: tuple[float, float], label: int, shade: float) -> None:
        """Hang a texture (columns span[0]..span[1] of it, as fractions) over four picture points: tl, tr, br, bl."""
        box = self._box(corners_px)
        if box is None:
            return
        x0, y0, x1, y1 = box
        tall = max(abs(corners_px[0, 1] - corners_px[3, 1]), abs(corners_px[1, 1] - corners_px[2, 1]))
        wide = np.ptp(corners_px[:, 0]) / max(1e-3, span[1] - span[0])
        level = 0
        while level + 1 < len(texture.mips) and min(
            texture.mips[level].shape[0] / max(1, tall), texture.mips[level].shape[1] / max(1, wide) / 1.7
        ) > 1.4:
            level += 1
        source = texture.mips[level]
        h, w = source.shape[:2]
        left, right = span[0] * w, span[1] * w
        src = np.float32([[left, 0], [right, 0], [right, h], [left, h]])
        dst = (corners_px - [x0, y0]).astype(np.float32)
        matrix = cv2.getPerspectiveTransform(src, dst)
        size = (x1 - x0, y1 - y0)
        paint = cv2.warpPerspective(source, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mask = self._mask(corners_px, box)
        alpha = None
        if texture.alpha is not None:
            alpha = cv2.warpPerspective(texture.alpha[level], matrix, size, borderMode=cv2.BORDER_REPLICATE)
        self._blend(paint, mask, alpha, box, shade)
        cv2.copyTo(np.full((size[1], size[0]), label, np.uint8), mask, self.labels[y0:y1, x0:x1])

    def sprite(self, sprite: _Sprite, foot_px, pixels_per_m: float, shade: float, mirror: bool = False) -> None:
        level, scale = 0, pixels_per_m * sprite.height_m / sprite.rgb[0].shape[0]
        while level + 1 < len(sprite.rgb) and scale < 0.7:
            level, scale = level + 1, pixels_per_m * sprite.height_m / sprite.rgb[level + 1].shape[0]
        h, w = sprite.rgb[level].shape[:2]
        left, top = foot_px[0] - w * scale / 2, foot_px[1] - h * scale
        box = self._box(np.array([[left, top], [left + w * scale, foot_px[1]]]))
        if box is None:
            return
        x0, y0, x1, y1 = box
        sign = -1 if mirror else 1
        shift_x = (left + w * scale if mirror else left) - x0
        matrix = np.float32([[sign * scale, 0, shift_x], [0, scale, top - y0]])
        size = (x1 - x0, y1 - y0)
        labels = cv2.warpAffine(sprite.labels[level], matrix, size, flags=cv2.INTER_NEAREST, borderValue=NOTHING)
        paint = cv2.warpAffine(sprite.rgb[level], matrix, size, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(sprite.alpha[level], matrix, size)
        mask = cv2.compare(labels, NOTHING, cv2.CMP_NE)
        self._blend(paint, mask, alpha, box, shade)
        cv2.copyTo(labels, mask, self.labels[y0:y1, x0:x1])

    def _box(self, points: np.ndarray):
        x0, y0 = np.floor(points.min(axis=0))
        x1, y1 = np.ceil(points.max(axis=0)) + 1
        x0, y0 = int(max(0, x0)), int(max(0, y0))
        x1, y1 = int(min(self.width, x1)), int(min(self.height, y1))
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None

    def _mask(self, points: np.ndarray, box) -> np.ndarray:
        x0, y0, x1, y1 = box
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        fixed = np.round(np.clip(points - [x0, y0], -30000, 30000) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_8, _SUBPIXEL_BITS)
        return mask

    def _blend(self, paint, mask, alpha, box, shade: float) -> None:
        x0, y0, x1, y1 = box
        patch = self.rgb[y0:y1, x0:x1]
        haze = np.full_like(paint, self.haze_rgb)
        paint = cv2.addWeighted(paint, shade * self.clear, haze, 1 - self.clear, 0)
        if alpha is not None:
            weight = (alpha.astype(np.float32) / 255)[..., None]
            paint = (paint * weight + patch * (1 - weight)).astype(np.uint8)
        cv2.copyTo(paint, mask, patch)


# --- textures and sprites of one scene ------------------------------------------------------------------------------

_BRICKS = [(150, 92, 70), (176, 136, 98), (196, 172, 130), (120, 84, 66), (206, 200, 188), (226, 222, 210), (132, 126, 116)]
_SHOPS = [(28, 62, 110), (150, 24, 30), (24, 84, 52), (40, 40, 44), (96, 40, 88), (196, 130, 24), (210, 206, 198)]
_PAINTS = [(178, 182, 188), (34, 36, 42), (120, 20, 26), (24, 44, 92), (222, 222, 220), (84, 90, 96), (36, 70, 60), (160, 120, 52)]
_CLOTHES = [(30, 32, 40), (52, 44, 40), (70, 24, 26), (28, 38, 66), (86, 84, 80), (128, 120, 104), (20, 20, 22), (48, 60, 50)]
_SKINS = [(214, 168, 140), (190, 140, 110), (140, 96, 70), (96, 66, 50)]


def _window(rgb, x0, y0, x1, y1, frame, glass, rng) -> None:
    cv2.rectangle(rgb, (x0 - 1, y0 - 1), (x1 + 1, y1 + 2), frame, -1)
    cv2.rectangle(rgb, (x0 + 1, y0 + 1), (x1 - 1, y1 - 1), glass, -1)
    if rng.random() < 0.5:  # a blind or a curtain
        cv2.rectangle(rgb, (x0 + 1, y0 + 1), (x1 - 1, y0 + int((y1 - y0) * rng.uniform(0.2, 0.6))), _shift(glass, 60), -1)
    middle = (y0 + y1) // 2
    cv2.line(rgb, (x0, middle), (x1, middle), frame, 1)
    if rng.random() < 0.6:
        cv2.line(rgb, ((x0 + x1) // 2, y0), ((x0 + x1) // 2, y1), frame, 1)


def _facade(rng: np.random.Generator, storeys: int, shop: bool) -> _Texture:
    px = 22
    width_m, storey_m = float(rng.uniform(6, 13)), float(rng.uniform(2.8, 3.5))
    height_m = storeys * storey_m + rng.uniform(0.4, 1.0)
    h, w = int(height_m * px), int(width_m * px)
    wall = np.array(_pick(rng, _BRICKS), np.float32) * rng.uniform(0.7, 1.05)
    rgb = wall + 16 * _noise(rng, h, w, 64)[..., None] + rng.normal(0, 7, (h, w, 1)).astype(np.float32)
    rgb = np.clip(rgb, 0, 255).astype(np.uint8)
    rgb[:: max(4, px // 5)] = (rgb[:: max(4, px // 5)] * 0.93).astype(np.uint8)
    frame = _pick(rng, [(226, 224, 216), (70, 60, 52), (190, 184, 170), (40, 44, 46)])
    glass = _pick(rng, [(34, 40, 48), (60, 74, 90), (22, 24, 28), (90, 108, 124)])
    columns = max(2, round(width_m / rng.uniform(1.9, 3.2)))
    pitch = w / columns
    win_w, win_h = pitch * rng.uniform(0.35, 0.7), storey_m * px * rng.uniform(0.45, 0.62)
    for floor in range(storeys):
        base = h - int(floor * storey_m * px)
        if floor == 0 and shop:
            _shop_front(rgb, rng, base, int(storey_m * px), px)
            continue
        cv2.line(rgb, (0, base), (w, base), _scale(wall, 0.72), 2)
        for column in range(columns):
            x = (column + 0.5) * pitch
            top = base - storey_m * px * 0.86
            if floor == 0 and column == columns // 2:
                door = _pick(rng, _SHOPS)
                cv2.rectangle(rgb, (int(x - px * 0.5), int(base - 2.2 * px)), (int(x + px * 0.5), base), door, -1)
                continue
            _window(rgb, int(x - win_w / 2), int(top), int(x + win_w / 2), int(top + win_h), frame, glass, rng)
    cv2.rectangle(rgb, (0, 0), (w, int(px * 0.3)), _shift(wall, rng.uniform(-50, 30)), -1)
    rgb[:, :2] = (rgb[:, :2] * 0.6).astype(np.uint8)
    return _Texture(_halvings(rgb), width_m, height_m)


def _shop_front(rgb, rng, base: int, tall: int, px: int) -> None:
    w = rgb.shape[1]
    colour = _pick(rng, _SHOPS)
    glass = _pick(rng, [(30, 32, 38), (58, 62, 66), (88, 84, 74)])
    cv2.rectangle(rgb, (0, base - tall), (w, base), _scale(colour, 0.8), -1)
    step = int(px * rng.uniform(1.6, 2.8))
    for x in range(4, w - step // 2, step):
        cv2.rectangle(rgb, (x, base - int(tall * 0.74)), (min(w - 4, x + step - 5), base - int(tall * 0.14)), glass, -1)
        for _ in range(5):  # goods in the window
            gx, gy = x + int(rng.integers(2, max(3, step - 8))), base - int(tall * rng.uniform(0.18, 0.55))
            cv2.circle(rgb, (gx, gy), int(rng.integers(2, 5)), [int(c) for c in rng.integers(40, 210, 3)], -1)
    top = base - tall
    cv2.rectangle(rgb, (0, top + 2), (w, top + int(tall * 0.2)), colour, -1)
    letters = _pick(rng, [(236, 232, 220), (240, 214, 110), (20, 20, 20)])
    x = int(w * 0.2)
    while x < w * 0.8:  # letters are too small to read: blocks do
        step = int(rng.integers(4, 9))
        cv2.rectangle(rgb, (x, top + int(tall * 0.07)), (x + step - 2, top + int(tall * 0.16)), letters, -1)
        x += step + (6 if rng.random() < 0.2 else 1)


def _wall_texture(rng, colour, width_m: float, height_m: float, px: int = 16) -> _Texture:
    h, w = max(8, int(height_m * px)), int(width_m * px)
    rgb = np.array(colour, np.float32) + 18 * _noise(rng, h, w, 48)[..., None] + rng.normal(0, 7, (h, w, 1))
    rgb = np.clip(rgb, 0, 255).astype(np.uint8)
    rgb[::4] = (rgb[::4] * 0.88).astype(np.uint8)
    return _Texture(_halvings(rgb), width_m, height_m)


def _fence_texture(rng, kind: str) -> _Texture:
    width_m, height_m, px = 8.0, {"boards": 1.7, "railing": 1.1, "guard": 1.05}[kind], 28
    h, w = int(height_m * px), int(width_m * px)
    alpha = np.zeros((h, w), np.uint8)
    rgb = np.zeros((h, w, 3), np.uint8)
    if kind == "boards":
        wood = np.array(_pick(rng, [(122, 92, 62), (96, 80, 66), (140, 116, 86)]), np.float32)
        planks = np.repeat(rng.normal(0, 12, w // 5 + 1), 5)[:w]
        rgb[:] = np.clip(wood + planks[None, :, None] + rng.normal(0, 6, (h, w, 1)), 0, 255)
        rgb[:, ::5] = (rgb[:, ::5] * 0.55).astype(np.uint8)
        alpha[:] = 255
    else:
        colour = (34, 36, 38) if kind == "railing" else (128, 132, 136)
        rgb[:] = colour
        gap = 4 if kind == "railing" else 6
        alpha[:, ::gap] = alpha[:, 1::gap] = 255
        for y in (0, h - 5):
            alpha[y : y + 3] = 255
        alpha[:, :: px * 2] = alpha[:, 1 :: px * 2] = alpha[:, 2 :: px * 2] = 255
        alpha = np.maximum(alpha, 70)
    return _Texture(_halvings(rgb), width_m, height_m, _halvings(alpha))


def _leafy(rng: np.random.Generator, kind: str) -> _Sprite:
    """kind: round, conifer, bush, bare."""
    h, w = (220, 180) if kind != "bush" else (120, 200)
    height_m = {"round": rng.uniform(5, 9), "conifer": rng.uniform(6, 11), "bush": rng.uniform(1.2, 2.4), "bare": rng.uniform(6, 10)}[kind]
    rgb = np.zeros((h, w, 3), np.uint8)
    solid = np.zeros((h, w), np.uint8)
    bark = _pick(rng, [(74, 62, 50), (96, 88, 78), (52, 46, 40)])
    green = _pick(rng, [(72, 92, 44), (54, 74, 40), (96, 104, 56), (116, 100, 52), (44, 58, 36)])
    rgb[:] = _scale(green, 0.6)
    if kind == "bare":
        return _bare(rng, rgb, solid, bark, height_m)
    if kind != "bush":
        cv2.line(rgb, (w // 2, h), (w // 2, h // 2), bark, 9)
        cv2.line(solid, (w // 2, h), (w // 2, h // 2), 255, 9)
    blobs = []
    for _ in range(260 if kind != "bush" else 160):
        a, r = rng.uniform(0, 2 * math.pi), math.sqrt(rng.random())
        if kind == "round":
            x, y = w / 2 + math.cos(a) * r * w * 0.42, h * 0.36 + math.sin(a) * r * h * 0.31
        elif kind == "bush":
            x, y = w / 2 + math.cos(a) * r * w * 0.44, h - abs(math.sin(a)) * r * h * 0.85
        else:
            down = math.sqrt(rng.random())
            x, y = w / 2 + rng.uniform(-1, 1) * down * w * 0.3, h * 0.04 + down * h * 0.84
        blobs.append((x, y, rng.uniform(5, 13)))
    blobs.sort(key=lambda blob: -blob[1])
    for x, y, radius in blobs:
        light = 0.55 + 0.75 * (1 - y / h) + 0.25 * (0.5 - x / w) + rng.normal(0, 0.12)
        cv2.circle(rgb, (int(x), int(y)), int(radius), _scale(green, light), -1)
        cv2.circle(solid, (int(x), int(y)), int(radius), 255, -1)
    rgb = np.clip(rgb + rng.normal(0, 17, (h, w, 1)) + rng.normal(0, 5, (h, w, 3)), 0, 255).astype(np.uint8)
    ragged = (rng.random((h, w)) < 0.5) & (cv2.erode(solid, np.ones((5, 5))) == 0)
    solid[ragged] = 0
    labels = np.where(solid > 0, TREE, NOTHING).astype(np.uint8)
    holes = (_noise(rng, h, w, 14, 2) > 0.62) & (solid > 0) & (kind == "round")
    alpha = np.where(holes, 60, solid).astype(np.uint8)
    return _Sprite.make(rgb, alpha, labels, height_m)


def _bare(rng, rgb, solid, bark, height_m: float) -> _Sprite:
    """A winter tree. The twigs let the sky through; the crown as a whole is the tree."""
    h, w = solid.shape
    rgb[:] = bark
    alpha = np.zeros((h, w), np.uint8)
    tips = []
    stack = [(w / 2, float(h), -math.pi / 2, h * 0.27, 8.0)]
    while stack:
        x, y, angle, length, width = stack.pop()
        x1, y1 = x + math.cos(angle) * length, y + math.sin(angle) * length
        cv2.line(alpha, (int(x), int(y)), (int(x1), int(y1)), 255 if width > 1.2 else 190, max(1, round(width)))
        if width < 0.9:
            tips.append((int(x1), int(y1)))
            continue
        for turn in (rng.uniform(-0.75, -0.2), rng.uniform(-0.12, 0.12), rng.uniform(0.2, 0.75)):
            stack.append((x1, y1, angle + turn, length * rng.uniform(0.66, 0.84), width * 0.6))
    cv2.line(solid, (w // 2, h), (w // 2, int(h * 0.7)), 255, 8)
    if tips:
        for tip in tips:
            cv2.circle(solid, tip, 9, 255, -1)
        solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((25, 25), np.uint8))
    alpha = np.maximum(alpha, (rng.random((h, w)) * 110).astype(np.uint8))
    labels = np.where(solid > 0, TREE, NOTHING).astype(np.uint8)
    rgb = np.clip(rgb + rng.normal(0, 14, (h, w, 1)), 0, 255).astype(np.uint8)
    return _Sprite.make(rgb, alpha, labels, height_m)


@dataclass(frozen=True)
class _Ground:
    """A strip of street seen from above: GROUND_TILE_M long (rows), 2 x GROUND_HALF_WIDTH_M wide (columns)."""

    mips: list
    labels: np.ndarray
    px_per_m: tuple[float, float]  # along, across


def _make_ground(rng: np.random.Generator, plan: "_Plan") -> _Ground:
    along, across = 14.0, 26.0
    h, w = int(GROUND_TILE_M * along), int(2 * GROUND_HALF_WIDTH_M * across)
    xs = (np.arange(w) + 0.5) / across - GROUND_HALF_WIDTH_M
    asphalt = np.array(plan.asphalt, np.float32)
    shade = 7 * _noise(rng, h, w, 128) + rng.normal(0, 5, (h, w)).astype(np.float32)
    lane_wear = 5 * np.cos((xs - plan.lane_x_m[0]) * 2 * math.pi / 1.75)  # tyres polish two tracks a lane
    rgb = asphalt + (shade - lane_wear[None, :].astype(np.float32))[..., None]
    labels = np.full((h, w), ROAD, np.uint8)

    def cols(x0, x1):
        a, b = ((np.array([x0, x1]) + GROUND_HALF_WIDTH_M) * across).round().astype(int)
        return slice(max(0, a), max(a + 1, b))

    def rows(z0, z1):
        return slice(int(z0 * along), int(z1 * along))

    for _ in range(14):  # repairs
        z, x = rng.uniform(0, GROUND_TILE_M - 6), rng.uniform(plan.left_m, plan.right_m - 1.5)
        rgb[rows(z, z + rng.uniform(1, 6)), cols(x, x + rng.uniform(0.6, 2))] += rng.uniform(-14, 12)
    for side, edge in ((-1, plan.left_m), (1, plan.right_m)):
        outer = edge + side * GROUND_HALF_WIDTH_M * 2
        walk, kerb = edge + side * plan.walk_m, edge + side * 0.16
        slabs = cols(min(edge, outer), max(edge, outer))
        rgb[:, slabs] = np.array(plan.slab, np.float32) + shade[:, slabs, None] * 1.2
        labels[:, slabs] = PAVEMENT
        for z in np.arange(0, GROUND_TILE_M, 0.9):
            rgb[int(z * along), slabs] -= 11
        for x in np.arange(0, plan.walk_m, 0.7):
            rgb[:, cols(edge + side * x, edge + side * x + 0.03)] -= 9
        rgb[:, cols(min(edge, kerb), max(edge, kerb))] = np.array(plan.slab, np.float32) + 26 + shade[:, :1, None]
        gutter = cols(min(edge, edge - side * 0.25), max(edge, edge - side * 0.25))
        rgb[:, gutter] -= 12
        if plan.green[(side + 1) // 2]:
            grass = cols(min(walk, outer), max(walk, outer))
            rgb[:, grass] = np.array([74, 92, 46], np.float32) + 2.4 * shade[:, grass, None] + [4, 0, -4]
            labels[:, grass] = TREE
        if plan.yellow_lines:
            for offset in (0.35, 0.6):
                x = edge - side * offset
                rgb[:, cols(x - 0.05, x + 0.05)] = np.array([168, 140, 62], np.float32) + shade[:, :1, None] * 2
    white = np.array([196, 196, 192], np.float32)
    middle = sum(plan.lane_x_m) / 2
    for z in np.arange(0, GROUND_TILE_M - 1, 6.0):
        rgb[rows(z, z + 3.4), cols(middle - 0.07, middle + 0.07)] = white + rng.normal(0, 10)
    if plan.zebra_m is not None:
        for x in np.arange(plan.left_m + 0.3, plan.right_m - 0.4, 1.0):
            rgb[rows(plan.zebra_m, plan.zebra_m + 2.8), cols(x, x + 0.5)] = white
    worn = _noise(rng, h, w, 8, 3)[..., None] * 9
    rgb = np.clip(rgb + worn, 0, 255).astype(np.uint8)
    for _ in range(6):
        z, x = rng.uniform(1, GROUND_TILE_M - 2), rng.uniform(plan.left_m + 0.5, plan.right_m - 1)
        rgb[rows(z, z + 0.6), cols(x, x + 0.6)] = _scale(plan.asphalt, 0.6)
    mips = [rgb]
    for _ in range(3):  # far rows are seen at a grazing angle: shrink along the road faster than across it
        last = mips[-1]
        mips.append(cv2.resize(last, (last.shape[1] // 2, last.shape[0] // 4), interpolation=cv2.INTER_AREA))
    return _Ground(mips, labels, (along, across))


# --- what stands in the street --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    """The street's cross-section and look, drawn once from the seed. Camera lane first; x = 0 is the camera's."""

    left_m: float
    right_m: float
    lane_x_m: tuple[float, float]
    walk_m: float
    green: tuple[bool, bool]
    asphalt: tuple
    slab: tuple
    yellow_lines: bool
    zebra_m: float | None
    sun_side: int
    speed_mps: float
    parked: tuple[float, float]


@dataclass
class _Thing:
    """Something with a place. ``paint(canvas, camera, ahead_m, t_s)`` draws it; speed moves it along the street."""

    z_m: float
    paint: Callable
    speed_mps: float = 0.0
    length_m: float = 0.0
    order_m: float = field(default=0.0)  # nudges the painter's order

    def ahead_m(self, camera: _Camera, t_s: float) -> float:
        return camera.ahead(self.z_m + self.speed_mps * t_s)


def _upright(canvas, camera, x, z0, z1, y0, y1, texture, label, shade) -> None:
    """A textured wall parallel to the road, from z0 (near) to z1, clipped in front of the camera."""
    if z1 <= NEAR_M:
        return
    cut = max(z0, NEAR_M)
    start = (cut - z0) / (z1 - z0)
    pieces = 1 if z1 - cut < 14 or z1 < 40 else 2
    edges = np.linspace(cut, z1, pieces + 1)
    fractions = np.linspace(start, 1, pieces + 1)
    for i in reversed(range(pieces)):
        near, far = edges[i], edges[i + 1]
        corners = camera.project([[x, y1, near], [x, y1, far], [x, y0, far], [x, y0, near]])
        canvas.quad(texture, corners, (fractions[i], fractions[i + 1]), label, shade)


def _building(rng, facade: _Texture, side: int, x_m: float, lit: float) -> Callable:
    roof = _pick(rng, [None, (84, 74, 70), (104, 72, 60), (66, 66, 70)])
    rise = float(rng.uniform(1.8, 3.4))
    chimney = roof is not None and rng.random() < 0.6
    wall = tuple(int(c) for c in facade.mips[-1].reshape(-1, 3).mean(axis=0))
    top = facade.height_m
    deep = 9.0

    def paint(canvas, camera, ahead, _t):
        near, far = ahead, ahead + facade.width_m
        if far < NEAR_M:
            return
        canvas.depth(max(near, 0) * 0.6 + far * 0.4)
        back, ridge = x_m + side * deep, x_m + side * deep / 2
        if roof and chimney:
            z = max(NEAR_M, near + 1)
            stack = [[ridge, top + rise - 1, z], [ridge, top + rise + 1.3, z], [ridge + side, top + rise + 1.3, z], [ridge + side, top + rise - 1, z]]
            canvas.polygon(camera.project(stack), _scale(wall, 0.75), BUILDING)
        if roof and far > NEAR_M:
            cut = max(NEAR_M, near)
            slope = [[x_m, top, cut], [x_m, top, far], [ridge, top + rise, far], [ridge, top + rise, cut]]
            canvas.polygon(camera.project(slope), _scale(roof, lit), BUILDING)
        if near > NEAR_M:
            gable = [[x_m, 0, near], [x_m, top, near], [back, top, near], [back, 0, near]]
            if roof:
                gable.insert(2, [ridge, top + rise, near])
            canvas.polygon(camera.project(gable), _scale(wall, 0.62), BUILDING)
        _upright(canvas, camera, x_m, near, far, 0, top, facade, BUILDING, lit)

    return paint


def _panel(texture: _Texture, x_m: float, label: int, lit: float, repeat: int = 1) -> Callable:
    def paint(canvas, camera, ahead, _t):
        for i in reversed(range(repeat)):
            near = ahead + i * texture.width_m
            canvas.depth(max(near, 0))
            _upright(canvas, camera, x_m, near, near + texture.width_m, 0, texture.height_m, texture, label, lit)

    return paint


def _plant(sprite: _Sprite, x_m: float, lit: float, mirror: bool, size: float) -> Callable:
    def paint(canvas, camera, ahead, _t):
        if ahead < 2.0:
            return
        canvas.depth(ahead)
        foot = camera.project([[x_m, 0, ahead]])[0]
        canvas.sprite(sprite, foot, camera.focal_px / ahead * size, lit, mirror)

    return paint


def _lamp(rng, x_m: float, side: int) -> Callable:
    tall, arm = float(rng.uniform(5.5, 8.5)), float(rng.uniform(0.8, 1.8))
    grey = _pick(rng, [(92, 96, 98), (58, 60, 60), (140, 142, 140), (44, 52, 46)])

    def paint(canvas, camera, ahead, _t):
        if ahead < 1.5:
            return
        canvas.depth(ahead)
        scale = camera.focal_px / ahead
        foot, mid, top, tip = camera.project(
            [[x_m, 0, ahead], [x_m, 1.2, ahead], [x_m, tall, ahead], [x_m - side * arm, tall + 0.25, ahead]]
        )
        canvas.line(mid, top, 0.13 * scale, grey, POLE)
        canvas.line(foot, mid, 0.2 * scale, _scale(grey, 0.8), POLE)
        canvas.line(top, tip, 0.1 * scale, grey, POLE)
        canvas.line(tip, tip - [side * 0.55 * scale, 0], 0.16 * scale, (200, 200, 190), POLE)

    return paint


def _bollard(rng, x_m: float) -> Callable:
    dark = _pick(rng, [(28, 28, 30), (90, 90, 88), (60, 56, 40)])

    def paint(canvas, camera, ahead, _t):
        if ahead < 1.5:
            return
        canvas.depth(ahead)
        foot, top = camera.project([[x_m, 0, ahead], [x_m, 1.0, ahead]])
        width = 0.16 * camera.focal_px / ahead
        canvas.line(foot, top, width, dark, POLE)

    return paint


def _sign_face(canvas, kind: str, at, s: float) -> None:
    x, y = at
    if kind == "limit":
        canvas.ellipse(at, (0.34 * s, 0.34 * s), (190, 30, 36), SIGN)
        canvas.ellipse(at, (0.25 * s, 0.25 * s), (236, 236, 232), SIGN)
        for dx in (-0.09, 0.08):
            canvas.polygon(np.array(at) + s * np.array([[dx - 0.05, -0.1], [dx + 0.05, -0.1], [dx + 0.05, 0.1], [dx - 0.05, 0.1]]), (24, 24, 24), SIGN)
    elif kind == "no_entry":
        canvas.ellipse(at, (0.34 * s, 0.34 * s), (188, 24, 32), SIGN)
        canvas.polygon(np.array(at) + s * np.array([[-0.22, -0.06], [0.22, -0.06], [0.22, 0.06], [-0.22, 0.06]]), (240, 240, 238), SIGN)
    elif kind == "warning":
        for size, colour in ((0.42, (190, 28, 34)), (0.27, (238, 238, 232))):
            canvas.polygon(np.array(at) + s * size * np.array([[0, -1], [0.95, 0.7], [-0.95, 0.7]]), colour, SIGN)
        canvas.polygon(np.array(at) + s * np.array([[-0.03, -0.1], [0.03, -0.1], [0.03, 0.12], [-0.03, 0.12]]), (20, 20, 20), SIGN)
    elif kind == "keep_left":
        canvas.ellipse(at, (0.33 * s, 0.33 * s), (28, 70, 150), SIGN)
        canvas.polygon(np.array(at) + s * np.array([[0.15, -0.16], [-0.02, 0.0], [0.06, 0.08], [-0.18, 0.16], [-0.16, -0.06], [-0.08, -0.04], [0.08, -0.22]]), (240, 240, 240), SIGN)
    else:  # a board: direction sign, bus stop, estate agent
        colour = {"board_blue": (30, 64, 140), "board_green": (18, 92, 62), "board_white": (228, 226, 216), "board_back": (122, 126, 128)}[kind]
        half = np.array([[-0.5, -0.36], [0.5, -0.36], [0.5, 0.36], [-0.5, 0.36]])
        canvas.polygon(np.array(at) + s * half, colour, SIGN)
        if kind != "board_back":
            ink = (30, 30, 30) if kind == "board_white" else (232, 232, 232)
            for row in (-0.18, 0.0, 0.18):
                bar = np.array([[-0.38, row - 0.045], [0.3 - row, row - 0.045], [0.3 - row, row + 0.045], [-0.38, row + 0.045]])
                canvas.polygon(np.array(at) + s * bar, ink, SIGN)


def _sign(rng, x_m: float) -> Callable:
    kind = _pick(rng, ["limit", "no_entry", "warning", "keep_left", "board_blue", "board_green", "board_white", "board_back"])
    tall, size = float(rng.uniform(2.3, 3.2)), float(rng.uniform(0.9, 1.35))

    def paint(canvas, camera, ahead, _t):
        if ahead < 2:
            return
        canvas.depth(ahead)
        s = camera.focal_px / ahead
        foot, top = camera.project([[x_m, 0, ahead], [x_m, tall, ahead]])
        canvas.line(foot, top, 0.09 * s, (112, 114, 114), POLE)
        _sign_face(canvas, kind, top, s * size)

    return paint


def _traffic_light(rng, x_m: float) -> Callable:
    phase = float(rng.uniform(0, 12))

    def paint(canvas, camera, ahead, t):
        if ahead < 2:
            return
        canvas.depth(ahead)
        s = camera.focal_px / ahead
        foot, top = camera.project([[x_m, 0, ahead], [x_m, 2.9, ahead]])
        canvas.line(foot, top, 0.12 * s, (44, 46, 46), POLE)
        box = np.array([[-0.26, -0.62], [0.26, -0.62], [0.26, 0.62], [-0.26, 0.62]]) * s
        canvas.polygon(top + box, (18, 18, 20), SIGN)
        green = (t + phase) % 12 < 7
        for row, colour, on in ((-0.38, (240, 40, 34), not green), (0.0, (220, 150, 30), False), (0.38, (60, 240, 150), green)):
            canvas.ellipse(top + [0, row * s], (0.13 * s, 0.13 * s), colour if on else _scale(colour, 0.18), SIGN)

    return paint


# --- traffic --------------------------------------------------------------------------------------------------------

# side profiles as fractions (along 0 rear .. 1 front, height); the cabin's glass as a second polygon
_PROFILES = {
    "hatch": ([(0.0, 0.22), (0.0, 0.62), (0.06, 0.95), (0.16, 1.0), (0.52, 1.0), (0.70, 0.66), (0.95, 0.56), (1.0, 0.42), (1.0, 0.2)], [(0.09, 0.66), (0.15, 0.93), (0.5, 0.94), (0.65, 0.66)], 3.9, 1.72, 1.45),
    "saloon": ([(0.0, 0.22), (0.0, 0.6), (0.04, 0.66), (0.16, 0.68), (0.28, 1.0), (0.56, 1.0), (0.70, 0.66), (0.95, 0.56), (1.0, 0.4), (1.0, 0.2)], [(0.2, 0.68), (0.3, 0.94), (0.54, 0.94), (0.66, 0.66)], 4.5, 1.76, 1.42),
    "van": ([(0.0, 0.16), (0.0, 0.97), (0.03, 1.0), (0.68, 1.0), (0.84, 0.62), (0.98, 0.5), (1.0, 0.4), (1.0, 0.15)], [(0.62, 0.6), (0.62, 0.9), (0.7, 0.9), (0.8, 0.6)], 4.9, 1.95, 2.15),
    "bus": ([(0.0, 0.1), (0.0, 0.97), (0.02, 1.0), (0.97, 1.0), (1.0, 0.9), (1.0, 0.1)], [(0.03, 0.5), (0.03, 0.86), (0.97, 0.86), (0.97, 0.5)], 10.0, 2.45, 3.0),
}


def _vehicle(rng, kind: str, x_m: float, facing: int, lit: float) -> Callable:
    """facing +1: seen from behind (drives our way), -1: seen from the front. Its rear or front nearest to us is at z."""
    outline, glass, length, width, height = _PROFILES[kind]
    paint_rgb = _pick(rng, _PAINTS) if kind != "bus" else _pick(rng, [(160, 24, 28), (40, 90, 150), (222, 214, 190)])
    if kind == "van" and rng.random() < 0.6:
        paint_rgb = (214, 214, 212)
    glass_rgb = _pick(rng, [(26, 30, 34), (44, 52, 58), (70, 82, 90)])
    outline, glass = np.array(outline), np.array(glass)
    if facing < 0:
        outline, glass = outline * [-1, 1] + [1, 0], glass * [-1, 1] + [1, 0]

    def paint(canvas, camera, ahead, _t):
        if ahead + length < NEAR_M + 0.5:
            return
        canvas.depth(max(ahead, 0))
        left, right = x_m - width / 2, x_m + width / 2
        z = lambda fraction: np.maximum(ahead + np.asarray(fraction) * length, NEAR_M)  # noqa: E731
        shadow = [[left - 0.15, 0, z(-0.04)], [right + 0.15, 0, z(-0.04)], [right + 0.15, 0, z(1.02)], [left - 0.15, 0, z(1.02)]]
        canvas.darken(camera.project(shadow), 0.45)
        middle_px = camera.centre_px[0] + 0.0
        _far = camera.project([[left, 0.5, max(ahead, NEAR_M)], [right, 0.5, max(ahead, NEAR_M)]])
        side_x = right if _far[1, 0] < middle_px else left if _far[0, 0] > middle_px else None
        if ahead + length * 0.3 > NEAR_M:  # the far end's silhouette, so that the roof closes
            _end_on(canvas, camera, x_m, width * 0.94, height, z(0.5), _scale(paint_rgb, 0.7 * lit), None, outline, kind)
        if side_x is not None:
            _flank(canvas, camera, side_x, z, height, outline, glass, _scale(paint_rgb, 0.82 * lit), glass_rgb, kind, length)
        if ahead > NEAR_M:
            _end_on(canvas, camera, x_m, width, height, ahead, _scale(paint_rgb, lit), glass_rgb, outline, kind, facing)

    return paint


def _flank(canvas, camera, x, z, height, outline, glass, colour, glass_rgb, kind, length) -> None:
    along = z(outline[:, 0])
    points = np.stack([np.full(len(along), x), outline[:, 1] * height, along], axis=1)
    canvas.polygon(camera.project(points), colour, CAR)
    along = z(glass[:, 0])
    panes = np.stack([np.full(len(along), x), glass[:, 1] * height, along], axis=1)
    canvas.polygon(camera.project(panes), glass_rgb, CAR)
    radius = 0.31 if kind in ("hatch", "saloon") else 0.36 if kind == "van" else 0.48
    for at in (0.19, 0.81):
        angle = np.linspace(0, 2 * math.pi, 14, endpoint=False)
        for r, rgb in ((radius, (20, 20, 22)), (radius * 0.58, (118, 120, 124))):
            ring = np.stack([np.full(14, x), radius + r * np.sin(angle), z(at + r / length * np.cos(angle))], axis=1)
            if np.ptp(ring[:, 2]) > r:
                canvas.polygon(camera.project(ring), rgb, CAR)


def _end_on(canvas, camera, x, width, height, z, colour, glass_rgb, outline, kind, facing=1) -> None:
    """Rear or front of a vehicle at distance z. glass_rgb None: the bare silhouette."""
    half, waist = width / 2, (0.62 if kind in ("hatch", "saloon") else 0.5)
    taper = 0.78 if kind in ("hatch", "saloon") else 0.95
    foot = 0.2 / height * 1.2

    def shape(pairs):
        return camera.project([[x + px * half, py * height, z] for px, py in pairs])

    z = float(z)
    body = [(-1, foot), (-1, waist), (-taper, 0.93), (-taper * 0.9, 1), (taper * 0.9, 1), (taper, 0.93), (1, waist), (1, foot)]
    if glass_rgb is None:
        canvas.polygon(shape(body), colour, CAR)
        return
    for side in (-1, 1):
        tyre = [(side * 0.98, 0), (side * 0.7, 0), (side * 0.7, 0.25), (side * 0.98, 0.25)]
        canvas.polygon(shape(tyre), (16, 16, 18), CAR)
    if facing > 0 and kind == "saloon":
        body = [(-1, foot), (-1, waist), (1, waist), (1, foot)]
    canvas.polygon(shape(body), colour, CAR)
    t = taper * 0.88
    pane = [(-0.86, waist + 0.04), (-t, 0.91), (t, 0.91), (0.86, waist + 0.04)]
    if kind == "bus":
        pane = [(-0.9, 0.5), (-0.9, 0.84), (0.9, 0.84), (0.9, 0.5)]
    if not (facing > 0 and kind == "saloon"):
        canvas.polygon(shape(pane), glass_rgb, CAR)
        canvas.polygon(shape([(-0.7, waist + 0.07), (-0.55, 0.88), (-0.3, 0.88), (-0.5, waist + 0.07)]), _shift(glass_rgb, 26), CAR)
    canvas.polygon(shape([(-1, foot), (-1, foot + 0.16), (1, foot + 0.16), (1, foot)]), _scale(colour, 0.55), CAR)
    lamp = (176, 30, 26) if facing > 0 else (232, 232, 214)
    for side in (-1, 1):
        canvas.polygon(shape([(side * 0.97, waist - 0.2), (side * 0.97, waist - 0.06), (side * 0.7, waist - 0.06), (side * 0.74, waist - 0.2)]), lamp, CAR)
    plate = (214, 178, 60) if facing > 0 else (226, 226, 222)
    canvas.polygon(shape([(-0.28, foot + 0.1), (-0.28, foot + 0.19), (0.28, foot + 0.19), (0.28, foot + 0.1)]), plate, CAR)
    if facing < 0 and kind in ("hatch", "saloon"):
        canvas.polygon(shape([(-0.5, foot + 0.2), (-0.5, foot + 0.27), (0.5, foot + 0.27), (0.5, foot + 0.2)]), (30, 30, 32), CAR)


def _figure(canvas, foot, s: float, stride: float, clothes, trousers, skin, hair, label: int, bag: bool) -> None:
    """A standing or walking person; foot in pixels, s pixels per metre, stride -1..1."""

    def at(x, y):
        return np.array([foot[0] + x * s, foot[1] - y * s])

    hip, shoulder = at(0, 0.86), at(0, 1.42)
    for side, colour in ((1, _scale(trousers, 0.75)), (-1, trousers)):
        knee = at(side * 0.16 * stride, 0.46)
        sole = at(side * (0.05 + 0.3 * stride), 0.05 + 0.05 * max(0, -side * stride))
        canvas.line(hip, knee, 0.17 * s, colour, label)
        canvas.line(knee, sole, 0.13 * s, colour, label)
        canvas.line(sole, sole + [0.1 * s, 0], 0.08 * s, (22, 20, 20), label)
    torso = np.array([at(-0.17, 0.78), at(-0.22, 1.36), at(-0.1, 1.48), at(0.1, 1.48), at(0.22, 1.36), at(0.18, 0.78)])
    canvas.polygon(torso, clothes, label)
    canvas.polygon(np.array([at(0.04, 0.78), at(0.08, 1.46), at(0.22, 1.36), at(0.18, 0.78)]), _scale(clothes, 0.72), label)
    for side in (-1, 1):
        hand = at(side * 0.24 - 0.16 * stride * side, 0.82)
        canvas.line(shoulder + [side * 0.19 * s, 0.06 * s], hand, 0.1 * s, _scale(clothes, 0.85), label)
    if bag:
        canvas.polygon(np.array([at(0.2, 0.55), at(0.2, 0.85), at(0.42, 0.85), at(0.42, 0.55)]), _scale(trousers, 1.3), label)
    canvas.ellipse(at(0, 1.62), (0.11 * s, 0.14 * s), skin, label)
    canvas.ellipse(at(0, 1.68), (0.115 * s, 0.09 * s), hair, label)


def _pedestrian(rng, x_m: float, walking: bool) -> Callable:
    look = (_pick(rng, _CLOTHES), _scale(_pick(rng, _CLOTHES), 0.8), _pick(rng, _SKINS), _pick(rng, [(24, 20, 18), (70, 52, 36), (130, 120, 110)]))
    tall, phase, bag = float(rng.uniform(0.92, 1.06)), float(rng.uniform(0, 6)), rng.random() < 0.35

    def paint(canvas, camera, ahead, t):
        if ahead < 2:
            return
        canvas.depth(ahead)
        s = camera.focal_px / ahead * tall
        foot = camera.project([[x_m, 0, ahead]])[0]
        canvas.darken(np.array([foot + [-0.3 * s, -0.04 * s], foot + [0.35 * s, -0.04 * s], foot + [0.35 * s, 0.05 * s], foot + [-0.3 * s, 0.05 * s]]), 0.7)
        stride = math.sin(5.5 * t + phase) * 0.75 if walking else 0.12
        _figure(canvas, foot, s, stride, *look, PEDESTRIAN, bag)

    return paint


def _cyclist(rng, x_m: float) -> Callable:
    """Rides along the street, seen end on: a narrow wheel below a person."""
    clothes = _pick(rng, [*_CLOTHES, (190, 200, 40), (200, 90, 30)])
    trousers, skin, phase = _pick(rng, _CLOTHES), _pick(rng, _SKINS), float(rng.uniform(0, 6))
    helmet = _pick(rng, [(30, 30, 32), (200, 200, 196), (40, 80, 150)])

    def paint(canvas, camera, ahead, t):
        if ahead < 2.2:
            return
        canvas.depth(ahead)
        s = camera.focal_px / ahead
        foot = camera.project([[x_m, 0, ahead]])[0]

        def at(x, y):
            return np.array([foot[0] + x * s, foot[1] - y * s])

        canvas.darken(np.array([at(-0.4, 0.05), at(0.4, 0.05), at(0.4, -0.06), at(-0.4, -0.06)]), 0.6)
        canvas.ellipse(at(0, 0.34), (0.05 * s, 0.34 * s), (22, 22, 24), BICYCLIST)
        canvas.line(at(-0.28, 1.02), at(0.28, 1.02), 0.05 * s, (50, 50, 52), BICYCLIST)
        turn = math.sin(6 * t + phase)
        for side in (-1, 1):
            lift = 0.5 + 0.1 * turn * side
            canvas.line(at(side * 0.09, 0.95), at(side * 0.15, lift), 0.16 * s, trousers, BICYCLIST)
            canvas.line(at(side * 0.15, lift), at(side * 0.1, lift - 0.36), 0.12 * s, _scale(trousers, 0.8), BICYCLIST)
            canvas.line(at(side * 0.2, 1.4), at(side * 0.27, 1.05), 0.1 * s, _scale(clothes, 0.85), BICYCLIST)
        canvas.polygon(np.array([at(-0.16, 0.88), at(-0.23, 1.4), at(-0.1, 1.52), at(0.1, 1.52), at(0.23, 1.4), at(0.16, 0.88)]), clothes, BICYCLIST)
        canvas.ellipse(at(0, 1.64), (0.1 * s, 0.13 * s), skin, BICYCLIST)
        canvas.ellipse(at(0, 1.7), (0.12 * s, 0.09 * s), helmet, BICYCLIST)

    return paint


def _parked_bicycle(rng, x_m: float) -> Callable:
    colour = _pick(rng, [(30, 30, 34), (120, 24, 28), (30, 60, 120), (150, 150, 148)])

    def paint(canvas, camera, ahead, _t):
        if ahead < 2.2:
            return
        canvas.depth(ahead)
        s = camera.focal_px / ahead
        foot = camera.project([[x_m, 0, ahead]])[0]

        def at(x, y):
            return np.array([foot[0] + x * s, foot[1] - y * s])

        for x in (-0.5, 0.5):
            canvas.ellipse(at(x, 0.34), (0.3 * s, 0.33 * s), (24, 24, 26), BICYCLIST, width_px=0.07 * s)
        frame = [(-0.5, 0.34), (-0.16, 0.78), (0.36, 0.8), (0.0, 0.34), (-0.5, 0.34)]
        for a, b in zip(frame, frame[1:]):
            canvas.line(at(*a), at(*b), 0.06 * s, colour, BICYCLIST)
        for a, b in (((-0.16, 0.78), (0.0, 0.34)), ((0.36, 0.8), (0.5, 0.34)), ((-0.2, 0.92), (-0.16, 0.78)), ((0.36, 0.8), (0.34, 1.0))):
            canvas.line(at(*a), at(*b), 0.06 * s, colour, BICYCLIST)
        canvas.line(at(-0.3, 0.93), at(-0.08, 0.93), 0.07 * s, (20, 20, 20), BICYCLIST)
        canvas.line(at(0.24, 1.0), at(0.44, 1.02), 0.05 * s, (20, 20, 20), BICYCLIST)

    return paint


# --- the street -----------------------------------------------------------------------------------------------------


class StreetScene:
    """A drive down one street.

    Args:
        seed: chooses street, traffic, light and weather; the same seed gives the same drive.
        size: (height, width) of the pictures in pixels, at least 32 x 32.

    Raises:
        ValueError: a size below 32 x 32.
    """

    def __init__(self, seed: int, size: tuple[int, int] = (360, 480)):
        if min(size) < 32:
            raise ValueError(f"scene size {size[0]}x{size[1]} (height x width) is too small: expected at least 32x32")
        self.seed, self.size = int(seed), (int(size[0]), int(size[1]))
        rng = np.random.default_rng([20, self.seed])
        self._plan = _make_plan(rng)
        self._style(rng)
        self._ground = _make_ground(rng, self._plan)
        self._things = _furnish(rng, self._plan, self._lit)
        self._sky = self._make_sky(rng)
        self._skyline = self._make_skyline(rng)
        height, width = self.size
        self._grain = np.clip(rng.normal(128, self._grain_sigma, (height + 64, width + 64, 3)), 0, 255).astype(np.uint8)

    def frame(self, t_s: float) -> tuple[np.ndarray, np.ndarray]:
        """The picture at time t_s: RGB uint8 (H, W, 3) and class ids uint8 (H, W), CamVid order."""
        camera = self._camera(t_s)
        canvas = _Canvas(self.size, self._haze_rgb, self._haze_m)
        self._paint_sky(canvas, camera)
        self._paint_ground(canvas, camera)
        self._paint_things(canvas, camera, t_s)
        return self._develop(canvas.rgb, t_s), canvas.labels

    # -- look of the day

    def _style(self, rng) -> None:
        self._bend = float(rng.uniform(-1, 1) / 900)
        self._bend_phase = float(rng.uniform(0, 6))
        day = rng.random()
        overcast = day < 0.45
        self._gain = float(rng.uniform(0.42, 0.62)) if day > 0.86 else float(rng.uniform(0.7, 1.12))
        self._sky_gain = 0.8 if day > 0.86 else 1.0
        zenith = _pick(rng, [(196, 206, 216), (214, 220, 226)]) if overcast else _pick(rng, [(104, 158, 222), (140, 186, 232), (176, 208, 240)])
        self._zenith, self._horizon = zenith, _pick(rng, [(236, 240, 242), (226, 232, 238), (246, 244, 236)])
        self._cloud = float(rng.uniform(0.1, 0.5)) if overcast else float(rng.uniform(0.0, 0.9))
        self._haze_rgb = _scale(self._horizon, 0.86)
        self._haze_m = float(rng.uniform(170, 600))
        sun = self._plan.sun_side
        contrast = 0.04 if overcast else float(rng.uniform(0.15, 0.4))
        self._lit = {-1: 0.85 - contrast * sun, 1: 0.85 + contrast * sun}
        self._tint = 1 + rng.normal(0, 0.035, 3)
        self._gamma = float(rng.uniform(0.9, 1.3))
        self._blur = float(rng.uniform(0.35, 0.75))
        self._grain_sigma = float(rng.uniform(2.5, 6))
        self._focal = float(rng.uniform(1.15, 1.4))
        self._horizon_at = float(rng.uniform(0.47, 0.55))

    def _camera(self, t_s: float) -> _Camera:
        height, width = self.size
        along = self._plan.speed_mps * t_s
        bend = self._bend * math.sin(2 * math.pi * along / LOOP_M + self._bend_phase)
        sway = height / 360 * (1.2 * math.sin(2.1 * t_s) + 0.7 * math.sin(5.3 * t_s + 1))
        yaw = bend * 12 * height
        return _Camera(self._focal * height, (width / 2 - yaw, height * self._horizon_at + sway), along, bend, 0.15 * math.sin(0.4 * t_s))

    # -- sky

    def _make_sky(self, rng) -> np.ndarray:
        height, width = self.size
        h, w = max(8, int(height * 0.62)), width + width // 2
        small = _noise(rng, 128, 256, 48, 6)
        cloud = cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)
        cover = np.clip((cloud + self._cloud - 0.35) * 2.2, 0, 1)[..., None]
        down = np.linspace(0, 1, h, dtype=np.float32)[:, None, None] ** 0.8
        blue = np.array(self._zenith, np.float32) * (1 - down) + np.array(self._horizon, np.float32) * down
        white = 246 - 46 * np.clip(cv2.resize(_noise(rng, 128, 256, 32, 4), (w, h))[..., None], 0, 1)
        return np.clip((blue * (1 - cover) + white * cover) * self._sky_gain / max(0.75, self._gain), 0, 255).astype(np.uint8)

    def _make_skyline(self, rng) -> tuple[np.ndarray, np.ndarray]:
        """Far roofs and trees above the horizon, as heights (fractions of the picture) and classes per column."""
        n = 160
        heights = 0.015 + 0.03 * np.abs(_noise(rng, 4, n, 24, 4)[0])
        blocks = np.repeat(rng.uniform(0.015, 0.06, n // 8), 8)
        is_house = np.repeat(rng.random(n // 8) < 0.55, 8)
        return np.where(is_house, blocks, heights * 1.3), np.where(is_house, BUILDING, TREE)

    def _paint_sky(self, canvas, camera) -> None:
        sky = self._sky
        start = int(np.clip(self.size[1] / 4 - (camera.centre_px[0] - self.size[1] / 2), 0, sky.shape[1] - self.size[1]))
        rows = min(sky.shape[0], self.size[0])
        canvas.rgb[:rows] = sky[:rows, start : start + self.size[1]]
        canvas.labels[:rows] = SKY
        heights, classes = self._skyline
        canvas.depth(VIEW_M)
        step = self.size[1] * 1.6 / len(heights)
        left = camera.centre_px[0] - 0.8 * self.size[1] + camera.bend_per_m * VIEW_M * camera.focal_px
        base = camera.centre_px[1] + 4
        for i, (tall, label) in enumerate(zip(heights, classes)):
            x = left + i * step
            if x > self.size[1] or x + step < 0:
                continue
            shade = 70 + (i * 37) % 30 if label == BUILDING else 62 + (i * 13) % 14
            colour = (shade, shade, shade) if label == BUILDING else (shade - 6, shade + 4, shade - 18)
            top = base - tall * self.size[0]
            box = np.array([[x, top], [x + step + 1, top], [x + step + 1, base], [x, base]])
            canvas.polygon(box, colour, int(label))

    # -- ground

    def _paint_ground(self, canvas, camera) -> None:
        height, width = self.size
        first = int(math.floor(camera.centre_px[1])) + 2
        rows = np.arange(max(0, first), height)
        z = camera.focal_px * CAMERA_HEIGHT_M / (rows + 0.5 - camera.centre_px[1])
        columns = np.arange(width) + 0.5 - camera.centre_px[0]
        across_m = columns[None, :] * (z / camera.focal_px)[:, None] + camera.aside_m - (camera.bend_per_m * z * z)[:, None]
        along_m = (camera.along_m + z) % GROUND_TILE_M
        ground = self._ground
        for level, (low, high) in enumerate(((0, 9), (9, 22), (22, 55), (55, 1e9))):
            band = np.flatnonzero((z >= low) & (z < high))
            if not len(band):
                continue
            texture = ground.mips[level]
            fx, fz = texture.shape[1] / (2 * GROUND_HALF_WIDTH_M), texture.shape[0] / GROUND_TILE_M
            map_x = np.clip((across_m[band] + GROUND_HALF_WIDTH_M) * fx - 0.5, 0, texture.shape[1] - 1).astype(np.float32)
            map_y = np.repeat((along_m[band] * fz)[:, None], width, axis=1).astype(np.float32)
            y0, y1 = rows[band[0]], rows[band[-1]] + 1
            flat = cv2.remap(texture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            clear = np.exp(-np.maximum(0, z[band] - 6) / self._haze_m)[:, None, None].astype(np.float32)
            canvas.rgb[y0:y1] = flat * clear + np.array(self._haze_rgb, np.float32) * (1 - clear)
            full = ground.labels
            column = np.clip((across_m[band] + GROUND_HALF_WIDTH_M) * full.shape[1] / (2 * GROUND_HALF_WIDTH_M), 0, full.shape[1] - 1)
            canvas.labels[y0:y1] = full[0][column.astype(np.int32)]

    # -- everything that stands or moves

    def _paint_things(self, canvas, camera, t_s: float) -> None:
        placed = []
        for thing in self._things:
            ahead = thing.ahead_m(camera, t_s)
            if ahead < VIEW_M and ahead + thing.length_m > NEAR_M:
                placed.append((ahead + thing.length_m + thing.order_m, ahead, thing))
        placed.sort(key=lambda entry: -entry[0])
        for _, ahead, thing in placed:
            thing.paint(canvas, camera, ahead, t_s)

    # -- the camera's own marks

    def _develop(self, rgb: np.ndarray, t_s: float) -> np.ndarray:
        levels = np.arange(256) / 255.0
        lut = np.stack([255 * np.clip(self._gain * tint * levels**self._gamma, 0, 1) for tint in self._tint], axis=1)
        rgb = cv2.LUT(rgb, np.round(lut).astype(np.uint8)[None])
        rgb = cv2.GaussianBlur(rgb, (0, 0), self._blur * self.size[0] / 360)
        pick = np.random.default_rng([self.seed, int(round(t_s * 1000)) & 0x7FFFFFFF])
        dy, dx = pick.integers(0, 64, 2)
        grain = self._grain[dy : dy + self.size[0], dx : dx + self.size[1]]
        return cv2.addWeighted(rgb, 1.0, grain, 1.0, -128.0)


def _make_plan(rng: np.random.Generator) -> _Plan:
    grey = float(rng.uniform(66, 104))
    lane = float(rng.uniform(3.2, 3.8))
    parking_left, parking_right = (2.1 if rng.random() < 0.45 else 0.0), (2.1 if rng.random() < 0.45 else 0.0)
    slab = rng.uniform(88, 138)
    warm = rng.uniform(-6, 10)
    return _Plan(
        left_m=-lane / 2 - 0.3 - parking_left,
        right_m=lane * 1.5 + 0.3 + parking_right,
        lane_x_m=(0.0, lane),
        walk_m=float(rng.uniform(1.9, 4.0)),
        green=(bool(rng.random() < 0.3), bool(rng.random() < 0.3)),
        asphalt=(grey, grey + 1, grey + 4),
        slab=(slab + warm, slab, slab - warm),
        yellow_lines=bool(rng.random() < 0.6),
        zebra_m=float(rng.uniform(10, 80)) if rng.random() < 0.5 else None,
        sun_side=int(_pick(rng, [-1, 1])),
        speed_mps=float(rng.uniform(6.5, 9.5)),
        parked=(0.6 if parking_left else 0.0, 0.6 if parking_right else 0.0),
    )


def _furnish(rng: np.random.Generator, plan: _Plan, lit: dict) -> list[_Thing]:
    """Lots along both sides, street furniture, people, traffic."""
    facades = [_facade(rng, int(rng.integers(2, 5)), shop=rng.random() < 0.65) for _ in range(9)]
    fences = {kind: _fence_texture(rng, kind) for kind in ("boards", "railing", "guard")}
    wall = _wall_texture(rng, _pick(rng, _BRICKS), 8.0, 1.4)
    kinds = ["round", "round", "bare", "bare", "conifer", "bush", "bush"]
    plants = {kind: [] for kind in kinds}
    for kind in kinds:
        plants[kind].append(_leafy(rng, kind))
    things: list[_Thing] = []
    green_share = float(rng.uniform(0.15, 0.65))
    for side, edge in ((-1, plan.left_m), (1, plan.right_m)):
        line = edge + side * plan.walk_m
        shade = lit[side]
        things += _lots(rng, side, line, shade, green_share, facades, fences, wall, plants)
        things += _furniture(rng, plan, side, edge, line, shade, plants, fences)
        things += _people(rng, plan, side, edge)
        things += _parked_cars(rng, plan, side, edge, shade)
    things += _traffic(rng, plan)
    return things


def _lots(rng, side, line, shade, green_share, facades, fences, wall, plants) -> list[_Thing]:
    things, z = [], 0.0
    while z < LOOP_M - 14:
        if rng.random() > green_share:
            facade = _pick(rng, facades)
            back = 0.0 if rng.random() < 0.75 else float(rng.uniform(2, 6))
            things.append(_Thing(z, _building(rng, facade, side, line + side * back, shade), length_m=facade.width_m))
            if back > 1.8:
                front = wall if rng.random() < 0.4 else _pick(rng, [fences["railing"], fences["boards"]])
                label = BUILDING if front is wall else FENCE
                things.append(_Thing(z, _panel(front, line, label, shade), length_m=front.width_m, order_m=-0.1))
            z += facade.width_m + (0.0 if rng.random() < 0.8 else float(rng.uniform(1, 6)))
            continue
        length = 8.0 * int(rng.integers(1, 4))
        front = _pick(rng, [fences["railing"], fences["boards"], fences["boards"], wall, None])
        if front is not None:
            label = BUILDING if front is wall else FENCE
            for i in range(int(length / 8)):
                things.append(_Thing(z + 8 * i, _panel(front, line, label, shade), length_m=8.0, order_m=-8.2))
        if rng.random() < 0.6:  # a house behind the garden
            facade = _pick(rng, facades)
            things.append(_Thing(z, _building(rng, facade, side, line + side * 9, shade * 0.95), length_m=facade.width_m, order_m=6.0))
        for offset in np.arange(0.5, length, 1.3):
            bush = plants["bush"][int(rng.integers(2)) % len(plants["bush"])]
            things.append(_Thing(z + offset, _plant(bush, line + side * rng.uniform(0.6, 2.5), shade, rng.random() < 0.5, rng.uniform(0.8, 1.3)), order_m=0.5))
        for _ in range(int(length / 4)):
            tree = _pick(rng, plants[_pick(rng, ["round", "round", "bare", "bare", "conifer"])])
            x = line + side * rng.uniform(1.5, 9)
            things.append(_Thing(z + rng.uniform(0, length), _plant(tree, x, shade, rng.random() < 0.5, rng.uniform(0.8, 1.4)), order_m=1.0))
        z += length
    return things


def _furniture(rng, plan, side, edge, line, shade, plants, fences) -> list[_Thing]:
    things = []
    kerb = edge + side * 0.45
    for z in np.arange(rng.uniform(0, 20), LOOP_M, rng.uniform(22, 34)):
        things.append(_Thing(float(z), _lamp(rng, kerb if rng.random() < 0.7 else line - side * 0.3, side)))
    for z in np.arange(rng.uniform(4, 20), LOOP_M, rng.uniform(18, 34)):
        paint = _traffic_light(rng, kerb) if rng.random() < 0.25 else _sign(rng, kerb)
        things.append(_Thing(float(z) + rng.uniform(-4, 4), paint))
    for _ in range(int(rng.integers(4, 9))):
        z = rng.uniform(0, LOOP_M)
        things += [_Thing(z + 1.6 * i, _bollard(rng, kerb)) for i in range(int(rng.integers(2, 6)))]
    for z in np.arange(rng.uniform(0, 40), LOOP_M, rng.uniform(28, 80)):
        if rng.random() < 0.5:
            tree = _pick(rng, plants[_pick(rng, ["round", "bare"])])
            things.append(_Thing(float(z), _plant(tree, edge + side * 1.0, shade, False, rng.uniform(0.7, 1.0))))
    for _ in range(int(rng.integers(3, 7))):  # guard railing at the kerb
        z = rng.uniform(0, LOOP_M)
        for i in range(int(rng.integers(1, 4))):
            things.append(_Thing(z + 8 * i, _panel(fences["guard"], edge + side * 0.3, FENCE, shade), length_m=8.0, order_m=-8.0))
    for _ in range(int(rng.integers(8, 16))):
        z = rng.uniform(0, LOOP_M)
        things += [_Thing(z + 0.7 * i, _parked_bicycle(rng, line - side * 0.7)) for i in range(int(rng.integers(1, 4)))]
    return things


def _people(rng, plan, side, edge) -> list[_Thing]:
    things = []
    for _ in range(int(rng.integers(14, 44))):
        walking = rng.random() < 0.75
        speed = float(_pick(rng, [-1, 1]) * rng.uniform(0.9, 1.6)) if walking else 0.0
        x = edge + side * rng.uniform(0.5, max(0.8, plan.walk_m - 0.4))
        z = float(rng.uniform(0, LOOP_M))
        things.append(_Thing(z, _pedestrian(rng, x, walking), speed_mps=speed))
        if rng.random() < 0.4:
            things.append(_Thing(z + 0.4, _pedestrian(rng, x + side * 0.55, walking), speed_mps=speed))
    return things


def _parked_cars(rng, plan, side, edge, shade) -> list[_Thing]:
    share, things, z = plan.parked[(side + 1) // 2], [], 0.0
    while share and z < LOOP_M - 12:
        if rng.random() < share:
            kind = _pick(rng, ["hatch", "hatch", "saloon", "hatch", "van"])
            length = _PROFILES[kind][2]
            facing = -side if rng.random() < 0.85 else side
            things.append(_Thing(z, _vehicle(rng, kind, edge - side * 1.1, facing, shade), length_m=length))
            z += length + rng.uniform(0.7, 1.6)
        else:
            z += rng.uniform(4, 22)
    return things


def _traffic(rng, plan) -> list[_Thing]:
    things = []
    own, other = plan.lane_x_m
    gap = rng.uniform(11, 26)
    kind = _pick(rng, ["hatch", "saloon", "hatch", "van"])
    if rng.random() < 0.7:  # keeps its distance
        things.append(_Thing(gap, _vehicle(rng, kind, own + 0.1, 1, 1.0), plan.speed_mps, _PROFILES[kind][2]))
    z = gap + 14
    while z < LOOP_M - 120:
        z += rng.uniform(14, 60)
        kind = _pick(rng, ["hatch", "saloon", "hatch", "van", "bus"])
        things.append(_Thing(z, _vehicle(rng, kind, own, 1, 1.0), plan.speed_mps, _PROFILES[kind][2]))
    z, speed = 20.0, -float(rng.uniform(6, 10))
    while z < LOOP_M - 20:
        kind = _pick(rng, ["hatch", "saloon", "hatch", "saloon", "van", "bus"])
        things.append(_Thing(z, _vehicle(rng, kind, other, -1, 1.0), speed, _PROFILES[kind][2]))
        z += rng.uniform(14, 70)
    for x, way in ((plan.left_m + 0.7 + (2.1 if plan.parked[0] else 0), 1), (plan.right_m - 0.7 - (2.1 if plan.parked[1] else 0), -1)):
        for _ in range(int(rng.integers(4, 9))):
            pace = plan.speed_mps if rng.random() < 0.5 else float(rng.uniform(3.5, 6))
            things.append(_Thing(float(rng.uniform(0, LOOP_M)), _cyclist(rng, x), speed_mps=way * pace))
    return things
