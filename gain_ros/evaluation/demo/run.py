"""One run of the demo: a source played to the real node; what came out as plain values."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from gain_ros.evaluation.live.session import Settings, run_session
from gain_ros.sources.source import Report, Source

MOST_SECONDS, LIVE_SECONDS = 30.0, 10.0


@dataclass(frozen=True)
class DemoRun:
    """What was seen: frame index to stamp as sent, stamp to mask as received, and the node's own last account."""

    sent: dict[int, int]
    masks: dict[int, Any]
    diagnostics: dict[str, str]
    live_frames: dict[int, np.ndarray]

    @property
    def published(self) -> int:
        return int(self.diagnostics.get("published") or 0)

    def latency_ms(self) -> np.ndarray:
        """From publishing a frame to receiving its mask, in the order sent; float64 (received,)."""
        stamps = [stamp for stamp in self.sent.values() if stamp in self.masks]
        return np.array([(self.masks[stamp].received_ns - stamp) / 1e6 for stamp in stamps])


@contextlib.contextmanager
def demo_run(source: Source, model: Path, engine: str, report: Report) -> Iterator[DemoRun]:
    """Play the source through the real node. Takes the source's first MOST_SECONDS (LIVE_SECONDS of a webcam).

    The masks can be read as long as the context lasts.

    Args:
        source: what to play; the player opens it again by its name.
        model: model folder.
        engine: name of an engine, or auto.
        report: called with what happens, how much of it is done, and of how much.

    Raises:
        GraphError: a process did not start or ended early; the text holds its last lines.
    """
    limit = round(source.rate_hz * (LIVE_SECONDS if source.live else MOST_SECONDS))
    with TemporaryDirectory(prefix="gain_demo_") as scratch:
        settings = Settings(model, engine, limit=min(limit, source.length or limit))
        seen = run_session(source, settings, Path(scratch), report)
        sent = {index: frame.stamp_ns for index, frame in seen.sent.items()}
        masks = {mask.stamp_ns: mask for mask in seen.masks}
        kept = {int(path.stem): np.load(path) for path in sorted(Path(scratch).glob("*.npy"))}
        yield DemoRun(sent, masks, seen.diagnostics, kept)
