"""Small clips for tests, written with PyAV: any size, rotation, frame times, codec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
CORNER = np.array([[0, 1], [2, 3]])


def quarters(width: int, height: int, index: int = 0) -> Image:
    """A picture whose quarters are red, green / blue, white, so any turn shows; dimmer with `index`."""
    image = np.zeros((height, width, 3), np.uint8)
    level = 255 - (index * 8) % 128
    image[: height // 2, : width // 2, 0] = level
    image[: height // 2, width // 2 :, 1] = level
    image[height // 2 :, : width // 2, 2] = level
    image[height // 2 :, width // 2 :] = level
    return image


def corners(image: Image) -> str:
    """The quarters of a picture of `quarters`, read row by row: "rgbw" when upright."""
    height, width = image.shape[:2]
    centres = image[height // 4 :: height // 2, width // 4 :: width // 2][:2, :2].reshape(4, 3).astype(int)
    return "".join("w" if c.min() > 60 else "rgb"[int(c.argmax())] for c in centres)


def write_clip(
    path: Path,
    count: int = 10,
    size: tuple[int, int] = (64, 48),
    fps: Fraction | int = 30,
    times: Sequence[float] | None = None,
    rotation: int = 0,
    mirror: bool = False,
    aspect: Fraction | None = None,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    picture: Callable[[int], Image] | None = None,
) -> Path:
    """Write a clip of `size` (W,H) stored pixels.

    Args:
        times: presentation times in seconds for a variable frame rate.
        rotation: counter-clockwise degrees that a player must turn the stored picture.
        picture: index -> stored picture; `quarters` unless given.
    """
    picture = picture or (lambda index: quarters(*size, index))
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=fps, options=options or {"preset": "ultrafast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p" if codec != "png" else "rgb24"
        tick = Fraction(1, 90_000) if times is not None else 1 / Fraction(fps)
        stream.codec_context.time_base = tick
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation or mirror:
            stream.set_display_rotation(rotation, hflip=mirror)
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.time_base = tick
            frame.pts = index if times is None else round(times[index] / tick)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_audio(path: Path, seconds: float = 0.5) -> Path:
    """A sound file with no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000)
        samples = np.zeros((1, int(48_000 * seconds)), np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def truncate(path: Path, keep: float) -> Path:
    """Cut a file to the first `keep` of its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path
