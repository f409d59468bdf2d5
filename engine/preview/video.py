"""The captured bodies drawn over their video, as an H.264 MP4 that keeps every frame's presentation time."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError
from ..protocol.take import Take
from ..video.decode import VideoFile
from .overlay import BODY_COLOR, Image, draw_mesh

COLORS = (BODY_COLOR, (255, 176, 110), (150, 226, 130), (236, 140, 214), (240, 220, 110))
CLOCK = Fraction(1, 90_000)


def render_preview(
    take_path: Path | str,
    video_path: Path | str,
    out_path: Path | str,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Draws every visible person of a take over the frames it was captured from.

    Args:
        take_path: the take.
        video_path: the video the take was made from.
        out_path: the MP4 to write; replaced only when it is complete.
        progress: called with (frames done, frames in the take) after each frame.

    Returns:
        The number of frames written.

    Raises:
        EngineError: the take or the video cannot be read, they do not belong together, or the MP4 cannot be
            written.
    """
    take = Take.open(take_path)
    source = VideoFile(video_path, int(take.frame_index[0]), int(take.frame_index[-1]))
    row = {int(index): frame for frame, index in enumerate(take.frame_index)}
    written = 0
    with mp4_writer(Path(out_path), source.info.width, source.info.height, take.fps) as write:
        for frame in source:
            if frame.index in row:
                write(frame.time, draw_people(frame.image, take, row[frame.index]))
                written += 1
                if progress:
                    progress(written, take.frames)
        if written < take.frames:
            raise EngineError(
                f"{video_path} has only {written} of the take's {take.frames} frames; give the video that it "
                "was captured from."
            )
    return written


def draw_people(image: Image, take: Take, frame: int) -> Image:
    """The picture with everyone who is visible in the take's frame drawn over it, the farthest first."""
    seen = [person for person in range(take.people) if take.visible[person, frame]]
    for person in sorted(seen, key=lambda person: -take.trans[person, frame, 2]):
        vertices = take.vertices(person, frame, frame + 1)[0]
        color = COLORS[person % len(COLORS)]
        image = draw_mesh(image, vertices, take.faces, take.camera_matrix, color)
    return image


@contextmanager
def mp4_writer(path: Path, width: int, height: int, fps: float) -> Iterator[Callable[[float, Image], None]]:
    """A function that appends (time in s, (H,W,3) uint8 RGB) to a new MP4; times must not go backwards.

    H.264 wants even sizes, so an odd last row or column is left out. The file appears under its name only
    when the block ends without an error.

    Raises:
        EngineError: the file cannot be written.
    """
    if min(width, height) < 2:
        raise EngineError(f"A video of {width}x{height} px is too small for MP4; use a larger one.")
    temporary = path.with_name(f".{path.stem}.part{path.suffix or '.mp4'}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        container = av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"})
        try:
            with container:
                rate = Fraction(fps).limit_denominator(100_000)
                stream: Any = container.add_stream(
                    "libx264", rate=rate, options={"preset": "veryfast", "crf": "19"}
                )
                stream.width, stream.height = width - width % 2, height - height % 2
                stream.pix_fmt = "yuv420p"
                stream.time_base = stream.codec_context.time_base = CLOCK
                clock = _Clock(rate)

                def write(time: float, image: Image) -> None:
                    container.mux(
                        stream.encode(_video_frame(image[: stream.height, : stream.width], clock.tick(time)))
                    )

                yield write
                container.mux(stream.encode())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        advice = "free some disk space" if full else "choose a folder that can be written to"
        raise EngineError(
            f"{path} cannot be written ({error.strerror or error}); {advice}.", "disk"
        ) from error


class _Clock:
    """Presentation times as ticks of the file, counted from the first frame and never standing still."""

    def __init__(self, rate: Fraction) -> None:
        self._start: float | None = None
        self._last = -1
        self.frame_ticks = max(1, round(1 / (rate * CLOCK)))

    def tick(self, time: float) -> tuple[int, int]:
        """(presentation time, duration) in ticks."""
        if self._start is None:
            self._start = time
        self._last = max(self._last + 1, round(float(time - self._start) / float(CLOCK)))
        return self._last, self.frame_ticks


def _video_frame(image: NDArray[np.uint8], ticks: tuple[int, int]) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    frame.pts, frame.duration = ticks
    frame.time_base = CLOCK
    return frame
