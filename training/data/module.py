"""The Lightning data module: labelled frames in memory, seeded random views, whole frames for validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from gain_ros.scenes import StreetScene
from training.data.augment import Augmentation, paste_classes, random_colors, random_view
from training.data.camvid import Pair, load_split

THIN_AND_SMALL = (2, 6, 7, 8, 9, 10)  # pole, sign, fence, car, pedestrian, bicyclist
FIRST_SCENE_SEED = 1000  # seeds below are for demonstrations and tests


class SeededSampler(Sampler):
    """A permutation per epoch that yields (index, seed): the seed fixes the sample's augmentation whatever worker makes
    it.
    """

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[tuple[int, tuple[int, int, int]]]:
        for index in np.random.default_rng((self.seed, self.epoch)).permutation(self.length):
            yield int(index), (self.seed, self.epoch, int(index))


class RandomViews(Dataset):
    """Augmented crops: uint8 3×h×w images and int64 h×w labels."""

    def __init__(self, pairs: list[Pair], how: Augmentation, paste_share: float) -> None:
        self.pairs, self.how, self.paste_share = pairs, how, paste_share

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, item: tuple[int, tuple[int, int, int]]) -> tuple[Tensor, Tensor]:
        index, seed = item
        rng = np.random.default_rng(seed)
        image, labels = self.view(index, rng)
        if rng.random() < self.paste_share:
            other = self.view(int(rng.integers(len(self.pairs))), rng)
            image, labels = paste_classes(image, labels, *other, THIN_AND_SMALL, rng)
        image = random_colors(image, self.how, rng)
        return torch.from_numpy(image.transpose(2, 0, 1).copy()), torch.from_numpy(labels.astype(np.int64))

    def view(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return random_view(self.pairs[index].image, self.pairs[index].labels, self.how, rng)


class WholeFrames(Dataset):
    """Frames as they are: uint8 3×H×W and int64 H×W."""

    def __init__(self, pairs: list[Pair]) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        pair = self.pairs[index]
        return torch.from_numpy(pair.image.transpose(2, 0, 1).copy()), torch.from_numpy(pair.labels.astype(np.int64))


class CamVid(lightning.LightningDataModule):
    """CamVid at 480x360, with an optional share of procedural street scenes mixed into training (never into
    validation).

    ``root``: folder in SegNet's layout. ``scenes``: number of procedural frames added to each epoch.
    """

    def __init__(
        self,
        root: str | Path,
        batch_size: int = 12,
        workers: int = 1,
        seed: int = 0,
        scenes: int = 0,
        paste_share: float = 0.5,
        augmentation: Augmentation = Augmentation(),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        # plain values only: a checkpoint must load without running code
        self.save_hyperparameters(ignore=["root", "augmentation"])
        self.hparams.augmentation = {name: to_plain(value) for name, value in asdict(augmentation).items()}
        self.root, self.augmentation = Path(root), augmentation

    def setup(self, stage: str) -> None:
        h = self.hparams
        cv2.setNumThreads(0)  # OpenCV's thread pool does not survive the fork into a worker
        if stage == "fit":
            self.train_pairs = load_split(self.root, "train") + scene_pairs(h.scenes)
        self.val_pairs = load_split(self.root, "val")

    def train_dataloader(self) -> DataLoader:
        h = self.hparams
        views = RandomViews(self.train_pairs, self.augmentation, h.paste_share)
        sampler = SeededSampler(len(views), h.seed)
        return DataLoader(
            views,
            h.batch_size,
            sampler=sampler,
            num_workers=h.workers,
            drop_last=True,
            persistent_workers=h.workers > 0,
        )

    def val_dataloader(self) -> DataLoader:
        return DataLoader(WholeFrames(self.val_pairs), batch_size=1)


def to_plain(value: float | tuple) -> float | list:
    return list(value) if isinstance(value, tuple) else value


def scene_pairs(count: int) -> list[Pair]:
    """Procedural frames, each from a street of its own."""
    frames = (StreetScene(FIRST_SCENE_SEED + i).frame(0.7 * (i % 7)) for i in range(count))
    return [Pair(image, labels, f"scene{FIRST_SCENE_SEED + i}") for i, (image, labels) in enumerate(frames)]
