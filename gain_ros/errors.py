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

"""One error and its kinds. The text of each says what was given, what was expected and what to do.

What is raised on purpose is a :class:`GainError`; the command line turns it into one line and ``exit_code``. Anything
else that reaches a user is a fault of this package.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from pathlib import Path

_short = reprlib.Repr()
_short.maxstring = 80


def quoted(text: str) -> str:
    """Return a string that came from outside in quotes, cut to 80 characters: nobody bounds its length."""
    return _short.repr(text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` with the closest of the known words, "" where none is close."""
    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


class GainError(Exception):
    """``exit_code`` is that of a command: 2 for wrong use and bad input, 1 where a check failed."""

    exit_code = 2


class UsageError(GainError, ValueError):
    """Wrong use of a command that its parser cannot see."""


class ModelFolderError(GainError, ValueError):
    """A model folder is not what it should be: the text names the file, what was found and expected, and what to do."""

    def __init__(self, file: Path | str, found: str, expected: str, advice: str):
        super().__init__(f"{file}: found {found}, expected {expected}; {advice}")


class ClassFileError(GainError, ValueError):
    """A file of classes is not what it should be: the text names the file, what was found and expected."""


class ClassOutputError(GainError, ValueError):
    """A remap or a threshold of confidence that does not fit the classes: says what was found and expected."""

    def __init__(self, found: str, expected: str):
        super().__init__(f"{found}; expected {expected}")
        self.found, self.expected = found, expected


class NetworkError(GainError, ValueError):
    """An ONNX network of others that cannot be imported: says what was found, what was expected and what to do."""


class ImageError(GainError, ValueError):
    """A message or a file that holds no picture that can be used."""


class SourceError(GainError, ValueError):
    """A source that cannot be read: says what was given, what was expected and what to do."""


class CutShort(SourceError):  # noqa: N818 - reads as the state it reports
    """A recording ends before all of its frames have come; ``missing`` of them are not there, as far as is known."""

    def __init__(self, text: str, missing: int):
        super().__init__(text)
        self.missing = max(1, missing)


class DatasetError(GainError, ValueError):
    """The data set on disk is not what it should be; the message lists what is wrong and how to mend it."""


class TruthError(GainError, ValueError):
    """The truth of one frame cannot be used: says why. The frame counts as refused."""


class ResultError(GainError, ValueError):
    """Files of an evaluation that cannot be written or read: says which, and what to do."""


class CheckpointError(GainError, ValueError):
    """A checkpoint file cannot be read, or holds another network than was asked for."""


class EngineUnavailable(GainError, RuntimeError):  # noqa: N818 - reads as the state it reports
    """An engine cannot run here as asked: library, device or file missing. The text says which and what to do."""


class EngineNotBuilt(EngineUnavailable):
    """TensorRT works here, but holds no engine for this model, kind of frames and precision yet."""


class GoldenMismatch(GainError, RuntimeError):  # noqa: N818
    """An engine does not give the labels that the model folder's golden pair promises."""

    exit_code = 1


class GraphError(GainError, RuntimeError):
    """A process of a ROS graph did not start, or ended early. The text may hold its last lines."""

    exit_code = 1
