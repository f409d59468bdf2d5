"""Decode a video file with PyAV: true presentation times, upright RGB, one frame in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ..errors import EngineError
from .clock import Clock
from .frames import Frame, Image, VideoInfo

# A playlist may not lead FFmpeg to the network: only files.
_OPEN_OPTIONS = {"protocol_whitelist": "file"}
_THREADS = min(4, os.cpu_count() or 1)
_MAX_SIDE = 16384
_LONG_AGO = 3600.0
"""Seconds. A clock that shows more at a file's start tells the time of day, which a take's float32 cannot."""


class VideoFile:
    """A `FrameSource` over a file; every iteration decodes it from the start.

    Args:
        path: any video FFmpeg reads. Never taken for a URL.
        first_frame, last_frame: which frames to deliver, inclusive, counted from 0 in order of presentation.

    Times are the file's own presentation times in seconds, from the start of the file where it keeps a clock
    (MPEG-TS, the time of day); they always rise. Pictures are turned as the display matrix says and scaled to
    square pixels.

    Raises:
        EngineError: no such file, no video in it, or a frame range outside it. A file that is cut short or
            damaged delivers what can be decoded, then adds a sentence to `warnings`.
    """

    def __init__(self, path: Path | str, first_frame: int = 0, last_frame: int | None = None) -> None:
        self.path = Path(path)
        self.warnings: list[str] = []
        self._first, self._last = first_frame, last_frame
        if first_frame < 0 or (last_frame is not None and last_frame < first_frame):
            raise EngineError(
                f"The frame range {first_frame} to {last_frame} is empty; give a later last frame."
            )
        with self._open() as (container, stream):
            frame = next(_decoded(container, stream, []), None)
            if frame is None:
                raise EngineError(
                    f"{self.path} holds no picture that can be decoded; record or export it again."
                )
            self._total = stream.frames or None
            self.info = self._probe(stream, _upright_size(frame, stream))

    def __iter__(self) -> Iterator[Frame]:
        self.warnings.clear()
        damage: list[str] = []
        clock, time, index = Clock(self.info.fps), 0.0, -1
        with self._open() as (container, stream):
            origin = _origin(container)
            size = self.info.height, self.info.width
            for index, frame in enumerate(_decoded(container, stream, damage)):
                if self._last is not None and index > self._last:
                    index -= 1
                    break
                time = clock.time(None if frame.time is None else frame.time - origin)
                if index >= self._first:
                    yield Frame(index, time, upright(frame, size))
        if index < self._first:
            raise EngineError(
                f"The capture starts at frame {self._first} but {self.path} ends before; start it earlier."
            )
        self._judge_the_end(index, time, damage)

    def close(self) -> None:
        """Nothing stays open between iterations."""

    def _judge_the_end(self, index: int, time: float, damage: list[str]) -> None:
        reached_last = self._last is not None and index >= self._last
        decoded = index + 1
        # An edit list may hide a frame or two, so only a real gap counts as cut short.
        counted_short = self._total is not None and decoded < self._total - max(2, self._total // 50)
        timed_short = (
            self._total is None and self.info.duration is not None and time < self.info.duration - 1.0
        )
        if not reached_last and (counted_short or timed_short):
            expected = f" of {self._total}" if self._total else ""
            self.warnings.append(
                f"{self.path.name} is cut short: {decoded}{expected} frames could be decoded and are used."
            )
        elif damage:
            self.warnings.append(
                f"{self.path.name} is damaged: {len(damage)} parts could not be decoded and are left out."
            )

    def _probe(self, stream: VideoStream, size: tuple[int, int]) -> VideoInfo:
        rate = stream.average_rate or stream.guessed_rate
        fps = float(rate) if rate else 30.0
        if not 0.01 < fps < 10_000:
            fps = 30.0
        duration = None
        if stream.duration is not None and stream.time_base is not None:
            duration = float(stream.duration * stream.time_base)
        elif tag := stream.metadata.get("DURATION"):
            duration = _clock(tag)
        count = self._total
        if count is not None or self._last is not None:
            end = min(n for n in (count, None if self._last is None else self._last + 1) if n is not None)
            count = max(end - self._first, 0)
        if self._total is not None and self._first >= self._total:
            raise EngineError(
                f"The capture starts at frame {self._first} but {self.path} has {self._total}; start earlier."
            )
        return VideoInfo(size[1], size[0], fps, count, duration)

    @contextmanager
    def _open(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        # PyAV logs nothing unless asked; asked (at any level), its callback wants the interpreter lock from
        # decoder threads and deadlocks on close.
        if self.path.is_dir():
            raise EngineError(f"{self.path} is a folder; choose a video file in it.")
        if not self.path.exists():
            raise EngineError(f"There is no file at {self.path}; check the path.")
        with ExitStack() as stack:
            try:
                container = stack.enter_context(av.open(f"file:{self.path}", options=_OPEN_OPTIONS))
            except PermissionError as error:
                raise EngineError(f"{self.path} may not be read; change its permissions.") from error
            except (av.FFmpegError, OSError, ValueError) as error:
                raise EngineError(
                    f"{self.path} is not a video that can be read, or its end is missing;"
                    " export it again as MP4 (H.264)."
                ) from error
            pictures = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
            if not pictures:
                raise EngineError(f"{self.path} holds no video track; choose a file with a picture.")
            stream = pictures[0]
            if stream.codec_context is None:
                raise EngineError(
                    f"{self.path} uses a codec that cannot be decoded; export it again as MP4 (H.264)."
                )
            if max(stream.width, stream.height) > _MAX_SIDE:
                raise EngineError(
                    f"{self.path} is {stream.width}x{stream.height} px; scale it to 4K or less."
                )
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = _THREADS
            yield container, stream


def upright(frame: VideoFrame, size: tuple[int, int]) -> Image:
    """The picture as a player shows it, (H,W,3) uint8 RGB, C-contiguous; `size` is its (H,W)."""
    transpose, flip_x, flip_y = _orientation(frame)
    height, width = size[::-1] if transpose else size
    image = frame.to_ndarray(width=width, height=height, format="rgb24")
    image = image.swapaxes(0, 1) if transpose else image
    image = image[:, ::-1] if flip_x else image
    image = image[::-1] if flip_y else image
    return np.ascontiguousarray(image, dtype=np.uint8)


def _upright_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """(H,W) of the upright picture with square pixels."""
    ratio = float(stream.sample_aspect_ratio or 1)
    width = max(round(frame.width * ratio), 1) if 0.1 < ratio < 10 else frame.width
    return (width, frame.height) if _orientation(frame)[0] else (frame.height, width)


def _orientation(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """(transpose, flip x, flip y), in that order, from the display matrix: one of EXIF's eight.

    FFmpeg's 3x3 row-major int32 matrix maps (x, y) to (a x + c y, b x + d y), both with y down
    (libavutil/display.h).
    """
    data = cast(Any, frame.side_data).get(Type.DISPLAYMATRIX)
    if data is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, c < 0, b < 0
    return False, a < 0, d < 0


def _decoded(container: InputContainer, stream: VideoStream, damage: list[str]) -> Iterator[VideoFrame]:
    """Every frame that can be decoded, in order of presentation; what cannot is noted in `damage`."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError) as error:
            damage.append(str(error))
            return
        if packet is None:
            return
        try:
            yield from stream.decode(packet)
        except (av.FFmpegError, OSError) as error:
            damage.append(str(error))


def _origin(container: InputContainer) -> float:
    """Seconds that the file's clock shows at its start, where that means nothing to the take."""
    start = max(container.start_time or 0, 0) / av.time_base
    return start if "mpegts" in container.format.name or start > _LONG_AGO else 0.0


def _clock(text: str) -> float | None:
    """Seconds of Matroska's "01:02:03.450000000"."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None
