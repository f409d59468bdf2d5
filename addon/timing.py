"""Video time and Blender time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FIRST_FRAME = 1
_NTSC = 1.001


def rate(fps: float) -> tuple[int, float]:
    """Blender's pair (fps, fps_base) with fps / fps_base = the video's rate, 30/1.001 for 29.97.

    Raises:
        ValueError: the rate is not a positive number.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"a frame rate must be positive, not {fps}")
    whole = max(1, round(fps))
    if abs(fps - whole) < 1e-3:  # nothing real lies this close to a whole rate, float32 rounding does
        return whole, 1.0
    nominal = math.ceil(fps)
    if abs(fps - nominal / _NTSC) < 2e-3:
        return nominal, _NTSC
    return nominal, nominal / fps


def scene_frames(
    frame_time: NDArray[np.floating], frame_index: NDArray[np.integer], fps: float
) -> NDArray[np.float64]:
    """The scene frame (F,) of every frame of a take; the first is `FIRST_FRAME`.

    A constant rate gives whole numbers, one per video frame. A variable one gives the presentation time in
    frames, so that the motion stays with the video, which Blender plays by time too.
    """
    by_index = (frame_index - frame_index[0]).astype(np.float64)
    by_time = (frame_time - frame_time[0]).astype(np.float64) * fps
    steady = np.abs(by_time - by_index).max(initial=0.0) < 0.5
    frames = by_index if steady else by_time
    return FIRST_FRAME + np.maximum.accumulate(frames)
