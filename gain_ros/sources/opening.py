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

"""What a user names becomes a source: an image, a folder, a video, a bag or a webcam."""

from __future__ import annotations

import os
import re
from pathlib import Path

from gain_ros.errors import SourceError
from gain_ros.libraries import require
from gain_ros.sources.files import FilesSource, FolderSource
from gain_ros.sources.source import BAG_SUFFIXES, IMAGE_SUFFIXES, Source
from gain_ros.sources.video import CameraSource, StreamSource, VideoSource


def open_source(spec: str | os.PathLike[str], labels_topic: str | None = None) -> Source:
    """Open an image file, a folder of images, a video, a bag, a webcam ("0", "camera:0"), a stream ("rtsp://...").

    A bag with several image topics needs one named: ``drive.mcap:/front/image_raw``; ``labels_topic``, which holds
    class ids, is none of them. A folder ``D`` with a sibling ``Dannot`` (SegNet's CamVid layout: a mask of the same
    stem for every image) has truth.

    Raises:
        SourceError: nothing readable there.

    """
    text = os.fspath(spec)
    if re.match(r"(rtsp|https?)://", text):
        return StreamSource(text)
    path = Path(text)
    if path.is_dir() and not _is_bag(path):
        return FolderSource(text, path)
    if not path.exists():
        kind, _, argument = text.partition(":")
        if text.isdigit() or (kind == "camera" and argument.isdigit()):
            return CameraSource(text, int(argument or text))
        path, topic = _split_topic(text)
    else:
        topic = None
    if path.is_dir() or path.suffix.lower() in BAG_SUFFIXES:
        require(f"the bag {text!r}", "rosbags")
        from gain_ros.sources.bags import BagSource  # rosbags takes its time to import

        return BagSource(text, path, topic, labels_topic)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return FilesSource(text, [path])
    return VideoSource(text, path)


def _is_bag(folder: Path) -> bool:
    return any(each.name == "metadata.yaml" or each.suffix in (".mcap", ".db3") for each in folder.iterdir())


def _split_topic(text: str) -> tuple[Path, str | None]:
    head, colon, topic = text.partition(":/")
    if colon and Path(head).exists():
        return Path(head), "/" + topic
    raise SourceError(
        f"source {text!r} does not exist; expected an image, a folder of images, a video, a bag, a webcam number or "
        "a stream (rtsp://, http://, https://)"
    )
