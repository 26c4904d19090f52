"""What the demo shows: picture rows, a clip with class colours, and the score where there is truth."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gain_ros.evaluation.demo.run import DemoRun
from gain_ros.labels import LabelSet
from gain_ros.runtime import drawing
from gain_ros.score import confusion_matrix
from gain_ros.sources.source import BadFrame, Source

_ROWS = 4
_MOST_CLIP_FRAMES = 150  # the encoder takes all of them at once
_CLIP_WIDTH_PX, _ROW_WIDTH_PX = 640, 640
_CLIP_QUALITY, _ROW_QUALITY = 60, 82
_ALPHA = 0.45


@dataclass(frozen=True)
class Pictures:
    """``rows`` are (frame, mask, overlay) as data URIs; ``confusion`` is int64 (classes, classes) or None."""

    clip: Path | None
    rows: list[tuple[str, str, str]]
    confusion: np.ndarray | None
    present: list[int]


def draw(run: DemoRun, source: Source, labels: LabelSet, out: Path) -> Pictures:
    """Read the source again beside the masks received; write the clip to ``out``.

    Args:
        run: what was sent and received.
        source: the source that was played; its truth counts where its classes are the model's.
        labels: the model's classes.
        out: folder for the clip.
    """
    shown = [index for index in sorted(run.sent) if run.sent[index] in run.masks]
    picked = {shown[round(i)] for i in np.linspace(0, len(shown) - 1, _ROWS)} if shown else set()
    stride = max(1, -(-len(shown) // _MOST_CLIP_FRAMES))
    in_clip = set(shown[::stride])
    scored = source.label_set is not None and source.label_set.names == labels.names
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    pixels = np.zeros(256, np.int64)
    rows, clip = [], []
    for index, rgb, truth in _frames_sent(run, source):
        mask = run.masks[run.sent[index]].labels()
        pixels += np.bincount(mask.ravel(), minlength=256)
        if scored and truth is not None:
            confusion += confusion_matrix(truth, mask, len(labels))
        if index in in_clip:
            clip.append(_narrow(drawing.overlay(rgb, mask, labels, _ALPHA), _CLIP_WIDTH_PX))
        if index in picked:
            rows.append(_row(rgb, mask, labels))
    rate_hz = source.rate_hz / stride
    path = _write_clip(clip, rate_hz, out) if clip else None
    present = [label for label in range(len(labels)) if pixels[label]]
    return Pictures(path, rows, confusion if confusion.any() else None, present)


def _frames_sent(run: DemoRun, source: Source) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
    """Frames whose mask has arrived: index, RGB, truth."""
    if source.live:
        frames = ((index, run.live_frames[index], None) for index in sorted(run.live_frames))
    else:
        frames = _readable(source)
    for index, rgb, truth in frames:
        if index > max(run.sent, default=-1):
            return
        if run.sent.get(index) in run.masks:
            yield index, rgb, truth


def _readable(source: Source) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
    """Frames by the number under which the player sent them; those that cannot be read are the source's problems."""
    for index, frame in enumerate(source.frames()):
        if isinstance(frame, BadFrame):
            source.problems.append(frame.error)
        else:
            yield index, frame.rgb, frame.labels


def _narrow(image: np.ndarray, width_px: int, ids: bool = False) -> np.ndarray:
    height, width = image.shape[:2]
    if width <= width_px:
        return image
    size = (width_px, max(1, round(height * width_px / width)))
    return cv2.resize(image, size, interpolation=cv2.INTER_NEAREST if ids else cv2.INTER_AREA)


def _row(rgb: np.ndarray, mask: np.ndarray, labels: LabelSet) -> tuple[str, str, str]:
    frame = _narrow(rgb, _ROW_WIDTH_PX)
    colours = _narrow(drawing.colorize(mask, labels), _ROW_WIDTH_PX, ids=True)
    both = _narrow(drawing.overlay(rgb, mask, labels, _ALPHA), _ROW_WIDTH_PX)
    return _uri(frame, ".jpg"), _uri(colours, ".png"), _uri(both, ".jpg")


def _uri(rgb: np.ndarray, suffix: str) -> str:
    _, data = cv2.imencode(suffix, rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _ROW_QUALITY] if suffix == ".jpg" else [])
    kind = "jpeg" if suffix == ".jpg" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _write_clip(frames: list[np.ndarray], rate_hz: float, out: Path) -> Path:
    """An animated WebP: every browser plays it, and unlike VP9 it is encoded within seconds. Older OpenCV: VP8."""
    bgr = [np.ascontiguousarray(frame[..., ::-1]) for frame in frames]
    if hasattr(cv2, "imwriteanimation"):
        path = out / "overlay.webp"
        animation = cv2.Animation()
        animation.frames, animation.durations = bgr, [round(1000 / rate_hz)] * len(bgr)
        cv2.imwriteanimation(str(path), animation, [cv2.IMWRITE_WEBP_QUALITY, _CLIP_QUALITY])
        return path
    path = out / "overlay.webm"
    height, width = bgr[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"VP80"), rate_hz, (width, height))
    for frame in bgr:
        writer.write(frame)
    writer.release()
    return path
