from __future__ import annotations

import numpy as np
import pytest

from gain_ros.replay.live.collector import MaskFile


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (360, 480)])
def test_masks_come_back_as_they_were(shape, tmp_path):
    rng = np.random.default_rng(0)
    masks = [rng.integers(0, 3, shape, np.uint8), np.full(shape, 255, np.uint8), rng.integers(0, 256, shape, np.uint8)]
    file = MaskFile(tmp_path / "masks")
    kept = [file.add(index, 10 * index, mask) for index, mask in enumerate(masks)]
    for index in (2, 0, 1):
        np.testing.assert_array_equal(kept[index].labels(), masks[index])
        assert (kept[index].stamp_ns, kept[index].received_ns) == (index, 10 * index)


def test_padded_rows_are_cut_before_they_are_kept(tmp_path):
    padded = np.arange(12, dtype=np.uint8).reshape(2, 6)[:, :4]
    np.testing.assert_array_equal(MaskFile(tmp_path / "masks").add(0, 0, padded).labels(), padded)


def test_a_mask_of_few_regions_takes_little_room(tmp_path):
    labels = np.zeros((1080, 1920), np.uint8)
    labels[500:, 900:] = 4
    MaskFile(tmp_path / "masks").add(0, 0, labels)
    assert (tmp_path / "masks").stat().st_size < 10_000
