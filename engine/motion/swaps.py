"""Left and right exchanged by the detector for some frames: found by continuity over time, and put back.

    keypoints, swapped = unswap(times, keypoints, visible)

A detector that mistakes a chest for a back exchanges all left and right points at once, between one frame and
the next, while a person who really turns passes through a profile where left and right lie on each other. So
the exchange is the sequence of states "as detected" or "exchanged", for upper and lower body together or
apart, along which the points travel least (Viterbi), with a small cost for every exchanged frame: the
majority is believed.
"""

from __future__ import annotations

import numpy as np

from ..pose2d.mirrored import MIRRORED_LANDMARK
from .infill import Array, Mask

MIRROR = np.array(MIRRORED_LANDMARK)
UPPER, LOWER = np.arange(0, 23), np.arange(23, 33)
STAY_COST = 0.002  # body heights per frame for believing in an exchange
SPLIT_COST = 0.01  # the same for exchanging only the upper or only the lower body
LONGEST_STEP = 0.25  # body heights: a point that moves further in one frame is lost, and says no more
GAP = 0.5  # seconds unseen after which nothing is known about continuity


def unswap(times: Array, keypoints: Array, visible: Mask | None = None) -> tuple[Array, Mask]:
    """Keypoints with exchanged sides put back.

    Args:
        times: (F,) seconds.  keypoints: (F,33,3) px, px, confidence.  visible: (F,) or None for all.

    Returns:
        keypoints (F,33,3), a copy, and swapped (F,2) bool: upper body, lower body.
    """
    keypoints = np.array(keypoints)
    seen = np.ones(len(keypoints), dtype=bool) if visible is None else np.asarray(visible, dtype=bool)
    frames = np.flatnonzero(seen & np.isfinite(keypoints).all(axis=(1, 2)))
    swapped = np.zeros((len(keypoints), 2), dtype=bool)
    if len(frames) < 3:
        return keypoints, swapped
    states = np.array([[False, False], [True, True], [True, False], [False, True]])
    points = np.asarray(keypoints[frames], dtype=np.float64)
    height = max(float(np.median(np.linalg.norm(np.ptp(points[..., :2], axis=1), axis=-1))), 1e-6)
    options = np.stack([_exchanged(points, *state) for state in states], axis=1)  # (f,4,33,3)
    elapsed = np.diff(np.asarray(times, dtype=np.float64)[frames])
    own = STAY_COST * states.any(axis=1) + SPLIT_COST * (states[:, 0] != states[:, 1])
    cost, back = own.copy(), np.zeros((len(frames), 4), dtype=np.int64)
    for i in range(1, len(frames)):
        step = _travel(options[i - 1], options[i], height) if elapsed[i - 1] < GAP else np.zeros((4, 4))
        through = cost[:, None] + step
        back[i] = np.argmin(through, axis=0)
        cost = through.min(axis=0) + own
    state = int(np.argmin(cost))
    for i in range(len(frames) - 1, -1, -1):
        swapped[frames[i]] = states[state]
        keypoints[frames[i]] = options[i, state]
        state = int(back[i, state])
    return keypoints, swapped


def _exchanged(points: Array, upper: bool, lower: bool) -> Array:
    out = points.copy()
    for flag, group in ((upper, UPPER), (lower, LOWER)):
        if flag:
            out[:, group] = points[:, MIRROR[group]]
    return out


def _travel(before: Array, after: Array, height: float) -> Array:
    """(4,4) mean distance, in body heights, from every option before to every option after."""
    way = np.linalg.norm(before[:, None, :, :2] - after[None, :, :, :2], axis=-1) / height
    weight = np.minimum(before[:, None, :, 2], after[None, :, :, 2]) + 1e-3
    return np.asarray((np.minimum(way, LONGEST_STEP) * weight).sum(-1) / weight.sum(-1))
