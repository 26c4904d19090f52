"""Frames that were lost before they reached the node, told from gaps in the source's stamps. Knows no ROS.

With Fast DDS's defaults most large images are lost between two processes (docs/transport.md), and nothing else in ROS
says so.
"""

from __future__ import annotations

import statistics
from collections import deque

# An interval is regular, and in doubt the camera's jitter, up to half a period from the period.
_LONG, _SHORT = 1.5, 0.5


class GapCounter:
    """Counts the frames missing between the stamps of those that arrived.

    The source's period is the median of the shortest intervals seen lately, so it is right even when most frames are
    lost, as long as two neighbours arrive now and then. A gap is judged once a regular interval follows, by the time it
    took together with the short intervals behind it: a camera that was late for one frame catches up and has lost none.
    A camera that has become slower shows gaps alone, and after ``settle`` alike ones its new rate is taken over. A
    stamp that goes back (a bag that loops) and a pause of more than a second and five periods start a new stretch.

    Args:
        window: number of intervals the period is taken from.
        settle: number of intervals before anything is counted, and of equal ones that make a new rate.
    """

    def __init__(self, window: int = 48, settle: int = 8) -> None:
        self._settle = settle
        self._regular_ns: deque[int] = deque(maxlen=window)
        self._doubtful_ns: deque[int] = deque(maxlen=window)
        self._last_ns: int | None = None
        self._lost = 0

    @property
    def lost(self) -> int:
        """Frames lost so far."""
        return self._lost

    def restart(self) -> None:
        """Forget the last stamp: what follows is a new stretch. The count and the period stay."""
        self._last_ns = None
        self._doubtful_ns.clear()

    def add(self, stamp_ns: int) -> None:
        """Note the stamp of a frame that has arrived."""
        last_ns, self._last_ns = self._last_ns, stamp_ns
        if last_ns is None or stamp_ns == last_ns:
            return
        interval_ns = stamp_ns - last_ns
        period_ns = self._period_ns()
        if interval_ns < 0 or interval_ns > max(1_000_000_000, 5 * period_ns):
            self._doubtful_ns.clear()
        elif len(self._regular_ns) < self._settle:
            self._regular_ns.append(interval_ns)
        elif interval_ns > _LONG * period_ns or (self._doubtful_ns and interval_ns < _SHORT * period_ns):
            self._doubt(interval_ns)
        else:
            self._judge(period_ns)
            self._regular_ns.append(interval_ns)

    def _doubt(self, interval_ns: int) -> None:
        self._doubtful_ns.append(interval_ns)
        latest_ns = list(self._doubtful_ns)[-self._settle :]
        if len(latest_ns) == self._settle and max(latest_ns) <= _LONG * min(latest_ns):
            self._regular_ns.clear()
            self._regular_ns.extend(latest_ns)
            self._doubtful_ns.clear()

    def _judge(self, period_ns: float) -> None:
        expected = round(sum(self._doubtful_ns) / period_ns)
        self._lost += max(0, expected - len(self._doubtful_ns))
        self._doubtful_ns.clear()

    def _period_ns(self) -> float:
        if not self._regular_ns:
            return 0.0
        ordered_ns = sorted(self._regular_ns)
        shortest_ns = ordered_ns[len(ordered_ns) // 10]
        return statistics.median(interval_ns for interval_ns in ordered_ns if interval_ns <= _LONG * shortest_ns)
