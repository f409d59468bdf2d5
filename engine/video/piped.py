"""Frames that Blender hands over through the pipe, as a `FrameSource`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..errors import EngineError
from .frames import Frame, VideoInfo


class PipedFrames:
    """A `FrameSource` over frames that arrive one by one; it can be iterated once.

    Args:
        info: what the sender announced.
        receive: blocks for the next frame, None after the last. Called only when a frame is wanted, so
            nothing piles up here: the pipe fills and the sender waits.
        first_frame, last_frame: which frames to use, inclusive; None for the end.

    Raises:
        EngineError: a frame of another size than announced, frames out of order, or none at all.
    """

    def __init__(
        self,
        info: VideoInfo,
        receive: Callable[[], Frame | None],
        first_frame: int = 0,
        last_frame: int | None = None,
    ) -> None:
        self.info = info
        self.warnings: list[str] = []
        self._receive = receive
        self._first, self._last = first_frame, last_frame

    def __iter__(self) -> Iterator[Frame]:
        wanted = self.info.height, self.info.width, 3
        last: Frame | None = None
        used = 0
        while (frame := self._receive()) is not None:
            if frame.image.shape != wanted:
                raise EngineError(
                    f"Frame {frame.index} is {frame.image.shape[1]}x{frame.image.shape[0]} px but"
                    f" {wanted[1]}x{wanted[0]} was announced; all frames must have one size."
                )
            if last is not None and (frame.index <= last.index or frame.time <= last.time):
                raise EngineError(
                    f"Frame {frame.index} came after frame {last.index}; send frames in order.", "protocol"
                )
            last = frame
            if frame.index >= self._first and (self._last is None or frame.index <= self._last):
                used += 1
                yield frame
        if used == 0:
            raise EngineError("No frame arrived to capture; check the frame range.")
        if self.info.frame_count is not None and used < self.info.frame_count:
            self.warnings.append(
                f"Only {used} of {self.info.frame_count} frames arrived; the take ends early."
            )

    def close(self) -> None:
        """Nothing to release: the pipe belongs to the caller."""
