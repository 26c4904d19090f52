"""A small CamVid in SegNet's layout, drawn by us."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawings import drawn

from gain_ros.labels import UNLABELLED
from training.data import camvid

COUNTS = {"train": 6, "val": 2}


@pytest.fixture
def camvid_root(tmp_path, monkeypatch):
    monkeypatch.setattr(camvid, "COUNTS", COUNTS)
    for split, count in COUNTS.items():
        (tmp_path / split).mkdir()
        (tmp_path / f"{split}annot").mkdir()
        for i in range(count):
            pair = drawn(i)
            mask = np.where(pair.labels == UNLABELLED, camvid.VOID, pair.labels).astype(np.uint8)
            cv2.imwrite(str(tmp_path / split / f"{i}.png"), pair.image[..., ::-1])
            cv2.imwrite(str(tmp_path / f"{split}annot" / f"{i}.png"), mask)
        listing = "".join(f"{split}/{i}.png {split}annot/{i}.png\n" for i in range(count))
        (tmp_path / f"{split}.txt").write_text(listing)
    return tmp_path
