"""What a person wears: colours of torso and legs, to tell people apart when they cross or come back."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..video.frames import Image

# (from, to) landmarks of lines across cloth, MediaPipe's order: torso, then thighs and shins.
_TORSO: Final = ((11, 23), (12, 24), (11, 24), (12, 23))
_LEGS: Final = ((23, 25), (24, 26), (25, 27), (26, 28))
_STEPS: Final = np.linspace(0.1, 0.9, 9, dtype=np.float32)[:, None]
_LEVELS: Final = 4
SIZE: Final = 2 * _LEVELS**3


def appearance(image: Image, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Root histogram (SIZE,) of the RGB colours on torso and legs; the dot product of two is 0-1, 1 if equal.

    Args:
        image: (H,W,3) uint8 RGB.
        points: (33,3) x px, y px, confidence.
    """
    return np.concatenate([_histogram(image, points, _TORSO), _histogram(image, points, _LEGS)]) * np.float32(
        0.5**0.5
    )


def _histogram(
    image: Image, points: NDArray[np.float32], lines: tuple[tuple[int, int], ...]
) -> NDArray[np.float32]:
    ends = points[np.asarray(lines), :2]
    samples = (ends[:, None, 0] * (1 - _STEPS) + ends[:, None, 1] * _STEPS).reshape(-1, 2)
    height, width = image.shape[:2]
    inside = ((samples >= 0) & (samples < (width, height))).all(1)
    x, y = samples[inside].astype(int).T
    colours = image[y, x].astype(int) * _LEVELS // 256
    bins = (colours * (_LEVELS**2, _LEVELS, 1)).sum(1)
    counts = np.bincount(bins, minlength=_LEVELS**3).astype(np.float32) + np.float32(0.05)
    return np.asarray(np.sqrt(counts / counts.sum()), np.float32)
