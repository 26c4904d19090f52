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

"""Every encoding there and back, padding, byte order, and messages that are not images."""

import struct
import sys
import types
from array import array
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gain_ros.errors import ImageError
from gain_ros.frames import YuvFrame
from gain_ros.messages import (
    ENCODINGS,
    decode_compressed,
    decode_image,
    decode_labels,
    fill_compressed_ids,
    fill_image,
    read_image,
)
from gain_ros.pictures import MAX_SIDE, decode_ids

MAX_PIXELS = 10_000


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def smooth_picture(height, width):
    """Slow gradients: Bayer patterns and halved chroma keep these."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([60 + 2 * x, 200 - 2 * y, 80 + x + y], axis=-1).astype(np.uint8)


def message(samples, encoding, height, width, padding=0, big_endian=False):
    """An Image-like message from the samples of each row (rows × anything)."""
    rows = samples.reshape(samples.shape[0], -1)
    if big_endian:
        rows = rows.astype(rows.dtype.newbyteorder(">"))
    raw = np.ascontiguousarray(rows).view(np.uint8)
    padded = np.full((len(raw), raw.shape[1] + padding), 0xEE, np.uint8)
    padded[:, : raw.shape[1]] = raw
    return SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(big_endian),
        step=padded.shape[1],
        data=array("B", padded.tobytes()),
        header=None,
    )


def sixteen_bit(samples):
    """Samples that become ``samples`` again when scaled and rounded, with two bytes that differ."""
    return np.where(samples < 255, samples * np.uint16(257) + 100, 65535 - 100).astype(np.uint16)


def encode(rgb, encoding):
    """The samples a camera of this encoding would send for ``rgb``."""
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    if encoding in ("rgb8", "rgb16", "bgr8", "bgr16", "8UC3"):
        samples = rgb if encoding.startswith("rgb") else bgr
        return sixteen_bit(samples) if encoding.endswith("16") else samples
    if encoding in ("rgba8", "bgra8", "8UC4"):
        alpha = np.full((*rgb.shape[:2], 1), 7, np.uint8)
        return np.concatenate([rgb if encoding == "rgba8" else bgr, alpha], axis=-1)
    raise AssertionError(encoding)


sizes = st.tuples(st.integers(1, 24), st.integers(1, 24))


@settings(max_examples=40, deadline=None)
@given(
    size=sizes,
    encoding=st.sampled_from(["rgb8", "bgr8", "8UC3", "rgba8", "bgra8", "8UC4", "rgb16", "bgr16"]),
    padding=st.integers(0, 9),
    big_endian=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_colour_round_trip_is_exact(size, encoding, padding, big_endian, seed):
    rgb = picture(*size, seed)
    given_message = message(encode(rgb, encoding), encoding, *size, padding, big_endian and encoding.endswith("16"))
    np.testing.assert_array_equal(decode_image(given_message, MAX_PIXELS), rgb)


@settings(max_examples=40, deadline=None)
@given(
    size=sizes,
    encoding=st.sampled_from(["mono8", "8UC1", "mono16"]),
    padding=st.integers(0, 9),
    big_endian=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_grey_round_trip_is_exact(size, encoding, padding, big_endian, seed):
    grey = picture(*size, seed)[..., 0]
    samples = sixteen_bit(grey) if encoding == "mono16" else grey
    given_message = message(samples, encoding, *size, padding, big_endian and encoding == "mono16")
    np.testing.assert_array_equal(decode_image(given_message, MAX_PIXELS), np.repeat(grey[..., None], 3, axis=-1))


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 12),
    pairs=st.integers(1, 12),
    name=st.sampled_from(["yuv422", "uyvy", "yuv422_yuy2", "yuyv"]),
    padding=st.integers(0, 5),
    seed=st.integers(0, 2**16),
)
def test_packed_yuv_is_what_opencv_says(height, pairs, name, padding, seed):
    samples = picture(height, 2 * pairs, seed)[..., :2].copy()
    code = cv2.COLOR_YUV2RGB_UYVY if name in ("yuv422", "uyvy") else cv2.COLOR_YUV2RGB_YUY2
    decoded = decode_image(message(samples, name, height, 2 * pairs, padding), MAX_PIXELS)
    np.testing.assert_array_equal(decoded, cv2.cvtColor(samples, code))


@pytest.mark.parametrize(
    ("name", "shape", "encoding"),
    [("yuv422_yuy2", (6, 8, 2), "yuyv"), ("yuyv", (6, 8, 2), "yuyv"), ("nv12", (9, 8), "nv12")],
)
def test_yuv_that_engines_read_is_not_copied(name, shape, encoding):
    samples = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    camera_message = message(samples, name, 6, 8, padding=5)
    frame = read_image(camera_message, MAX_PIXELS)
    assert isinstance(frame, YuvFrame)
    assert frame.encoding == encoding
    np.testing.assert_array_equal(frame.data, samples)
    camera_message.data[0] ^= 0xFF
    assert frame.data.flat[0] == samples.flat[0] ^ 0xFF


@pytest.mark.parametrize(
    ("name", "order"), [("yuv422", "UYVY"), ("uyvy", "UYVY"), ("yuv422_yuy2", "YUYV"), ("yuyv", "YUYV")]
)
def test_packed_yuv_gives_the_colours_back(name, order):
    rgb = smooth_picture(16, 24)
    y, u, v = limited_range_yuv(rgb)
    samples = np.empty((16, 12, 4), np.uint8)
    planes = {"Y": iter((y[:, 0::2], y[:, 1::2])), "U": iter((u[:, 0::2],)), "V": iter((v[:, 0::2],))}
    for index, plane in enumerate(order):
        samples[..., index] = next(planes[plane])
    decoded = decode_image(message(samples, name, 16, 24), MAX_PIXELS)
    assert np.abs(decoded.astype(int) - rgb).max() <= 6


@pytest.mark.parametrize(("name", "swapped"), [("nv12", False), ("nv21", True)])
@pytest.mark.parametrize("padding", [0, 4])
def test_semi_planar_yuv_gives_the_colours_back(name, swapped, padding):
    rgb = smooth_picture(16, 24)
    y, u, v = limited_range_yuv(rgb)
    chroma = np.stack([v, u] if swapped else [u, v], axis=-1)[0::2, 0::2].reshape(8, 24)
    decoded = decode_image(message(np.concatenate([y, chroma]), name, 16, 24, padding), MAX_PIXELS)
    assert decoded.shape == (16, 24, 3)
    assert np.abs(decoded.astype(int) - rgb).max() <= 8


def limited_range_yuv(rgb):
    """BT.601, as cameras send it and cv2 reads it: Y in 16..235, U and V around 128."""
    r, g, b = (rgb[..., index].astype(float) for index in range(3))
    y = 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255
    u = 128 + (-37.797 * r - 74.203 * g + 112.0 * b) / 255
    v = 128 + (112.0 * r - 93.786 * g - 18.214 * b) / 255
    return (np.rint(plane).astype(np.uint8) for plane in (y, u, v))


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_gives_the_colours_back(pattern):
    rgb = smooth_picture(20, 26)
    mosaic = np.empty((20, 26), np.uint8)
    for index, colour in enumerate(pattern):
        row, column = divmod(index, 2)
        mosaic[row::2, column::2] = rgb[row::2, column::2, "rgb".index(colour)]
    decoded = decode_image(message(mosaic, f"bayer_{pattern}8", 20, 26, padding=3), MAX_PIXELS)
    inner = np.s_[2:-2, 2:-2]
    assert np.abs(decoded[inner].astype(int) - rgb[inner]).max() <= 3


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_no_copy_for_the_common_encodings(encoding):
    given_message = message(picture(5, 4), encoding, 5, 4, padding=2)
    decoded = decode_image(given_message, MAX_PIXELS)
    given_message.data[0] ^= 0xFF
    channel = 0 if encoding == "rgb8" else 2
    assert decoded[0, 0, channel] == given_message.data[0]


def test_sixteen_bits_are_scaled_and_rounded():
    samples = np.array([[0, 128, 129, 385, 386, 65535]], np.uint16)
    decoded = decode_image(message(samples, "mono16", 1, 6), MAX_PIXELS)
    assert decoded[0, :, 0].tolist() == [0, 0, 1, 1, 2, 255]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"height": 0}, "at least 1x1"),
        ({"width": 0}, "at least 1x1"),
        ({"height": 0, "width": 0, "step": 0, "data": array("B")}, "at least 1x1"),
        ({"height": 200_000, "width": 200_000}, "max_pixels"),
        ({"height": 2**32 - 1, "width": 2**32 - 1}, "max_pixels"),
        ({"step": 11}, "at least 12"),
        ({"step": 0}, "at least 12"),
        ({"data": array("B", bytes(59))}, "expected 60"),
        ({"data": array("B", bytes(61))}, "expected 60"),
        ({"data": array("B")}, "expected 60"),
        ({"encoding": "rgb10"}, "expected one of rgb8"),
        ({"encoding": ""}, "expected one of rgb8"),
        ({"encoding": "rgb16"}, "at least 24"),
        ({"encoding": "nv12"}, "even width and height"),
        ({"encoding": "yuyv", "width": 3}, "even"),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(change, said):
    bad = message(picture(5, 4), "rgb8", 5, 4)
    vars(bad).update(change)
    with pytest.raises(ImageError, match=said):
        decode_image(bad, MAX_PIXELS)


@pytest.mark.parametrize("size", [(1, MAX_SIDE + 1), (MAX_SIDE + 1, 1)])
def test_a_picture_with_a_longer_side_is_refused(monkeypatch, size):
    decode_image(message(picture(4, 6), "rgb8", 4, 6), MAX_PIXELS, max_side=6)
    bad = message(picture(4, 6), "rgb8", 4, 6)
    with pytest.raises(ImageError, match=r"6x4; expected sides of at most 5 pixels \(max_side\)"):
        decode_image(bad, MAX_PIXELS, max_side=5)
    bad.height, bad.width = size
    png = file_of(np.zeros((*size, 3), np.uint8), ".png")
    monkeypatch.setattr(cv2, "imdecode", never_decode)
    for decode, wide in ((read_image, bad), (decode_compressed, compressed(png, "png"))):
        with pytest.raises(ImageError, match=r"16385.*\(max_side\)"):
            decode(wide, 1 << 20)


@pytest.mark.parametrize("with_cv_bridge", [False, True])
def test_strings_of_a_message_are_cut_where_they_are_repeated(monkeypatch, with_cv_bridge):
    def unknown(given_message, encoding):
        raise sys.modules["cv_bridge"].CvBridgeError(f"{given_message.encoding} is no colour format")

    if with_cv_bridge:
        fake_cv_bridge(monkeypatch, unknown)
    long = "x" * 10_000_000
    refused = [
        (read_image, message(picture(5, 4), long, 5, 4)),
        (read_image, message(picture(5, 4), long, 4, 4)),
        (decode_labels, message(picture(5, 4), long, 5, 4)),
        (decode_compressed, compressed(b"GIF89a", long)),
        (decode_compressed, compressed(b"GIF89a", f"compressedDepth{long}")),
    ]
    for decode, bad in refused:
        with pytest.raises(ImageError) as error:
            decode(bad, MAX_PIXELS)
        assert "xxxx" in str(error.value)
        assert len(str(error.value)) < 800


def test_every_listed_encoding_decodes():
    failed = []
    for encoding in ENCODINGS:
        channels = {"8UC4": 4, "rgba8": 4, "bgra8": 4}.get(encoding, 3)
        per_pixel = {"mono8": 1, "8UC1": 1, "mono16": 1}.get(encoding, channels)
        if encoding.startswith("bayer"):
            per_pixel = 1
        elif encoding in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv"):
            per_pixel = 2
        rows, width = (12, 8) if encoding.startswith("nv") else (8, 8 * per_pixel)
        samples = np.full((rows, width), 128, np.uint16 if encoding.endswith("16") else np.uint8)
        if decode_image(message(samples, encoding, 8, 8), MAX_PIXELS).shape != (8, 8, 3):
            failed.append(encoding)
    assert failed == []


def fake_cv_bridge(monkeypatch, convert):
    class CvBridgeError(TypeError):
        pass

    class CvBridge:
        def imgmsg_to_cv2(self, given_message, encoding):
            if convert is None:
                raise CvBridgeError("unknown to me")
            return convert(given_message, encoding)

    module = types.ModuleType("cv_bridge")
    module.CvBridge, module.CvBridgeError = CvBridge, CvBridgeError
    monkeypatch.setitem(sys.modules, "cv_bridge", module)


def test_exotic_encodings_go_through_cv_bridge(monkeypatch):
    rgb = picture(5, 4)
    seen = []
    fake_cv_bridge(monkeypatch, lambda given_message, encoding: seen.append((given_message.encoding, encoding)) or rgb)
    decoded = decode_image(message(rgb, "32FC1", 5, 4), MAX_PIXELS)
    np.testing.assert_array_equal(decoded, rgb)
    assert seen == [("32FC1", "rgb8")]


def test_an_encoding_cv_bridge_does_not_know_either_is_refused(monkeypatch):
    fake_cv_bridge(monkeypatch, None)
    with pytest.raises(ImageError, match="unknown to me"):
        decode_image(message(picture(5, 4), "made_up", 5, 4), MAX_PIXELS)


# Compressed


def compressed(data, name="jpeg"):
    return SimpleNamespace(data=array("B", data), format=name, header=None)


def file_of(rgb, suffix, *options):
    ok, data = cv2.imencode(suffix, rgb[..., ::-1], list(options))
    assert ok
    return data.tobytes()


@settings(max_examples=25, deadline=None)
@given(size=sizes, seed=st.integers(0, 2**16))
def test_png_round_trip_is_exact(size, seed):
    rgb = picture(*size, seed)
    np.testing.assert_array_equal(decode_compressed(compressed(file_of(rgb, ".png"), "png"), MAX_PIXELS), rgb)


@settings(max_examples=15, deadline=None)
@given(size=st.tuples(st.integers(8, 30), st.integers(8, 30)), progressive=st.booleans())
def test_jpeg_round_trip_is_close(size, progressive):
    rgb = smooth_picture(*size)
    data = file_of(rgb, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 98, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive))
    decoded = decode_compressed(compressed(data), MAX_PIXELS)
    assert decoded.shape == rgb.shape
    assert np.abs(decoded.astype(int) - rgb).mean() < 4


def test_grey_jpeg_becomes_rgb():
    ok, data = cv2.imencode(".jpg", np.full((9, 7), 90, np.uint8))
    assert ok
    assert decode_compressed(compressed(data.tobytes()), MAX_PIXELS).shape == (9, 7, 3)


def with_exif_orientation(jpeg, orientation):
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)  # tag, type SHORT, one value
    tiff = b"MM\x00*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    segment = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


def test_exif_orientation_never_turns_the_image():
    jpeg = file_of(smooth_picture(12, 20), ".jpg")
    turned = with_exif_orientation(jpeg, 6)
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (20, 12, 3)  # the tag is there
    np.testing.assert_array_equal(
        decode_compressed(compressed(turned), MAX_PIXELS), decode_compressed(compressed(jpeg), MAX_PIXELS)
    )


def test_a_thumbnail_inside_a_segment_is_not_the_image():
    jpeg, thumbnail = file_of(smooth_picture(12, 20), ".jpg"), file_of(smooth_picture(8, 8), ".jpg")
    segment = b"\xff\xe2" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    assert decode_compressed(compressed(jpeg[:2] + segment + jpeg[2:]), MAX_PIXELS).shape == (12, 20, 3)


def test_fill_bytes_before_a_marker_and_bytes_after_the_end_are_allowed():
    jpeg = file_of(smooth_picture(12, 20), ".jpg")
    assert decode_compressed(compressed(jpeg[:2] + b"\xff\xff" + jpeg[2:] + bytes(40)), MAX_PIXELS).shape == (12, 20, 3)


def never_decode(*_):
    raise AssertionError("decoded before the size was checked")


def start_of_frame(jpeg):
    return next(jpeg.index(bytes((0xFF, kind))) for kind in (0xC0, 0xC2) if bytes((0xFF, kind)) in jpeg)


@pytest.mark.parametrize("progressive", [0, 1])
def test_a_jpeg_bomb_is_refused_before_decoding(monkeypatch, progressive):
    jpeg = bytearray(file_of(smooth_picture(12, 20), ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, progressive))
    struct.pack_into(">HH", jpeg, start_of_frame(jpeg) + 5, 65000, 65000)
    monkeypatch.setattr(cv2, "imdecode", never_decode)
    with pytest.raises(ImageError, match=r"65000x65000.*max_pixels"):
        decode_compressed(compressed(jpeg), MAX_PIXELS)


def test_a_png_bomb_is_refused_before_decoding(monkeypatch):
    png = bytearray(file_of(picture(12, 20), ".png"))
    struct.pack_into(">II", png, 16, 2**31 - 1, 2**31 - 1)
    monkeypatch.setattr(cv2, "imdecode", never_decode)
    with pytest.raises(ImageError, match="max_pixels"):
        decode_compressed(compressed(png, "png"), MAX_PIXELS)


def test_a_jpeg_with_two_frame_headers_is_refused(monkeypatch):
    jpeg = file_of(smooth_picture(12, 20), ".jpg")
    start = start_of_frame(jpeg)
    header = jpeg[start : start + 2 + struct.unpack_from(">H", jpeg, start + 2)[0]]
    monkeypatch.setattr(cv2, "imdecode", never_decode)
    with pytest.raises(ImageError, match="second frame header"):
        decode_compressed(compressed(jpeg[:start] + header + jpeg[start:]), MAX_PIXELS)


def test_a_jpeg_of_endless_scans_is_refused(monkeypatch):
    jpeg = file_of(smooth_picture(12, 20), ".jpg")
    monkeypatch.setattr(cv2, "imdecode", never_decode)
    with pytest.raises(ImageError, match="scans"):
        decode_compressed(compressed(jpeg[:-2] + b"\xff\xda\x00\x02" * 100 + jpeg[-2:]), MAX_PIXELS)


@settings(max_examples=60, deadline=None)
@given(keep=st.floats(0, 0.999), suffix=st.sampled_from([".jpg", ".png"]))
def test_a_truncated_file_is_refused(keep, suffix):
    data = file_of(smooth_picture(30, 30), suffix)
    with pytest.raises(ImageError):
        decode_compressed(compressed(data[: int(keep * len(data))]), MAX_PIXELS)


def test_a_truncated_jpeg_is_refused_where_the_decoder_would_fill_it_up(monkeypatch):
    jpeg = file_of(smooth_picture(30, 30), ".jpg")
    monkeypatch.setattr(cv2, "imdecode", lambda *_: smooth_picture(30, 30))  # as OpenCV 4 does
    with pytest.raises(ImageError, match="30x30 is truncated"):
        decode_compressed(compressed(jpeg[:-30]), MAX_PIXELS)


@settings(max_examples=150, deadline=None)
@given(position=st.floats(0, 0.999), value=st.integers(0, 255), suffix=st.sampled_from([".jpg", ".png"]))
def test_a_damaged_file_gives_an_image_or_an_image_error(position, value, suffix):
    data = bytearray(file_of(smooth_picture(30, 30), suffix))
    data[int(position * len(data))] = value
    try:
        rgb = decode_compressed(compressed(data), MAX_PIXELS)
    except ImageError:
        return
    assert rgb.ndim == 3
    assert rgb.shape[0] * rgb.shape[1] <= MAX_PIXELS


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (b"", "jpeg", "begins with nothing"),
        (b"GIF89a..", "gif", "'gif'.*expected JPEG or PNG"),
        (bytes(12) + b"\x89PNG\r\n\x1a\n", "16UC1; compressedDepth", "depth"),
        (b"\xff\xd8\xff\xd9\x00\x00", "jpeg", "broken"),
        (b"\x89PNG\r\n\x1a\n", "png", "no header chunk"),
    ],
)
def test_other_files_are_refused_with_a_reason(data, name, said):
    with pytest.raises(ImageError, match=said):
        decode_compressed(compressed(data, name), MAX_PIXELS)


# Outgoing


def test_compressed_ids_are_a_png_that_says_mono8_and_loses_nothing():
    ids = picture(31, 47)[..., 0]
    filled = fill_compressed_ids(SimpleNamespace(), ids, "header")
    assert (filled.header, filled.format) == ("header", "mono8; png compressed ")
    assert (type(filled.data), filled.data.typecode) == (array, "B")
    np.testing.assert_array_equal(decode_ids(filled.data.tobytes()), ids)


@settings(max_examples=25, deadline=None)
@given(size=sizes, colour=st.booleans(), seed=st.integers(0, 2**16))
def test_arrays_become_messages(size, colour, seed):
    pixels = picture(*size, seed) if colour else picture(*size, seed)[..., 1]
    header = object()
    filled = fill_image(SimpleNamespace(), pixels, header)
    assert filled.header is header
    assert isinstance(filled.data, array)
    assert filled.encoding == ("rgb8" if colour else "mono8")
    rgb = pixels if colour else np.repeat(pixels[..., None], 3, axis=-1)
    np.testing.assert_array_equal(decode_image(filled, MAX_PIXELS), rgb)


class DlpackBuffer:
    """What a back end's own object offers: DLPack, no buffer protocol."""

    def __init__(self, data, device=1):
        self._array, self._device = np.frombuffer(data, np.uint8).copy(), device

    def __dlpack_device__(self):
        return self._device, 0

    def __dlpack__(self, **_):
        return self._array.__dlpack__()


class RosidlBuffer:
    """The public face of Lyrical's rosidl_buffer.Buffer (ros2/rosidl #943)."""

    backend_type = "cuda"

    def __init__(self, data):
        self._data = bytes(data)

    def __len__(self):
        return len(self._data)

    def to_bytes(self):
        return self._data


@pytest.mark.parametrize("wrap", [bytes, memoryview, np.array, DlpackBuffer, RosidlBuffer])
@pytest.mark.parametrize("encoding", ["rgb8", "mono8"])
def test_data_of_every_kind_of_buffer_gives_the_same_picture(wrap, encoding):
    pixels = picture(5, 7) if encoding == "rgb8" else picture(5, 7)[..., 0]
    made = message(pixels, encoding, 5, 7, padding=3)
    expected = decode_image(made, MAX_PIXELS)
    made.data = wrap(made.data)
    np.testing.assert_array_equal(decode_image(made, MAX_PIXELS), expected)


def test_memory_offered_by_dlpack_is_shared_not_copied():
    made = message(picture(4, 6), "rgb8", 4, 6)
    made.data = DlpackBuffer(made.data)
    frame = read_image(made, MAX_PIXELS)
    made.data._array[:] = 7
    assert (frame == 7).all()


def test_a_compressed_picture_in_a_rosidl_buffer_is_read():
    _, png = cv2.imencode(".png", picture(4, 6)[..., ::-1])
    made = SimpleNamespace(format="rgb8; png compressed bgr8", data=RosidlBuffer(png))
    np.testing.assert_array_equal(decode_compressed(made, MAX_PIXELS), picture(4, 6))


@pytest.mark.parametrize("data", [DlpackBuffer(b"1" * 72, device=2), object()], ids=["on a device", "no buffer"])
def test_data_that_cannot_come_to_the_cpu_is_refused_with_what_to_do(data):
    made = message(picture(4, 6), "rgb8", 4, 6)
    made.data = data
    with pytest.raises(ImageError, match=r"data is a \w+; expected bytes.*memory of the CPU"):
        read_image(made, MAX_PIXELS)
