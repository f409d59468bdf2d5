"""Feet on the ground: where standing soles belong, and how much they slide.

    targets, weights = foot_anchors(times, points_world, contact)     # for fit.snap's pins
    slide = foot_slide(points, contact)                               # mm per frame

Moving the whole body to hold a foot pulls it off the person in the picture. The anchors are therefore handed
to `snap_to_detections` as pins, where the leg gives way first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .contacts import runs
from .infill import Array, Mask

RAMP = 0.25  # seconds
# Metres: contacts nearer to the floor stand on it, from twice this on they stand elsewhere.
NEAR_FLOOR = 0.05


def foot_anchors(
    times: Array, points: Array, contact: Mask, *, sunk: float = 0.01
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where contact points should be: during each contact their median place, on the floor if it is near;
    never below.

    The way there is added to the point's own motion, in full during the contact and fading over `RAMP`
    seconds outside it (or across the gap to the next contact), so nothing pops and the foot is already right
    when it lands.

    Args:
        times: (F,) seconds.  points: (F,4,3) contact points in the world (Z up, floor at 0).  contact: (F,4).
        sunk: metres below the floor from which on a point is lifted with full weight.

    Returns:
        targets (F,4,3), and weights (F,4) in 0-1: how firmly.
    """
    times, points = np.asarray(times, dtype=np.float64), np.asarray(points, dtype=np.float64)
    targets, weights = points.copy(), np.zeros(contact.shape)
    for k in range(contact.shape[1]):
        stretches = runs(contact[:, k])
        for number, (a, b) in enumerate(stretches):
            anchor = np.median(points[a:b, k], axis=0)
            # A step up is believed; a few centimetres are the error of one camera.
            anchor[2] *= _ease((abs(anchor[2]) - NEAR_FLOOR) / NEAR_FLOOR)
            way = anchor - points[a:b, k]
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
                fade = _ease(1 - np.abs(times[outside] - edge) / min(RAMP, room)) * ~contact[outside, k]
                targets[outside, k] += fade[:, None] * value
                weights[outside, k] = np.maximum(weights[outside, k], fade)
    # Nothing sinks into the floor, unless it clearly is somewhere else: down a step, off a wall.
    depth = np.maximum(-targets[..., 2], 0.0)
    elsewhere = _ease((depth - 2 * NEAR_FLOOR) / (2 * NEAR_FLOOR))
    targets[..., 2] += depth * (1 - elsewhere)
    return targets, np.maximum(weights, _ease(depth / sunk) * (1 - elsewhere))


def _ease(x: Array) -> NDArray[np.float64]:
    """0 below 0, 1 above 1, smooth between."""
    y = np.clip(x, 0.0, 1.0)
    return np.asarray(y * y * (3 - 2 * y))


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
