"""The root's way through the world: feet that stand do not slide, and nobody sinks into the floor.

    trans_world = lock_feet(times, trans_world, contact_points_world, contact, ray=ray)       # (F,3)

One linear system over the whole take: the correction added to the root should make every standing point stay
where it is and at floor height, be small, and be smooth. It is banded, so a long take costs milliseconds, and
smooth by construction, so nothing pops when a contact begins or ends.

With the viewing ray known, the correction is free along it, where one camera sees badly, and only follows
quick wobbles across it, where a correction that lasts would push the body off the person in the picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from .contacts import runs
from .infill import Array, Mask

SLIDE = 1.0  # weight of a standing point's movement per frame
FLOOR = 0.05  # weight of a standing point's height (vertical only)
STAY = 2e-4  # weight of the correction itself: in the long run the measurement is believed
ACROSS_TIME = (
    0.3  # seconds: across the viewing ray, corrections that last longer than about this are given up
)
RAMP = 0.25  # seconds
SMOOTH_TIME = 0.12  # seconds: bends of the correction quicker than about this are suppressed


def lock_feet(
    times: Array,
    trans: Array,
    points: Array,
    contact: Mask,
    *,
    ray: Array | None = None,
    strength: float = 1.0,
) -> NDArray[np.float32]:
    """Root translation (F,3) in the world, corrected so that contact points stand still on the floor.

    Args:
        times: (F,) seconds.  trans: (F,3) world, metres.
        points: (F,4,3) contact points in the world, at the uncorrected translation.
        contact: (F,4).
        ray: (3,) from the camera to the person, in the world; None treats all directions alike and pulls
            standing points to the floor.
        strength: 0 returns `trans`; 1 is full; in between blends.
    """
    correction = strength * root_correction(times, points, contact, ray) if strength > 0 else 0.0
    return np.asarray(np.asarray(trans, dtype=np.float64) + correction, dtype=np.float32)


def root_correction(
    times: Array, points: Array, contact: Mask, ray: Array | None = None
) -> NDArray[np.float64]:
    """The correction (F,3) in metres that minimises, over the take,

    SLIDE * sum |change of (point + c) between frames in contact|^2 + FLOOR * sum (height of point + c_z)^2
    + STAY * sum |c|^2 + bend * sum |c''|^2.

    With a ray, STAY is larger across it and FLOOR is 0: height is what the picture says it is.
    """
    axes = np.eye(3) if ray is None else _frame_along(np.asarray(ray, dtype=np.float64))
    points = np.asarray(points, dtype=np.float64) @ axes.T
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
    across = max(SLIDE * (step / ACROSS_TIME) ** 2, STAY)
    stay = (STAY,) * 3 if ray is None else (across, across, STAY)

    def solve(axis: int) -> NDArray[np.float64]:
        to_floor = axis == 2 and ray is None
        standing = np.asarray(contact, dtype=np.float64) if to_floor else np.zeros(contact.shape)
        diagonal = np.full(frames, stay[axis]) + FLOOR * standing.sum(axis=1)
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

    return np.stack([solve(axis) for axis in range(3)], axis=1) @ axes


def _frame_along(ray: NDArray[np.float64]) -> NDArray[np.float64]:
    """Three orthonormal rows, the last along the ray."""
    z = ray / np.linalg.norm(ray)
    x = np.cross(np.eye(3)[np.argmin(np.abs(z))], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def foot_anchors(
    times: Array, points: Array, contact: Mask
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where contact points should be: their median place during each contact, and led there and away without
    a pop.

    The way to the median is added to the point's own motion, in full during the contact and fading over
    `RAMP` seconds outside it (or across the gap to the next contact), so the foot is already right when it
    lands.

    Args:
        times: (F,) seconds.  points: (F,4,3) contact points, any still axes.  contact: (F,4).

    Returns:
        targets (F,4,3), and weights (F,4) in 0-1: how firmly.
    """
    times, points = np.asarray(times, dtype=np.float64), np.asarray(points, dtype=np.float64)
    targets, weights = points.copy(), np.zeros(contact.shape)
    for k in range(contact.shape[1]):
        stretches = runs(contact[:, k])
        for number, (a, b) in enumerate(stretches):
            way = np.median(points[a:b, k], axis=0) - points[a:b, k]
            targets[a:b, k] += way
            weights[a:b, k] = 1.0
            before = times[a] - (times[stretches[number - 1][1] - 1] if number else -np.inf)
            after = (times[stretches[number + 1][0]] if number + 1 < len(stretches) else np.inf) - times[
                b - 1
            ]
            for outside, edge, value, room in (
                (slice(0, a), times[a], way[0], before),
                (slice(b, None), times[b - 1], way[-1], after),
            ):
                near = np.clip(1 - np.abs(times[outside] - edge) / min(RAMP, room), 0.0, 1.0)
                fade = near**2 * (3 - 2 * near)
                free = ~contact[outside, k]
                targets[outside, k] += np.where(free, fade, 0.0)[:, None] * value
                weights[outside, k] = np.maximum(weights[outside, k], fade * free)
    return targets, weights


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
