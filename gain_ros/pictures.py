"""Picture files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from gain_ros.errors import ImageError


def read_ids(file: Path) -> np.ndarray:
    """A PNG of class ids, uint8 (H, W). Raises ImageError."""
    try:
        data = np.frombuffer(file.read_bytes(), np.uint8)
    except OSError as error:
        raise ImageError(f"{file.name} cannot be read: {error.strerror}") from error
    ids = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if ids is None or ids.ndim != 2 or ids.dtype != np.uint8:
        found = "no picture" if ids is None else f"{ids.dtype} {ids.shape}"
        raise ImageError(f"{file.name} is {found}; expected an 8-bit PNG of class ids with one channel")
    return ids
