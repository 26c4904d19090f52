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

"""The Triton kernels against their plain forms, run by Triton's interpreter on the CPU.

Uninitialised memory is filled with NaN, so that a pixel which a kernel leaves out shows.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from networks import trained_like

from gain_ros.frames import rgb_from_array, shape_of
from gain_ros.model.deploy import LabelsForm, fold
from gain_ros.model.gai import criss_cross_attention
from gain_ros.model_folder import IMAGENET_MEAN, IMAGENET_STD
from gain_ros.resize import labels_from_logits, resize_input

pytest.importorskip("triton", reason="triton comes with torch on Linux alone")

from gain_ros.model.kernels import FusedForm, fused_attend, label_map, normalise, use_fused_attention
from gain_ros.model.kernels.criss_cross import _attend, block

ROOT = Path(__file__).resolve().parents[2]
SIZES = [(5, 7), (1, 6), (6, 1), (1, 1), (2, 17)]
WIDTHS = [(8, 64), (6, 48), (2, 16), (3, 5)]  # 128, 96 and 32 channels wide, and one that fits no power of two
TOLERANCE = {torch.float32: 3e-6, torch.float16: 4e-3}


@pytest.fixture(autouse=True)
def poisoned():
    """Empty tensors hold NaN, or 255 where they are bytes."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def maps(size: tuple[int, int], keys: int, values: int, dtype: torch.dtype = torch.float32, batch: int = 1):
    torch.manual_seed(4)
    return [torch.randn(batch, channels, *size).to(dtype) for channels in (keys, keys, values, values)]


def in_double(q, k, v, x, gamma=1.0):
    return x.double() + gamma * criss_cross_attention(q.double(), k.double(), v.double())


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["fp32", "fp16"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("keys", "values"), WIDTHS[:2])
def test_attention_is_the_plain_one(size, keys, values, dtype):
    inputs = maps(size, keys, values, dtype)
    found = fused_attend(*inputs)
    assert found.dtype == dtype
    assert (found - in_double(*inputs)).abs().max() < TOLERANCE[dtype]


@pytest.mark.parametrize(("keys", "values"), WIDTHS[2:])
def test_attention_takes_batches_and_any_width(keys, values):
    inputs = maps((3, 4), keys, values, batch=2)
    gamma = torch.tensor([0.7])
    assert (fused_attend(*inputs, gamma) - in_double(*inputs, 0.7)).abs().max() < 3e-6


def test_lines_longer_than_a_block_are_gathered_block_by_block():
    assert [block(length) for length in (1, 16, 33, 64, 90, 120, 128, 256)] == [16, 16, 16, 32, 32, 32, 32, 32]
    inputs = maps((2, 33), 2, 16)
    assert (fused_attend(*inputs) - in_double(*inputs)).abs().max() < 3e-6


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["fp32", "fp16"])
@pytest.mark.parametrize("scale", [30, 3000])
def test_extreme_energies_stay_exact(scale, dtype):
    q, k, v, x = maps((6, 9), 8, 16, dtype)
    assert (scale * q).isfinite().all()
    found = fused_attend(scale * q, k, v, x)
    assert (found - in_double(scale * q, k, v, x)).abs().max() < 100 * TOLERANCE[dtype]


def test_slices_of_a_channels_last_map_are_read_in_place():
    torch.manual_seed(5)
    deep = torch.randn(2, 8 + 8 + 16 + 16, 5, 9).to(memory_format=torch.channels_last)
    q, k, v, x = deep.split((8, 8, 16, 16), dim=1)
    assert not k.is_contiguous(memory_format=torch.channels_last)
    assert (fused_attend(q, k, v, x) - in_double(q, k, v, x)).abs().max() < 3e-6


def test_gradients_are_the_plain_ones():
    inputs = [tensor.double().float().requires_grad_() for tensor in maps((4, 6), 8, 16)]
    gamma = torch.tensor([0.3], requires_grad=True)
    q, k, v, x = inputs
    plain = gamma * criss_cross_attention(q, k, v) + x
    weight = torch.randn(plain.shape)
    expected = torch.autograd.grad((plain * weight).sum(), (*inputs, gamma))
    found = torch.autograd.grad((fused_attend(*inputs, gamma) * weight).sum(), (*inputs, gamma))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True))


def test_inputs_that_do_not_fit_are_named():
    q, k, v, x = maps((4, 6), 8, 16)
    with pytest.raises(ValueError, match=r"k \(1, 8, 4, 5\).*expected \(N, K, H, W\)"):
        fused_attend(q, k[..., :5], v, x)
    with pytest.raises(ValueError, match=r"q is torch\.float16, k torch\.float32"):
        fused_attend(q.half(), k, v, x)


def test_the_pixel_kernels_compile_for_a_gpu_without_one():
    """The interpreter lets pass what the compiler does not."""
    code = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from gain_ros.model.kernels.pixels import label_map_kernel, normalise_kernel

TYPES = {"frames": "*u8", "labels": "*u8", "confidence": "*u8", "y": "*fp16", "logits": "*fp16"}
TYPES |= {"mean": "*fp32", "scale": "*fp32"}

def compiled(kernel, **constants):
    types = {name: "constexpr" if name in constants else TYPES.get(name, "i32") for name in kernel.arg_names}
    source = ASTSource(fn=kernel, signature=types, constexprs=constants)
    return triton.compile(source, target=GPUTarget("cuda", 87, 32)).asm["ptx"]

for encoding in ("rgb8", "nv12", "yuyv"):
    ptx = compiled(normalise_kernel, ENCODING=encoding, BLOCK=256)
    print(ptx.count(".entry"), "div.full" in ptx)  # a division that rounds wrongly moves levels half way between two
print(compiled(label_map_kernel, BLOCK=256).count(".entry"))
"""
    environment = os.environ | {"TRITON_INTERPRET": "0"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.stdout.splitlines() == [*3 * ["1 False"], "1"], done.stderr


def test_the_switch_changes_no_network():
    model = trained_like("gain_nano")
    image = torch.randn(1, 3, 16, 40)
    for network in (model, fold(model)):
        expected = network(image)
        use_fused_attention(network)
        assert torch.allclose(network(image), expected, atol=2e-5)
        again = pickle.loads(pickle.dumps(network))  # noqa: S301  (our own, as distributed training does)
        assert again.gai16.attend.func is network.gai32.attend.func is _attend


@pytest.mark.parametrize(
    "size", [(16, 24), (40, 60), (15, 10), (20, 18)], ids=["network's size", "larger", "smaller", "both"]
)
def test_the_fused_form_gives_the_masks_of_the_plain_one(size):
    model = trained_like("gain_nano")
    coarse = np.random.default_rng(1).integers(0, 256, (9, 8, 3), np.uint8)
    frames = torch.from_numpy(cv2.resize(coarse, size[::-1]))[None]
    expected, sure = LabelsForm(model, IMAGENET_MEAN, IMAGENET_STD, (16, 24))(frames)
    labels, confidence = FusedForm(model, IMAGENET_MEAN, IMAGENET_STD, (16, 24), torch.float32)(frames)
    assert (labels == expected).float().mean() >= 0.999
    assert (confidence.int() - sure.int()).abs().max() <= 1


@pytest.mark.parametrize(
    ("size", "dtype"),
    [((16, 24), torch.float32), ((32, 48), torch.float16), ((3, 300), torch.float32), ((5, 7), torch.float16)],
    ids=["x4", "x8 in fp16", "more than a block", "odd in fp16"],
)
def test_label_map_is_the_runtimes_output_step(size, dtype):
    logits = 4 * torch.randn(2, 5, 4, 6, generator=torch.Generator().manual_seed(6))
    logits = logits.to(dtype).to(memory_format=torch.channels_last)
    labels, confidence = label_map(logits, size)
    for n in range(2):
        expected, sure = labels_from_logits(logits[n].float().numpy(), size, confidence=True)
        assert (labels[n].numpy() == expected).mean() >= 0.999
        assert np.abs(confidence[n].numpy().astype(int) - sure).max() <= 1


def test_equal_classes_give_the_lowest_and_extreme_logits_a_sure_answer():
    labels, confidence = label_map(torch.zeros(1, 4, 2, 3), (4, 6))
    assert labels.eq(0).all()
    assert confidence.eq(64).all()  # a quarter of 255, rounded
    logits = torch.full((1, 3, 2, 2), -6e4)
    logits[:, 2] = 6e4
    labels, confidence = label_map(logits, (3, 3))
    assert labels.eq(2).all()
    assert confidence.eq(255).all()


@pytest.mark.parametrize("encoding", ["rgb8", "nv12", "yuyv"])
def test_camera_bytes_become_the_planes_that_opencv_and_numpy_give(encoding):
    rng = np.random.default_rng(7)
    shape, conversion = {
        "rgb8": ((5, 7, 3), None),
        "nv12": ((9, 20), cv2.COLOR_YUV2RGB_NV12),
        "yuyv": ((5, 20, 2), cv2.COLOR_YUV2RGB_YUY2),
    }[encoding]
    frames = rng.integers(0, 256, (2, *shape), np.uint8)
    rgb = frames if conversion is None else np.stack([cv2.cvtColor(frame, conversion) for frame in frames])
    mean, scale = 255 * torch.tensor(IMAGENET_MEAN), 1 / (255 * torch.tensor(IMAGENET_STD))
    found = normalise(torch.from_numpy(frames), mean, scale, dtype=torch.float32)
    expected = (torch.from_numpy(rgb).permute(0, 3, 1, 2) - mean.view(3, 1, 1)) * scale.view(3, 1, 1)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(found, expected, atol=1e-6)


def overlaps(sources: int, targets: int) -> np.ndarray:
    """How much of each source pixel lies in each target pixel's window, int64 (targets, sources), in exact units."""
    source, target = np.arange(sources), np.arange(targets)[:, None]
    ends = np.minimum((source + 1) * targets, (target + 1) * sources)
    return np.maximum(ends - np.maximum(source * targets, target * sources), 0)


@pytest.mark.parametrize("encoding", ["rgb8", "nv12", "yuyv"])
@pytest.mark.parametrize("size", [(2, 5), (6, 4), (4, 3)])
def test_frames_are_shrunk_in_the_same_launch(encoding, size):
    frame = np.random.default_rng(9).integers(0, 256, shape_of((6, 10), encoding), np.uint8)
    planes = normalise(torch.from_numpy(frame)[None], torch.zeros(3), torch.ones(3), size, torch.float32)[0].numpy()
    rgb = rgb_from_array(frame)
    sums = np.einsum("rh,hwc,qw->crq", overlaps(6, size[0]), rgb.astype(np.int64), overlaps(10, size[1]))
    whole_windows = 6 % size[0] == 10 % size[1] == 0  # else shares are rounded, and an average may miss its half
    half_way = (sums % 60 == 30) & (not whole_windows)
    assert ((planes == (2 * sums + 60) // 120) | half_way).all()
    assert np.abs(planes.transpose(1, 2, 0) - resize_input(rgb, size)).max() <= 1


def test_a_larger_size_is_refused():
    with pytest.raises(ValueError, match=r"size is \(5, 8\) for frames of \(4, 8\); expected"):
        normalise(torch.zeros((1, 4, 8, 3), dtype=torch.uint8), torch.zeros(3), torch.ones(3), (5, 8))


def test_frames_too_long_for_the_kernel_are_refused():
    frames = torch.zeros((1, 3_000_000, 1, 3), dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"frames of \(3000000, 1\) at \(720, 1\) are too large for 32-bit"):
        normalise(frames, torch.zeros(3), torch.ones(3), (720, 1))


@pytest.mark.parametrize("shape", [(1, 4, 6), (1, 6, 5), (1, 4, 5, 2), (1, 4, 4, 4), (6, 4)])
def test_frames_of_no_known_kind_are_named(shape):
    with pytest.raises(ValueError, match=r"expected contiguous uint8, RGB \(N, H, W, 3\), NV12"):
        normalise(torch.zeros(shape, dtype=torch.uint8), torch.zeros(3), torch.ones(3))


@pytest.mark.parametrize("size", [(16, 24), (20, 34), (14, 34)], ids=["network's size", "larger", "both"])
@pytest.mark.parametrize("encoding", ["nv12", "yuyv"])
def test_the_fused_form_reads_yuv_as_opencv_does(encoding, size):
    form = FusedForm(trained_like("gain_nano"), IMAGENET_MEAN, IMAGENET_STD, (16, 24), torch.float32)
    bytes_of_it = np.random.default_rng(8).integers(0, 256, shape_of(size, encoding), np.uint8)
    expected = form(torch.from_numpy(rgb_from_array(bytes_of_it))[None])
    for found, same in zip(form(torch.from_numpy(bytes_of_it)[None]), expected, strict=True):
        assert found.shape == (1, *size)
        assert torch.equal(found, same)
