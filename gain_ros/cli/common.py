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

"""What the verbs share: arguments, messages, progress and the JSON line."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from gain_ros.errors import did_you_mean, quoted
from gain_ros.plain_values import plain

DONE, CHECK_FAILED, WRONG_USE = 0, 1, 2
DEFAULT_MODEL = "gain_nano_cityscapes"
_MOST_PIXELS = 1 << 25
_BAR_PERIOD_S, _LINE_PERIOD_S = 0.1, 5.0


class Parser(argparse.ArgumentParser):
    """argparse that answers a wrong use with one line, and with the word that was probably meant."""

    _words: Sequence[str] = ()

    def __init__(self, **given: Any):
        super().__init__(**given)
        self.add_argument("--quiet", "-q", action="store_true", help="only errors, and the JSON line where it is due")

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse the words after the verb. Exits for wrong use."""
        self._words = words
        return self.parse_args(words)

    def error(self, message: str) -> NoReturn:
        verb = self.prog.removeprefix("gain ")
        complain(f"{verb}: {message}{self._hint(message)}; {self.prog} --help says what it takes")
        raise SystemExit(WRONG_USE)

    def _hint(self, message: str) -> str:
        """Look for a misspelt value of an option, and for a misspelt option: argparse may complain of another first."""
        choice = re.search(r"invalid choice: '([^']+)' \(choose from (.+)\)", message)
        if choice is not None:
            return did_you_mean(choice[1], re.findall(r"[\w-]+", choice[2]))
        known = self._option_string_actions
        options = [word.partition("=")[0] for word in self._words if word.startswith("--")]
        wrong = [word for word in options if not any(each.startswith(word) for each in known)]
        return did_you_mean(wrong[0], known) if wrong else ""


def complain(text: str) -> None:
    """One line on standard error."""
    print(f"gain: {' '.join(text.split())}", file=sys.stderr)


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line of standard output")


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", "-m", default=DEFAULT_MODEL, metavar="M", help="model folder, or name of a shipped model"
    )


def frame_size(text: str) -> tuple[int, int]:
    """Read a size, width x height as cameras are named: "1280x720" gives (720, 1280). Says so where it is upright."""
    found = re.fullmatch(r"(\d{1,8})x(\d{1,8})", text.lower())
    width, height = map(int, found.groups()) if found else (0, 0)
    if not height * width:
        raise argparse.ArgumentTypeError(f"size {quoted(text)} is not WIDTHxHEIGHT; give for example 1280x720")
    if height * width > _MOST_PIXELS:
        raise argparse.ArgumentTypeError(
            f"size {quoted(text)} has more than the {_MOST_PIXELS} pixels that a node takes"
        )
    if height > width:
        complain(f"size {text} is {width} wide and {height} high: is {height}x{width} meant?")
    return height, width


def add_fit(parser: argparse.ArgumentParser) -> None:
    """--fit and --roi; :func:`view` reads them and --precision."""
    from gain_ros.fit import FITS

    parser.add_argument(
        "--fit", choices=FITS, help="how frames of another shape than the network's go in (default: as the model says)"
    )
    parser.add_argument(
        "--roi", type=_roi, metavar="X,Y,W,H",
        help="the part of each frame that counts, as fractions of its width and height; 255 outside: 0,0,1,0.8",
    )  # fmt: skip


def view(args: argparse.Namespace) -> dict[str, Any]:
    """Return what was asked for of fit, roi and precision, by the names that ``open_segmenter`` and the node know."""
    return {name: value for name in ("fit", "roi", "precision") if (value := getattr(args, name)) is not None}


def _roi(text: str) -> list[float]:
    from gain_ros.fit import check_roi

    try:
        return list(check_roi([float(part) for part in text.split(",")]))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_engine(parser: argparse.ArgumentParser) -> None:
    from gain_ros.runtime.engines import ENGINES

    parser.add_argument("--engine", "-e", default="auto", choices=("auto", *ENGINES), help="default: the fastest here")


def add_precision(parser: argparse.ArgumentParser) -> None:
    from gain_ros.runtime.engines import PRECISION_CHOICES

    parser.add_argument(
        "--precision", choices=PRECISION_CHOICES,
        help="what the engine computes in; default (auto): fp16 on a GPU, on a CPU the fastest of those that cost "
        "little enough",
    )  # fmt: skip


def add_engines(parser: argparse.ArgumentParser) -> None:
    """--engines a,b and --precisions a,b; None by default: engines that are installed and run the model, in fp32."""
    from gain_ros.runtime.engines import ENGINES, PRECISION_CHOICES, available_engines

    parser.add_argument(
        "--engines", type=_names("engine", ENGINES), metavar="A,B", help=f"default: {','.join(available_engines())}"
    )
    parser.add_argument(
        "--precisions", type=_names("precision", PRECISION_CHOICES[1:]), metavar="A,B",
        help=f"each engine in those that it has of {','.join(PRECISION_CHOICES[1:])}; default: fp32, on a GPU fp16",
    )  # fmt: skip


def _names(what: str, known: Sequence[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        given = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in given if name not in known]
        if unknown or not given:
            raise argparse.ArgumentTypeError(
                f"{text!r} names no {what} {unknown}; expected some of {','.join(known)}"
                + did_you_mean(unknown[0] if unknown else "", known)
            )
        return given

    return read


def say(args: argparse.Namespace, text: str = "") -> None:
    """For people: standard output, or standard error where that belongs to the JSON line; with --quiet nowhere."""
    if not args.quiet:
        print(text, file=sys.stderr if args.json else sys.stdout, flush=True)


def print_json(result: dict[str, Any]) -> None:
    """Print the JSON line."""
    sys.stderr.flush()
    print(json.dumps(plain(result)), flush=True)


def table(rows: list[list[str]]) -> str:
    """Left-aligned columns; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


class Progress:
    """On a terminal a bar, elsewhere a line every few seconds, with the time that is left; nothing with --quiet."""

    def __init__(self, args: argparse.Namespace, what: str, total: int | None):
        self._what, self._total, self._started_s = what, total, time.monotonic()
        self._shown, self._terminal = not args.quiet, sys.stderr.isatty()
        self._period_s = _BAR_PERIOD_S if self._terminal else _LINE_PERIOD_S
        self._drawn_s = 0.0 if self._terminal else self._started_s

    def show(self, done: int) -> None:
        now_s = time.monotonic()
        last = self._terminal and done == self._total
        if not self._shown or (now_s - self._drawn_s < self._period_s and not last):
            return
        self._drawn_s = now_s
        start, end = ("\r\033[K", "") if self._terminal else ("", "\n")
        print(f"{start}{self._text(done, now_s - self._started_s)}", end=end, file=sys.stderr, flush=True)

    def _text(self, done: int, seconds: float) -> str:
        rate = done / max(1e-9, seconds)
        if not self._total:
            return f"{self._what} {done} {rate:.1f}/s"
        filled = round(24 * min(1.0, done / self._total))
        bar = f"[{'#' * filled}{'.' * (24 - filled)}] " if self._terminal else ""
        left_s = round(max(0, self._total - done) / rate) if done else None
        left = "" if left_s is None else f", {left_s // 60}:{left_s % 60:02d} left"
        return f"{self._what} {bar}{done}/{self._total} {rate:.1f}/s{left}"

    def close(self) -> None:
        if self._shown and self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


class Stages:
    """The progress of a command that goes through stages; off a terminal each stage has a line at its start too."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._stage, self._progress = "", Progress(args, "", None)

    def show(self, stage: str, done: int, total: int | None) -> None:
        if stage != self._stage:
            self._progress.close()
            self._stage, self._progress = stage, Progress(self._args, stage, total)
            if not sys.stderr.isatty() and not self._args.quiet:
                print(f"{stage} ...", file=sys.stderr, flush=True)
        self._progress.show(done)

    def close(self) -> None:
        self._progress.close()
