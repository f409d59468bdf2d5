"""Which parts of which foot stand on the ground: slow and low, with hysteresis.

    regressor = contact_regressor(v_template, weights)     # (4,V): left heel, left toe, right heel, right toe
    points = regressor @ vertices[frame]                   # (4,3)
    slow = slow_feet(times, points_camera)                 # (F,4) bool, while the ground is unknown
    contact = detect_contacts(times, points_world)         # (F,4) bool; world: Z up, floor at 0

Speeds and heights are in metres and seconds, so the frame rate does not matter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .infill import Array, Mask
from .smoothing import smooth_values

SPEED_ON, SPEED_OFF = 0.25, 0.50  # m/s
HEIGHT_ON, HEIGHT_OFF = 0.05, 0.10  # metres above where this point usually stands
SPEED_WIDTH = 0.05  # seconds: noise is averaged over about this much before the speed is taken
SHORTEST = 0.08  # seconds: shorter contacts and shorter gaps between contacts are noise


def contact_regressor(v_template: Array, weights: Array, *, count: int = 8) -> sparse.csr_array:
    """Where a foot stands, read off the sole: (4,V) rows of equal weights on `count` vertices, summing to 1.

    Heel: the rearmost vertices of the lowest 1.5 cm of what the ankle and foot joints move (7, 10 left, 8, 11
    right in SMPL's order). Toe: the ball of the foot, which stays when the heel rises.

    Args:
        v_template: (V,3) T-pose, y up, facing +z.  weights: (V,24).
    """
    rows = []
    for joints in ((7, 10), (8, 11)):
        foot = np.flatnonzero(np.asarray(weights)[:, joints].sum(axis=1) > 0.5)
        height, forward = np.asarray(v_template)[foot, 1], np.asarray(v_template)[foot, 2]
        sole = foot[height < height.min() + 0.015]
        along = np.asarray(v_template)[sole, 2]
        ball = forward.min() + 0.78 * np.ptp(forward)
        rows += [sole[np.argsort(along)[:count]], sole[np.argsort(np.abs(along - ball))[:count]]]
    return _means(rows, len(v_template))


def toe_tip_regressor(v_template: Array, weights: Array, *, count: int = 8) -> sparse.csr_array:
    """The tips of the toes (2,V), left and right, arguments as of `contact_regressor`.

    They make no contact of their own, but toes that bend freely may not bend through the floor.
    """
    rows = []
    for joint in (10, 11):
        toes = np.flatnonzero(np.asarray(weights)[:, joint] > 0.5)
        height = np.asarray(v_template)[toes, 1]
        sole = toes[height < height.min() + 0.015]
        rows.append(sole[np.argsort(-np.asarray(v_template)[sole, 2])[:count]])
    return _means(rows, len(v_template))


def _means(rows: list[NDArray[np.int64]], count: int) -> sparse.csr_array:
    """Each row the mean of some of `count` vertices."""
    index = np.concatenate(rows)
    row = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    data = np.concatenate([np.full(len(r), 1 / len(r)) for r in rows])
    return sparse.csr_array((data, (row, index)), shape=(len(rows), count))


def detect_contacts(
    times: Array, points: Array, *, ray: Array | None = None, visible: Mask | None = None
) -> Mask:
    """Contacts (F,4) of contact points (F,4,3) in the world (metres, Z up, floor at 0).

    Heights are measured from where each point stands when it is low, so a heel landmark inside the foot works
    as well as a sole vertex. A point must be slow and low to make contact, and fast or high to lose it.

    Args:
        times: (F,) seconds.
        ray: (3,) the camera's viewing direction in the same axes; speed along it counts a third, because
            depth is noisy.
        visible: (F,) False frames have no contact.
    """
    points = np.asarray(points, dtype=np.float64)
    speed = point_speed(times, points, ray=ray)
    height = points[..., 2]
    usual = np.clip(np.quantile(height, 0.1, axis=0), -0.05, 0.12)
    height = height - usual
    on = (speed < SPEED_ON) & (height < HEIGHT_ON)
    off = (speed > SPEED_OFF) | (height > HEIGHT_OFF)
    return _clean(times, _hysteresis(on, off), visible)


def slow_feet(times: Array, points: Array, *, ray: Array | None = None, visible: Mask | None = None) -> Mask:
    """Points that hardly move (F,4), from speed alone: contact candidates while the ground is unknown."""
    speed = point_speed(times, points, ray=ray)
    return _clean(times, _hysteresis(speed < SPEED_ON, speed > SPEED_OFF), visible)


def point_speed(times: Array, points: Array, *, ray: Array | None = None) -> NDArray[np.float64]:
    """Speed (F,K) in m/s of points (F,K,3), lightly smoothed; motion along `ray` (3,) counts a third."""
    times = np.asarray(times, dtype=np.float64)
    if len(times) < 3:
        return np.zeros(np.shape(points)[:2])
    velocity = np.gradient(smooth_values(times, points, SPEED_WIDTH), times, axis=0)
    if ray is not None:
        direction = np.asarray(ray, dtype=np.float64) / max(float(np.linalg.norm(ray)), 1e-9)
        velocity = velocity - (2 / 3) * (velocity @ direction)[..., None] * direction
    return np.asarray(np.linalg.norm(velocity, axis=-1))


def runs(flags: Mask) -> list[tuple[int, int]]:
    """The stretches [start, stop) where a (F,) mask is True."""
    edge = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edge.reshape(-1, 2)]


def _hysteresis(on: Mask, off: Mask) -> Mask:
    """State (F,K): set by `on`, kept until `off`. The last frame at which either spoke decides."""
    frames = np.arange(len(on))[:, None]
    last_on = np.maximum.accumulate(np.where(on, frames, -1), axis=0)
    last_off = np.maximum.accumulate(np.where(off, frames, -1), axis=0)
    forward = last_on > last_off
    # Also backwards in time, so that a landing foot counts from when it was last fast, not from when it is
    # quite still.
    next_on = np.minimum.accumulate(np.where(on, frames, len(on))[::-1], axis=0)[::-1]
    next_off = np.minimum.accumulate(np.where(off, frames, len(on))[::-1], axis=0)[::-1]
    return np.asarray(~off & (forward | (next_on < next_off)))


def _clean(times: Array, state: Mask, visible: Mask | None) -> Mask:
    """Fills short gaps, then drops short contacts."""
    times = np.asarray(times, dtype=np.float64)
    state = state.copy()
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    for column in state.T:
        for a, b in runs(~column):
            if a > 0 and b < len(column) and times[b - 1] - times[a] + step < SHORTEST:
                column[a:b] = True
        for a, b in runs(column):
            if times[b - 1] - times[a] + step < SHORTEST and len(column) > 2:
                column[a:b] = False
    if visible is not None:
        state &= np.asarray(visible, dtype=bool)[:, None]
    return state
