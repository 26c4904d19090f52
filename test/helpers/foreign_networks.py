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

"""Small networks as others export them, each with its own script from a picture to ids: what an import has to equal."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE = (48, 64)
CLASSES = 5
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLASS_FILE = "classes:\n" + "".join(f"- {{id: {i}, name: class{i}}}\n" for i in range(CLASSES))


@dataclass(frozen=True)
class Foreign:
    """A network and what its script does to a picture before it: levels 0 to 255 in, float32 N×3×h×w.

    ``words`` are those of `gain import-onnx` that it needs; ``resized`` brings what it gives to the picture's size and
    to ids.
    """

    module: nn.Module
    words: tuple[str, ...] = ()
    before: Callable[[Tensor], Tensor] = lambda levels: levels / 255
    resized: Callable[[Tensor, tuple[int, int]], Tensor] = lambda x, size: upsampled(x, size).argmax(1)
    outputs: tuple[str, ...] = ("out",)
    dynamic: dict[str, Any] = field(default_factory=lambda: {"x": {0: "N"}})
    opset: int = 17
    any_size: bool = True

    def ids(self, rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """What the network's own script gives for a picture at its size, at ``size``: int (H, W)."""
        levels = torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            found = self.module(self.before(levels))
        found = semantic(*found) if isinstance(self.module, Queries) else found
        found = found[0] if isinstance(found, tuple) else found
        return self.resized(found, size)[0].numpy()

    def export(self, file: Path, **options: Any) -> Path:
        """Write it as ONNX."""
        example = self.before(torch.zeros(1, 3, *SIZE))
        settings = {"opset_version": self.opset, "dynamo": False, "dynamic_axes": self.dynamic} | options
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                self.module.eval(),
                (example,),
                str(file),
                input_names=["x"],
                output_names=list(self.outputs),
                **settings,
            )
        return file


class Body(nn.Module):
    """Two convolutions: N×3×h×w → N×C×h'×w' at a stride, with every class somewhere."""

    def __init__(self, stride: int = 1, scale: float = 1.0):
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        self.first = nn.Conv2d(3, 12, 5, stride, 2)
        self.last = nn.Conv2d(12, CLASSES, 3, 1, 1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
            self.first.weight.sub_(self.first.weight.mean((1, 2, 3), keepdim=True)).mul_(scale)
            self.last.weight.sub_(self.last.weight.mean(0))

    def forward(self, x: Tensor) -> Tensor:
        return 4 * self.last(self.first(x).relu())


class After(nn.Module):
    """A body and something behind it, or in front of it."""

    def __init__(
        self, behind: Callable[[Tensor], Any], stride: int = 1, front: Callable[[Tensor], Tensor] | None = None
    ):
        super().__init__()
        self.body, self.behind, self.front = Body(stride), behind, front

    def forward(self, x: Tensor) -> Any:
        return self.behind(self.body(x if self.front is None else self.front(x)))


class Queries(nn.Module):
    """Classes and masks of queries, as Mask2Former gives them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Body(4)
        self.choice = nn.Parameter(torch.randn(7, CLASSES + 1, generator=torch.Generator().manual_seed(1)) * 3)
        self.mix = nn.Conv2d(CLASSES, 7, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        masks = self.mix(self.body(x))
        return self.choice[None] + 0 * masks.mean((2, 3))[:, :, None], masks


class OneAlone(nn.Module):
    """Has its batch of one written into a reshape."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Body()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.reshape(1, 3, *SIZE)).reshape(1, CLASSES, *SIZE)


def upsampled(x: Tensor, size: tuple[int, int], align: bool = False) -> Tensor:
    return F.interpolate(x, size, mode="bilinear", align_corners=align)


def normalised(levels: Tensor, bgr: bool = False, most: float = 255) -> Tensor:
    """Bring levels to mean and deviation of ImageNet; those are of R, G, B."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) * 255 / most for values in IMAGENET)
    x = (levels / most - mean) / std
    return x.flip(1) if bgr else x


def nearest(ids: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(ids.reshape(1, 1, *(side for side in ids.shape if side > 1)).float(), size, mode="nearest")[
        :, 0
    ]


def semantic(classes: Tensor, masks: Tensor) -> Tensor:
    """Scores N×C×384×384 of queries, as the published code of Mask2Former defines them."""
    shares, large = classes.softmax(-1)[..., :-1], upsampled(masks, (384, 384)).sigmoid()
    return torch.einsum("nqc,nqhw->nchw", shares, large)


def channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def channels_first(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def _ids(behind: Callable[[Tensor], Tensor], stride: int = 1, **options: Any) -> Foreign:
    return Foreign(After(behind, stride), resized=nearest, any_size=False, **options)


_PIXELS = ("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")
_LEVELS = ("--range", "255", "--mean", "123.675,116.28,103.53", "--std", "58.395,57.12,57.375")
_ANY_SIZE = {"x": {0: "N", 2: "H", 3: "W"}}

NETWORKS = {
    "logits": Foreign(Body()),
    "imagenet": Foreign(Body(), _PIXELS, normalised),
    "stride_4_any_size": Foreign(Body(4), ("--size", "64x48"), dynamic=_ANY_SIZE),
    "align_corners": Foreign(
        Body(8), ("--preset", "pidnet"), normalised, lambda x, size: upsampled(upsampled(x, SIZE, True), size).argmax(1)
    ),
    "softmax": Foreign(After(lambda x: x.softmax(1))),
    "softmax_stride_4": Foreign(After(lambda x: x.softmax(1), 4)),
    "half": Foreign(
        Body().half(),
        before=lambda levels: (levels / 255).half(),
        resized=lambda x, size: upsampled(x.float(), size).argmax(1),
    ),
    "bgr_levels": Foreign(Body(), (*_LEVELS, "--bgr"), lambda levels: normalised(levels, bgr=True)),
    "levels": Foreign(Body(scale=1 / 255), ("--range", "255"), lambda levels: levels),
    "nhwc": Foreign(
        After(channels_last, front=channels_first),
        before=lambda levels: channels_last(levels / 255),
        resized=lambda x, size: upsampled(channels_first(x), size).argmax(1),
    ),
    "uint8_nhwc": Foreign(
        After(lambda x: x, 2, front=lambda x: channels_first(x).float() / 255),
        before=lambda levels: channels_last(levels).to(torch.uint8),
    ),
    "two_outputs": Foreign(
        After(lambda x: (x, -x), 2), ("--preset", "torchvision"), normalised, outputs=("out", "aux")
    ),
    "one_alone": Foreign(OneAlone(), dynamic={}),
    "old_opset": Foreign(Body(2), opset=11),
    "new_opset": Foreign(Body(2), opset=20),
    "no_batch_axis": Foreign(
        After(lambda x: x[0]), resized=lambda x, size: upsampled(x[None], size).argmax(1), dynamic={}
    ),
    "queries": Foreign(
        Queries(),
        ("--preset", "mask2former"),
        normalised,
        lambda x, size: upsampled(x, size).argmax(1),
        outputs=("class_queries_logits", "masks_queries_logits"),
    ),
    "ids_int64": _ids(lambda x: x.argmax(1)),
    "ids_int32_with_axis": _ids(
        lambda x: x.argmax(1, keepdim=True).int(), words=("--preset", "mmseg"), before=normalised, outputs=("output",)
    ),
    "ids_float_stride_2": _ids(lambda x: x.argmax(1).float(), 2),
    "ids_uint8_last_axis": _ids(lambda x: x.argmax(1).to(torch.uint8)[..., None]),
    "ids_alone": _ids(lambda x: x.argmax(1)[0], dynamic={}),
}
