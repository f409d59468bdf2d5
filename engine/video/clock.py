"""Presentation times that always go forward, whatever a file says."""

from __future__ import annotations

import math


class Clock:
    """Turns the times that a file gives its frames into times that rise from frame to frame.

    Joined recordings set their clock back, coarse time bases give two frames the same tick. Everything that
    follows divides by the time between frames, so neither may reach it.

    Args:
        fps: frames per second, for the steps that the file does not tell.
    """

    def __init__(self, fps: float) -> None:
        self._step = 1.0 / fps
        self._last = -math.inf
        self._offset = 0.0

    def time(self, said: float | None) -> float:
        """The next frame's time, s: what the file said, or None, put right where it does not rise."""
        if said is None:
            time = max(self._last, -self._step) + self._step
        else:
            time = said + self._offset
            if time <= self._last - self._step:  # set back: it goes on from here
                self._offset += self._last + self._step - time
                time = self._last + self._step
            elif time <= self._last:  # the same tick: half a frame, so as not to push away the next
                time = self._last + self._step / 2
        self._last = time
        return time
