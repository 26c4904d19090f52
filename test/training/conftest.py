"""Small data sets in the published layouts, drawn by us."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawings import drawn
from small_runs import small_module, train

from gain_ros.datasets import camvid, cityscapes
from gain_ros.labels import CAMVID, CAMVID_VOID, CITYSCAPES_IDS, UNLABELLED
from training.data import CamVid
from training.data.augment import Augmentation
from training.module import OptimizerOptions

COUNTS = {"train": 6, "val": 2, "test": 3}
COLORS = {ours: color for _, color, ours in camvid.CAMVID_COLORS if ours is None or _ in camvid.NAMESAKES}


def void_mask(labels):
    return np.where(labels == UNLABELLED, CAMVID_VOID, labels).astype(np.uint8)


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
    return write_camvid(tmp_path)


def write_camvid(root):
    for split, count in COUNTS.items():
        (root / split).mkdir()
        (root / f"{split}annot").mkdir()
        for i in range(count):
            pair = drawn(i)
            write_rgb(root / split / f"{i}.png", pair.image)
            cv2.imwrite(str(root / f"{split}annot" / f"{i}.png"), void_mask(pair.labels))
        listing = "".join(f"{split}/{i}.png {split}annot/{i}.png\n" for i in range(count))
        (root / f"{split}.txt").write_text(listing)
    return root


@pytest.fixture(scope="session")
def camvid_checkpoints(tmp_path_factory):
    """{"train": ..., "trainval": ...}: checkpoints of two epochs on a CamVid like that of ``camvid_root``."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(camvid, "COUNTS", COUNTS)
        root = write_camvid(folder)
        for split in ("train", "trainval"):
            how = {"batch_size": 2, "workers": 0, "augmentation": Augmentation(crop=(48, 64))}
            module = small_module(optimizer=OptimizerOptions(lr=0.02, warmup_steps=1))
            train(folder / "runs" / split, module, CamVid(root, train_split=split, **how))
    return {split: folder / "runs" / split / "end.ckpt" for split in ("train", "trainval")}


@pytest.fixture
def cambridge_root(tmp_path, monkeypatch):
    """Cambridge's layout: the 701 frames' folder and colour masks."""
    stems = ["0001TP_008520", "0001TP_008550", "0006R0_f00930", "0016E5_07959", "0016E5_08190", "Seq05VD_f00000"]
    monkeypatch.setattr(camvid, "COUNTS", {"train": 3, "val": 1, "test": 2})
    for folder in (camvid.IMAGE_FOLDER, camvid.LABEL_FOLDER):
        (tmp_path / folder).mkdir()
    for i, stem in enumerate(stems):
        pair = drawn(i)
        write_rgb(tmp_path / camvid.IMAGE_FOLDER / f"{stem}.png", pair.image)
        write_rgb(tmp_path / camvid.LABEL_FOLDER / f"{stem}_L.png", color_mask(pair.labels))
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
