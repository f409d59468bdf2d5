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
_SAME: Final = 0.15
"""Median distance, in sizes of the person, up to which two detections are one person."""
_AGREE: Final = 0.1
"""Distance of one landmark in the two looks, in sizes, up to which their mean is taken."""
_DOUBT: Final = 0.5
"""What is left of the surer one's confidence where the looks contradict each other."""


def unmirrored(people: FloatArray, width: int) -> FloatArray:
    """Detections (N,33,3) in the mirror image of a frame this wide → in the frame."""
    straight = people[:, MIRRORED_LANDMARK].copy()
    straight[..., 0] = width - straight[..., 0]
    return straight


def merged(straight: FloatArray, mirrored: FloatArray) -> FloatArray:
    """The people of both looks, each once.

    Args:
        straight, mirrored: (N,33,3) and (M,33,3) x px, y px, confidence, both in the frame.

    Returns:
        (K,33,3): those of the straight look, with the mean of both where the other saw them too, then those
        whom only the mirror showed.
    """
    left = list(range(len(mirrored)))
    people = []
    for person in straight:
        apart = [_apart(person, mirrored[other]) for other in left]
        if apart and min(apart) < _SAME:
            person = _mean(person, mirrored[left.pop(int(np.argmin(apart)))])
        people.append(person)
    return np.stack([*people, *mirrored[left]]) if people or left else straight


def _size(person: FloatArray) -> float:
    return max(float(np.ptp(person[:, :2], axis=0).max()), 1.0)


def _apart(one: FloatArray, other: FloatArray) -> float:
    return float(np.median(np.linalg.norm(one[:, :2] - other[:, :2], axis=1))) / _size(one)


def _mean(one: FloatArray, other: FloatArray) -> FloatArray:
    """Landmark by landmark; where the two contradict each other, for instance because one exchanged left and
    right, the surer.
    """
    agree = np.linalg.norm(one[:, :2] - other[:, :2], axis=1) < _AGREE * _size(one)
    surer = np.where(one[:, 2:] >= other[:, 2:], one, other) * np.array([1, 1, _DOUBT], np.float32)
    return np.where(agree[:, None], (one + other) / 2, surer).astype(np.float32)
