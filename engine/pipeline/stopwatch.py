"""Where the time of a capture goes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Seconds by stage. A stage within another is not counted twice: the outer one has what is left.

    Attributes:
        seconds: stage → seconds so far.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._within = [0.0]

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count what happens inside `with` to this stage."""
        self._within.append(0.0)
        start = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - start
            self.seconds[stage] = self.seconds.get(stage, 0.0) + took - self._within.pop()
            self._within[-1] += took

    def each(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """The same items; waiting for them is counted."""
        waiting = iter(items)
        while True:
            with self(stage):
                try:
                    item = next(waiting)
                except StopIteration:
                    return
            yield item
