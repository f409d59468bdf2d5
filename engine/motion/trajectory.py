"""The root's way through the world: feet that stand do not slide, and nobody sinks into the floor.

    trans_world = lock_feet(times, trans_world, contact_points_world, contact)       # (F,3)

One linear system over the whole take: the correction added to the root should make every standing point stay
where it is and at floor height, be small, and be smooth. It is banded, so a long take costs milliseconds, and
smooth by construction, so nothing pops when a contact begins or ends.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from .infill import Array, Mask

SLIDE = 1.0  # weight of a standing point's movement per frame
FLOOR = 0.05  # weight of a standing point's height (vertical only)
STAY = 2e-4  # weight of the correction itself: in the long run the measurement is believed
SMOOTH_TIME = 0.12  # seconds: bends of the correction quicker than about this are suppressed


def lock_feet(
    times: Array, trans: Array, points: Array, contact: Mask, *, strength: float = 1.0
) -> NDArray[np.float32]:
    """Root translation (F,3) in the world, corrected so that contact points stand still on the floor.

    Args:
        times: (F,) seconds.  trans: (F,3) world, metres.
        points: (F,4,3) contact points in the world, at the uncorrected translation.
        contact: (F,4).
        strength: 0 returns `trans`; 1 is full; in between blends.
    """
    correction = strength * root_correction(times, points, contact) if strength > 0 else 0.0
    return np.asarray(np.asarray(trans, dtype=np.float64) + correction, dtype=np.float32)


def root_correction(times: Array, points: Array, contact: Mask) -> NDArray[np.float64]:
    """The correction (F,3) in metres that minimises, over the take,

    SLIDE * sum |change of (point + c) between frames in contact|^2 + FLOOR * sum (height of point + c_z)^2
    + STAY * sum |c|^2 + bend * sum |c''|^2.
    """
    points = np.asarray(points, dtype=np.float64)
    frames = len(points)
    if frames < 3:
        return np.zeros((frames, 3))
    both = np.asarray(contact[1:] & contact[:-1], dtype=np.float64)  # (F-1,4)
    slide = SLIDE * both.sum(axis=1)
    moved = SLIDE * (both[..., None] * np.diff(points, axis=0)).sum(axis=1)  # (F-1,3)
    step = max(float(np.median(np.diff(times))), 1e-4)
    # A bend that lasts SMOOTH_TIME costs as much as staying corrected costs: the classic smoothing-spline
    # weight.
    bend = 0.1 * STAY * (SMOOTH_TIME / step) ** 4 + 1e-6

    def solve(axis: int) -> NDArray[np.float64]:
        standing = np.asarray(contact, dtype=np.float64) if axis == 2 else np.zeros(contact.shape)
        diagonal = np.full(frames, STAY) + FLOOR * standing.sum(axis=1)
        right = -FLOOR * (standing * points[..., axis]).sum(axis=1)
        first, second = np.zeros(frames), np.zeros(frames)  # entry i couples frame i with i-1, with i-2
        diagonal[:-1] += slide
        diagonal[1:] += slide
        first[1:] -= slide
        right[:-1] += moved[:, axis]
        right[1:] -= moved[:, axis]
        diagonal[:-2] += bend
        diagonal[1:-1] += 4 * bend
        diagonal[2:] += bend
        first[1:-1] -= 2 * bend
        first[2:] -= 2 * bend
        second[2:] += bend
        return np.asarray(solveh_banded(np.stack([second, first, diagonal]), right))

    return np.stack([solve(axis) for axis in range(3)], axis=1)


def lift_from_floor(times: Array, lowest: Array, *, allowed: float = 0.005) -> NDArray[np.float64]:
    """How far to lift the root (F,) so that the lowest point of the body (F,) metres, world Z, is not under
    the floor.

    Smooth over time and never less than needed; up to `allowed` metres of sinking (a soft sole) is left
    alone.
    """
    need = np.maximum(-np.asarray(lowest, dtype=np.float64) - allowed, 0.0)
    if not need.any() or len(need) < 3:
        return need
    # A moving maximum, then a moving mean of the same width, never falls below what it started from.
    step = max(float(np.median(np.diff(times))), 1e-4)
    reach = max(1, round(SMOOTH_TIME / step))
    padded = np.pad(need, reach, mode="edge")
    ceiling = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=1)
    window = np.hanning(2 * reach + 3)[1:-1]
    padded = np.pad(ceiling, reach, mode="edge")
    return np.asarray(
        np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1) @ (window / window.sum())
    )


def foot_slide(points: Array, contact: Mask) -> float:
    """Mean movement of contact points between frames in contact, mm per frame (world or camera frame); 0
    without contacts.
    """
    both = np.asarray(contact[1:] & contact[:-1])
    if not both.any():
        return 0.0
    return float(
        np.linalg.norm(np.diff(np.asarray(points, dtype=np.float64), axis=0), axis=-1)[both].mean() * 1e3
    )
