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

"""Prefetching: an iterator that runs in a thread of its own, a few items before they are asked for."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(items: Iterable[Item], most: int = 4) -> Generator[Item, None, None]:
    """Yield the same items in the same order; at most ``most`` wait. An error is raised where its item would be."""
    ready: queue.Queue[tuple[list[Item], Exception | None] | None] = queue.Queue(most)
    stop = threading.Event()

    def make() -> None:
        try:
            for item in items:
                ready.put(([item], None))
                if stop.is_set():
                    return
            ready.put(None)
        except Exception as error:  # raised again where the items are used
            ready.put(([], error))

    thread = threading.Thread(target=make, name="prefetch", daemon=True)
    thread.start()
    try:
        while (made := ready.get()) is not None:
            one, error = made
            if error is not None:
                raise error
            yield from one
    finally:
        stop.set()
        while thread.is_alive():  # it may wait for room in the queue
            with contextlib.suppress(queue.Empty):
                ready.get_nowait()
            thread.join(0.01)
