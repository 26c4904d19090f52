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

"""The data module of a data set of one's own."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from gain_ros.datasets import folder
from gain_ros.datasets.frames import Frames, FramesInMemory, FramesOnDisk, Pair
from gain_ros.resize import resize_input
from training.data.module import LabelledFrames

STRIDE = 32  # of the coarsest features
MOST_PIXELS, LEAST_SIDE = 480 * 360, 64
KEPT_BYTES = 1 << 30


@dataclass(frozen=True)
class ReducedFrames(Frames):
    """Frames brought to a network's size (height, width): pictures as it sees them, labels picked at pixel centres."""

    frames: Frames
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Pair:
        pair = self.frames[index]
        labels = cv2.resize(pair.labels, self.size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        return Pair(resize_input(pair.image, self.size), labels, pair.name)

    def name(self, index: int) -> str:
        return self.frames.name(index)


class Folder(LabelledFrames):
    """A data set of one's own, as in :mod:`gain_ros.datasets.folder`: pictures, masks and ``classes.yaml`` in ``root``.

    ``size`` is the (height, width) in which a network sees the pictures. None follows their aspect: multiples of
    32 near their size, at most as many pixels as 480x360. It is also that of the pictures which training draws views
    from, and of a view itself: ``augmentation.crop`` does not count here.
    """

    terms = "Trained on pictures of the user's own: whose they are says how they may be used."
    pasted = ()

    def __init__(self, root: str | Path, size: tuple[int, int] | None = None, **kwargs) -> None:
        self.root = Path(root).expanduser()
        self.label_set = folder.read_classes(self.root)
        # Not input_size: the model logs another by that name.
        super().__init__(size=list(size) if size else None, **kwargs)

    def open_stage(self, stage: str) -> None:
        splits = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}[stage]
        self.opened = folder.open_splits(self.root, splits, self.label_set)
        height, width = self.hparams["size"] or near_size(self.opened[splits[0]])
        self.input_size = (height, width)
        self.augmentation = replace(self.augmentation, crop=self.input_size)

    def open_split(self, split: str) -> Frames:
        if split != "train":
            return self.opened[split]
        reduced = ReducedFrames(self.opened[split], self.input_size)
        bytes_a_frame = 4 * math.prod(self.input_size)
        return FramesInMemory(list(reduced)) if len(reduced) * bytes_a_frame <= KEPT_BYTES else reduced


def near_size(frames: FramesOnDisk) -> tuple[int, int]:
    """Return the (height, width) for a network that sees pictures such as the first of these."""
    height, width = frames[0].labels.shape
    scale = min(1.0, math.sqrt(MOST_PIXELS / (height * width)))
    return rounded(scale * height), rounded(scale * width)


def rounded(side: float) -> int:
    return max(LEAST_SIDE, STRIDE * round(side / STRIDE))
