"""``python -m training fit|validate|test --config FILE`` and ``python -m training package CKPT --out FOLDER``."""

from __future__ import annotations

import sys

from lightning.pytorch.cli import LightningCLI

from training.data import LabelledFrames
from training.module import Segmentation


def main() -> None:
    if sys.argv[1:2] == ["package"]:
        from training.package import main as package

        sys.exit(package(sys.argv[2:]))
    LightningCLI(Segmentation, LabelledFrames, subclass_mode_data=True, seed_everything_default=0)


if __name__ == "__main__":
    main()
