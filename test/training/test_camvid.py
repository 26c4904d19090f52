"""The reader takes SegNet's layout and refuses everything else, naming the file."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from training.data.camvid import DatasetError, load_split


def test_reads_rgb_and_turns_void_into_255(camvid_root):
    pairs = load_split(camvid_root, "train")
    stored = cv2.imread(str(camvid_root / "train/0.png"))
    assert len(pairs) == 6
    assert np.array_equal(pairs[0].image, stored[..., ::-1])
    assert set(np.unique(pairs[0].labels[:2])) == {255}
    assert pairs[0].labels[2:].max() <= 10


def write_mask(root, mask):
    cv2.imwrite(str(root / "trainannot/3.png"), mask)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "train.txt").unlink(), "train.txt is not there"),
        (lambda root: (root / "train/3.png").unlink(), r"1 files of train.txt are missing.*3\.png"),
        (lambda root: (root / "train.txt").write_text("train/0.png trainannot/0.png\n"), "lists 1 pairs"),
        (lambda root: (root / "train.txt").write_text("train/0.png\n"), "not 'image mask'"),
        (lambda root: (root / "train/3.png").write_bytes(b"no picture"), r"3\.png does not decode"),
        (lambda root: write_mask(root, np.full((72, 96), 12, np.uint8)), "holds id 12"),
        (lambda root: write_mask(root, np.zeros((72, 95), np.uint8)), "95x72, its image 96x72"),
        (lambda root: write_mask(root, np.zeros((72, 96, 3), np.uint8)), "colour mask"),
    ],
)
def test_damage_is_named(camvid_root, damage, message):
    damage(camvid_root)
    with pytest.raises(DatasetError, match=message):
        load_split(camvid_root, "train")
