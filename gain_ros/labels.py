"""Class sets: what the ids in a mask mean, and the colours they are drawn in.

Ids follow each data set's own training order (Cityscapes trainIds, SegNet's CamVid indices). Id 255 is unlabelled
everywhere, which agrees with ``vision_msgs/LabelInfo`` and with the Cityscapes tools.
"""

from __future__ import annotations

from dataclasses import dataclass

UNLABELLED = 255


@dataclass(frozen=True)
class LabelSet:
    """Names and RGB colours of the classes 0..N-1."""

    name: str
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.colors):
            raise ValueError(
                f"label set {self.name!r}: {len(self.names)} names but {len(self.colors)} colours; "
                "give one colour a class"
            )
        if not 1 <= len(self.names) <= UNLABELLED:
            raise ValueError(
                f"label set {self.name!r}: {len(self.names)} classes; "
                f"expected 1 to {UNLABELLED} (id {UNLABELLED} is unlabelled)"
            )

    def __len__(self) -> int:
        return len(self.names)


CAMVID = LabelSet(
    name="camvid",
    names=("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"),
    colors=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
)

CITYSCAPES = LabelSet(
    name="cityscapes",
    names=(
        "road",
        "sidewalk",
        "building",
        "wall",
        "fence",
        "pole",
        "traffic light",
        "traffic sign",
        "vegetation",
        "terrain",
        "sky",
        "person",
        "rider",
        "car",
        "truck",
        "bus",
        "train",
        "motorcycle",
        "bicycle",
    ),
    colors=(
        (128, 64, 128),
        (244, 35, 232),
        (70, 70, 70),
        (102, 102, 156),
        (190, 153, 153),
        (153, 153, 153),
        (250, 170, 30),
        (220, 220, 0),
        (107, 142, 35),
        (152, 251, 152),
        (70, 130, 180),
        (220, 20, 60),
        (255, 0, 0),
        (0, 0, 142),
        (0, 0, 70),
        (0, 60, 100),
        (0, 80, 100),
        (0, 0, 230),
        (119, 11, 32),
    ),
)

LABEL_SETS = {labels.name: labels for labels in (CAMVID, CITYSCAPES)}
