"""The pipeline's reporter, on the wire."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..protocol import messages
from .wire import Wire

_INTERVAL: Final = 0.1  # seconds between progress messages
_MEMORY: Final = 3.0  # seconds over which the rate is averaged


class Rate:
    """How fast a stage goes, lately: an exponential average over a few seconds.

    Args:
        clock: seconds, growing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._time: float | None = None
        self._done = 0
        self._rate = 0.0

    def update(self, done: int) -> float:
        """Units per second after `done` units in all; 0 until it is called a second time."""
        now = self._clock()
        if self._time is None:  # when these first units were begun, nobody knows
            self._time, self._done = now, done
        passed = now - self._time
        if passed > 0:
            share = 1.0 if self._rate == 0 else 1 - float(np.exp(-passed / _MEMORY))
            self._rate += share * ((done - self._done) / passed - self._rate)
            self._time, self._done = now, done
        return self._rate


class WireReporter:
    """Sends what the pipeline reports; progress ten times a second, and every stage's first and last."""

    def __init__(self, wire: Wire, cancelled: Callable[[], bool]) -> None:
        self._wire = wire
        self.cancelled = cancelled
        self._stage: str | None = None
        self._rate = Rate()
        self._sent = 0.0

    def started(self, frames: int | None, fps: float, width: int, height: int, device: str) -> None:
        self._wire.send(messages.Started(frames, fps, width, height, device))

    def progress(self, stage: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._rate = stage, Rate()
        elif done != total and now - self._sent < _INTERVAL:
            return
        rate = self._rate.update(done)
        eta = (total - done) / rate if total is not None and rate > 0 else None
        self._wire.send(messages.Progress(stage, done, total, rate, eta))
        self._sent = now

    def vertices(self, frame_index: int, person: int, vertices: NDArray[Any]) -> None:
        self._wire.send(messages.Vertices(frame_index, person, np.asarray(vertices, np.float32)))

    def wants_vertices(self) -> bool:
        return True

    def warning(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # the panel shows a few, the log has all
        self._wire.send(messages.Warning(text))
