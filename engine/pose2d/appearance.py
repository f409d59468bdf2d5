"""What a person wears: colours of torso and legs, to tell people apart when they cross or come back."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..video.frames import Image

# (from, to) landmarks of lines across cloth, MediaPipe's order: four on the torso, then thighs and shins.
_LINES: Final = np.array([(11, 23), (12, 24), (11, 24), (12, 23), (23, 25), (24, 26), (25, 27), (26, 28)])
_STEPS: Final = np.linspace(0.1, 0.9, 9, dtype=np.float32)[:, None]
_LEVELS: Final = 4
_PART: Final = np.repeat([0, _LEVELS**3], 4 * len(_STEPS))  # of every sample, in order
SIZE: Final = 2 * _LEVELS**3


def appearance(image: Image, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Root histogram (SIZE,) of the RGB colours on torso and legs; the dot product of two is 0-1, 1 if equal.

    Args:
        image: (H,W,3) uint8 RGB.
        points: (33,3) x px, y px, confidence.
    """
    start, end = points[_LINES.T, None, :2]
    samples = (start * (1 - _STEPS) + end * _STEPS).reshape(-1, 2)
    height, width = image.shape[:2]
    inside = ((samples >= 0) & (samples < (width, height))).all(1)
    x, y = samples[inside].astype(np.intp).T
    red, green, blue = image[y, x].T // (256 // _LEVELS)
    bins = (red * _LEVELS + green) * _LEVELS + blue + _PART[inside]
    counts = np.bincount(bins, minlength=SIZE).astype(np.float32).reshape(2, -1) + np.float32(0.05)
    shares = counts / (2 * counts.sum(axis=1, keepdims=True))
    return np.asarray(np.sqrt(shares), np.float32).reshape(-1)
