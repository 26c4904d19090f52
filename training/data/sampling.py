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

"""Which frame comes next. Both samplers deal to the processes of a distributed run themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from torch.utils.data import Dataset, DistributedSampler


@dataclass(frozen=True)
class Draw:
    """One training sample: the frame, the seed of its augmentation, and a class its crop shall hold (None: any)."""

    index: int
    seed: tuple[int, int, int]
    focus: int | None = None


def _numbers(count: int) -> Dataset[int]:
    return cast("Dataset[int]", range(count))  # DistributedSampler asks for its length alone


class TrainSampler(DistributedSampler):
    """A new order of frames every epoch, the same for the same (seed, epoch) whatever workers and processes there are.

    ``counts`` (N, classes) are the labelled pixels per frame and class. A share ``uniform_share`` of the samples is
    drawn class-uniformly (Zhu et al., CVPR 2019): a class that occurs first, then a frame that holds it; the rest runs
    through a permutation. Process ``rank`` of ``world`` gets positions rank, rank + world, ... A run that resumes
    in the middle of an epoch sets ``start``: that many of the process's samples are skipped, once.
    """

    def __init__(self, counts: np.ndarray, uniform_share: float, seed: int, rank: int = 0, world: int = 1) -> None:
        super().__init__(_numbers(len(counts)), num_replicas=world, rank=rank, seed=seed, drop_last=True)
        self.holders = [(c, np.flatnonzero(counts[:, c])) for c in range(counts.shape[1]) if counts[:, c].any()]
        self.frames, self.uniform_share, self.start = len(counts), uniform_share, 0

    def __iter__(self) -> Iterator[Draw]:
        start, self.start = self.start, 0
        draws = self.epoch_draws()[: self.total_size]
        return iter(draws[self.rank :: self.num_replicas][start:])

    def epoch_draws(self) -> list[Draw]:
        rng = np.random.default_rng((self.seed, self.epoch))
        order = rng.permutation(self.frames)
        return [self.draw(rng, position, int(index)) for position, index in enumerate(order)]

    def draw(self, rng: np.random.Generator, position: int, index: int) -> Draw:
        seed, focus = (self.seed, self.epoch, position), None
        if rng.random() < self.uniform_share:
            focus, holders = self.holders[rng.integers(len(self.holders))]
            index = int(rng.choice(holders))
        return Draw(index, seed, focus)


class EachOnce(DistributedSampler):
    """Frames 0..N-1 in order, dealt round robin and never repeated: processes may differ by one frame."""

    def __init__(self, length: int, rank: int = 0, world: int = 1) -> None:
        super().__init__(_numbers(length), num_replicas=world, rank=rank, shuffle=False)
        self.mine = range(length)[rank::world]

    def __len__(self) -> int:
        return len(self.mine)

    def __iter__(self) -> Iterator[int]:
        return iter(self.mine)
