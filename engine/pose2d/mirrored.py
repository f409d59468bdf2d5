"""Two looks at one frame, straight and in the mirror, make one detection.

The detector's errors differ between a picture and its mirror image as if half of them were new: the mean of
both is calmer and nearer to the truth than either (docs/detector-noise.md).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

MIRRORED_LANDMARK: Final = [
    0,
    4,
    5,
    6,
    1,
    2,
    3,
    8,
    7,
    10,
    9,
    *[i + 1 if i % 2 else i - 1 for i in range(11, 33)],
]
"""The landmark on the other side of the body."""
_SAME: Final = 0.06
"""Median distance, in sizes of the person, up to which two detections are one pose of one person."""
_AGREE: Final = 0.1
"""Distance of one landmark in the two looks, in sizes, up to which their mean is taken."""


def unmirrored(people: FloatArray, width: int) -> FloatArray:
    """Detections (N,33,3) in the mirror image of a frame this wide → in the frame."""
    straight = people[:, MIRRORED_LANDMARK].copy()
    straight[..., 0] = width - straight[..., 0]
    return straight


def merged(straight: FloatArray, mirrored: FloatArray) -> FloatArray:
    """The people of the straight look, with the mean of both looks where they agree.

    Where they do not, because one exchanged left and right, say, or lost the person, the straight look
    counts: it follows its people from frame to frame.

    Args:
        straight, mirrored: (N,33,3) and (M,33,3) x px, y px, confidence, both in the frame.

    Returns:
        (N,33,3)
    """
    if not len(mirrored):
        return straight
    return np.stack([_mean(person, mirrored) for person in straight]) if len(straight) else straight


def _mean(person: FloatArray, mirrored: FloatArray) -> FloatArray:
    size = max(float(np.ptp(person[:, :2], axis=0).max()), 1.0)
    apart = np.linalg.norm(mirrored[..., :2] - person[:, :2], axis=-1) / size  # (M,33)
    nearest = int(np.median(apart, axis=1).argmin())
    if np.median(apart[nearest]) > _SAME:
        return person
    agree = (apart[nearest] < _AGREE)[:, None]
    return np.where(agree, (person + mirrored[nearest]) / 2, person).astype(np.float32)
