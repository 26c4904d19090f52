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

"""An .mcap file that has lost its end, as after a recorder was killed: readable as far as its records are whole."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

_MAGIC = b"\x89MCAP0\r\n"
_RECORD_HEAD = struct.Struct("<BQ")  # kind and length (MCAP specification, "Records")
_FOOTER, _DATA_END = 0x02, 0x0F
_END = _RECORD_HEAD.pack(_FOOTER, 20) + bytes(20) + _MAGIC  # a footer without a summary: readers go through the records


def is_cut(file: Path) -> bool:
    """Whether a file begins as an .mcap and does not end as one."""
    with file.open("rb") as stream:
        begins = stream.read(len(_MAGIC)) == _MAGIC
        stream.seek(-min(len(_MAGIC), file.stat().st_size), os.SEEK_END)
        return begins and stream.read() != _MAGIC


class CutMcap:
    """What rosbags' readers need of a path (its protocol ``RPath``): they see the whole records and an end."""

    suffix = ".mcap"

    def __init__(self, file: Path):
        self._file = file

    def exists(self) -> bool:
        return True

    def is_dir(self) -> bool:
        return False

    def open(self, _mode: str) -> BinaryIO:
        return io.BufferedReader(_Mended(self._file))

    def __str__(self) -> str:
        return str(self._file)


class _Mended(io.RawIOBase):
    """The file up to its last whole record, followed by _END."""

    def __init__(self, file: Path):
        super().__init__()
        self._stream = file.open("rb")
        self._whole = _whole_records(self._stream)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._whole + len(_END)}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:  # any writable buffer, which has no name before Python 3.12
        if self._position < self._whole:
            self._stream.seek(self._position)
            data = self._stream.read(min(len(buffer), self._whole - self._position))
        else:
            data = _END[self._position - self._whole :][: len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _whole_records(stream: BinaryIO) -> int:
    """Where the last whole record of the data section ends, in bytes."""
    size = stream.seek(0, os.SEEK_END)
    end = len(_MAGIC)
    while end + _RECORD_HEAD.size <= size:
        stream.seek(end)
        kind, length = _RECORD_HEAD.unpack(stream.read(_RECORD_HEAD.size))
        after = end + _RECORD_HEAD.size + length
        if kind in (0, _DATA_END) or after > size:  # 0: space that was reserved and never written
            break
        end = after
    return end
