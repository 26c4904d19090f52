"""Small data sets in the published layouts, drawn by us."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawings import drawn

from gain_ros.labels import CAMVID, CITYSCAPES_IDS, UNLABELLED
from training.data import camvid, cityscapes

COUNTS = {"train": 6, "val": 2, "test": 3}
COLORS = {ours: color for _, color, ours in camvid.CAMVID_COLORS if ours is None or _ in camvid.NAMESAKES}


def void_mask(labels):
    return np.where(labels == UNLABELLED, camvid.VOID, labels).astype(np.uint8)


def color_mask(labels):
    """Class ids → Cambridge's colours, RGB."""
    table = np.array([COLORS[name] for name in CAMVID.names] + [COLORS[None]], np.uint8)
    return table[np.minimum(labels, len(CAMVID))]


def write_rgb(path, rgb):
    assert cv2.imwrite(str(path), rgb[..., ::-1])


@pytest.fixture
def camvid_root(tmp_path, monkeypatch):
    """SegNet's layout: lists and index masks."""
    monkeypatch.setattr(camvid, "COUNTS", COUNTS)
    for split, count in COUNTS.items():
        (tmp_path / split).mkdir()
        (tmp_path / f"{split}annot").mkdir()
        for i in range(count):
            pair = drawn(i)
            write_rgb(tmp_path / split / f"{i}.png", pair.image)
            cv2.imwrite(str(tmp_path / f"{split}annot" / f"{i}.png"), void_mask(pair.labels))
        listing = "".join(f"{split}/{i}.png {split}annot/{i}.png\n" for i in range(count))
        (tmp_path / f"{split}.txt").write_text(listing)
    return tmp_path


@pytest.fixture
def cambridge_root(tmp_path, monkeypatch):
    """Cambridge's layout: the 701 frames' folder and colour masks."""
    stems = ["0001TP_008520", "0001TP_008550", "0006R0_f00930", "0016E5_07959", "0016E5_08190", "Seq05VD_f00000"]
    monkeypatch.setattr(camvid, "COUNTS", {"train": 3, "val": 1, "test": 2})
    for folder in (camvid.IMAGES, camvid.LABELS):
        (tmp_path / folder).mkdir()
    for i, stem in enumerate(stems):
        pair = drawn(i)
        write_rgb(tmp_path / camvid.IMAGES / f"{stem}.png", pair.image)
        write_rgb(tmp_path / camvid.LABELS / f"{stem}_L.png", color_mask(pair.labels))
    return tmp_path


@pytest.fixture
def cityscapes_root(tmp_path, monkeypatch):
    """Two cities a split; the masks hold official ids."""
    monkeypatch.setattr(cityscapes, "COUNTS", COUNTS)
    ids = np.array([*CITYSCAPES_IDS, *[0] * 236, 4], np.uint8)
    for split, count in COUNTS.items():
        for i in range(count):
            city, pair = ("aachen", "bochum")[i % 2], drawn(i)
            for folder in ("leftImg8bit", "gtFine"):
                (tmp_path / folder / split / city).mkdir(parents=True, exist_ok=True)
            stem = f"{city}_{i:06}_000019"
            write_rgb(tmp_path / f"leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png", pair.image)
            cv2.imwrite(str(tmp_path / f"gtFine/{split}/{city}/{stem}_gtFine_labelIds.png"), ids[pair.labels])
    return tmp_path
