"""What the rest of the engine knows about a video, wherever the frames come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class VideoInfo:
    """A video as it is shown.

    Attributes:
        width, height: pixels of the upright picture.
        fps: frames per second; the average when the rate varies.
        frame_count: how many frames will come, None when the file does not say.
        duration: seconds of the whole video, None when the file does not say.
    """

    width: int
    height: int
    fps: float
    frame_count: int | None
    duration: float | None


@dataclass(frozen=True)
class Frame:
    """One frame: index in the video, presentation time in seconds, upright picture (H,W,3) uint8 RGB."""

    index: int
    time: float
    image: Image


class FrameSource(Protocol):
    """Frames in order of presentation. `warnings` grows while iterating; read it at the end."""

    @property
    def info(self) -> VideoInfo: ...

    @property
    def warnings(self) -> list[str]: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...
