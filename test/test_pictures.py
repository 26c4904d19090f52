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

"""Picture files: what is whole is read as it is, what is not is refused with its name. Damage: test_messages.py."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from gain_ros.errors import ImageError
from gain_ros.pictures import (
    damage,
    decode_ids,
    decode_rgb,
    encode,
    read_as_stored,
    read_ids,
    read_rgb,
)

RGB = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
IDS = RGB[..., 0].copy()


def test_what_is_encoded_comes_back() -> None:
    np.testing.assert_array_equal(decode_rgb(encode(RGB)), RGB)
    np.testing.assert_array_equal(decode_rgb(encode(RGB[..., ::-1])), RGB[..., ::-1])  # a view of BGR
    np.testing.assert_array_equal(decode_ids(encode(IDS)), IDS)
    assert encode(RGB, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 50).startswith(b"\xff\xd8")


@pytest.mark.parametrize("suffix", [".bmp", ".ppm", ".webp", ".tiff"])
def test_other_formats_are_refused_under_every_name(tmp_path: Path, suffix: str) -> None:
    for name in (f"a{suffix}", "b.png"):
        (tmp_path / name).write_bytes(encode(RGB, suffix))
        with pytest.raises(ImageError, match=rf"{name}: no picture.*expected JPEG or PNG"):
            read_rgb(tmp_path / name)


@pytest.mark.parametrize(("size", "said"), [((1, 16_385), "sides of at most 16384"), ((16_385, 16_384), "at most 268")])
def test_a_picture_is_bounded_before_it_is_decoded(
    size: tuple[int, int], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray(encode(IDS))
    data[16:24] = struct.pack(">II", *size)
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(ImageError, match=said):
        decode_ids(bytes(data))


def test_a_file_is_bounded_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ImageError, match=r"a\.png: cannot be read: has 1099511627776 bytes"):
        read_rgb(tmp_path / "a.png")


def test_a_file_keeps_its_depth_and_channels(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    for stored in (IDS.astype(np.uint16) * 200, RGB, IDS):
        cv2.imwrite(str(file), stored)
        np.testing.assert_array_equal(read_as_stored(file), stored)


@pytest.mark.parametrize("pixels", [RGB, IDS.astype(np.uint16)])
def test_ids_have_one_channel_of_8_bits(tmp_path: Path, pixels: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    with pytest.raises(ImageError, match=r"a\.png: pixels are uint.*8-bit PNG of class ids"):
        read_ids(tmp_path / "a.png")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"a\.png: cannot be read: No such file"):
        read_ids(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_damage_is_seen_from_outside(tmp_path: Path, suffix: str) -> None:
    file, data = tmp_path / f"a{suffix}", encode(RGB, suffix)
    found = [damage(file)]
    for content in (data, data[:-20], b"junk", b""):
        file.write_bytes(content)
        found.append(damage(file))
    assert found == ["No such file or directory", None, "is cut short", "is no PNG or JPEG file", "is empty"]
