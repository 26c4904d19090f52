"""A small CamVid in SegNet's layout, drawn by us."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gain_ros.labels import UNLABELLED
from gain_ros.scenes import StreetScene
from training.data import camvid

COUNTS = {"train": 6, "val": 2}


@pytest.fixture
def camvid_root(tmp_path, monkeypatch):
    monkeypatch.setattr(camvid, "COUNTS", COUNTS)
    for split, count in COUNTS.items():
        (tmp_path / split).mkdir()
        (tmp_path / f"{split}annot").mkdir()
        lines = []
        for i in range(count):
            image, labels = StreetScene(i, (72, 96)).frame(0.0)
            labels[:2] = UNLABELLED
            mask = np.where(labels == UNLABELLED, camvid.VOID, labels).astype(np.uint8)
            cv2.imwrite(str(tmp_path / split / f"{i}.png"), image[..., ::-1])
            cv2.imwrite(str(tmp_path / f"{split}annot" / f"{i}.png"), mask)
            lines.append(f"{split}/{i}.png {split}annot/{i}.png")
        (tmp_path / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path
