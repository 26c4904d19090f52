"""Data sets, as Lightning data modules."""

from training.data.module import CamVid, Cityscapes, LabelledFrames, Scenes

__all__ = ["CamVid", "Cityscapes", "LabelledFrames", "Scenes"]
