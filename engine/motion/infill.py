"""Gaps in a take: rotations take the shortest way across, positions go straight, and the ends hold.

    poses = infill_poses(times, poses, known)        # known (F,) or (F,J): per frame, or per frame and joint
    trans = infill_translation(times, trans, known)  # along the picture and along the ray, not through space

What is known is returned as it came.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..body.rotations import axis_angle_from_quaternion, quaternion_from_axis_angle

Array = NDArray[Any]
Mask = NDArray[np.bool_]


def infill_poses(times: Array, poses: Array, known: Mask) -> NDArray[np.float32]:
    """Axis-angle (F,J,3) with unknown entries replaced by slerp between the nearest known ones.

    Args:
        times: (F,) seconds, increasing.
        known: (F,) or (F,J). A joint that is never known keeps its values.
    """
    poses = np.asarray(poses, dtype=np.float32)
    known = np.broadcast_to(known if known.ndim == 2 else known[:, None], poses.shape[:2])
    if known.all() or not known.any():
        return poses.copy()
    before, after, way = _brackets(np.asarray(times, dtype=np.float64), known)
    q = np.asarray(quaternion_from_axis_angle(poses.astype(np.float64)))
    joint = np.arange(poses.shape[1])
    filled = axis_angle_from_quaternion(slerp(q[before, joint], q[after, joint], way[..., None]))
    keep = known | ~known.any(axis=0)
    return np.where(keep[..., None], poses, filled).astype(np.float32)


def infill_values(times: Array, values: Array, known: Mask) -> NDArray[np.float64]:
    """(F,...) with unknown frames interpolated in time, held at the ends; unchanged if nothing is known."""
    values = np.asarray(values, dtype=np.float64)
    if known.all() or not known.any():
        return values.copy()
    before, after, way = _brackets(np.asarray(times, dtype=np.float64), known[:, None])
    w = way.reshape(-1, *[1] * (values.ndim - 1))
    filled = (1 - w) * values[before[:, 0]] + w * values[after[:, 0]]
    return np.where(known.reshape(w.shape), values, filled)


def infill_translation(times: Array, trans: Array, known: Mask) -> NDArray[np.float32]:
    """Camera-frame positions (F,3): place in the picture and depth are interpolated, as a viewer expects."""
    return from_ray(infill_values(times, to_ray(trans, known), known)).astype(np.float32)


def to_ray(trans: Array, known: Mask | None = None) -> NDArray[np.float64]:
    """Camera-frame positions (F,3) to (x/z, y/z, log z), where the noise of one camera is separate. Needs z >
    0.
    """
    t = np.asarray(trans, dtype=np.float64)
    if known is not None and known.any():
        t = np.where(known[:, None], t, t[known][0])
    z = np.maximum(t[..., 2], 1e-3)
    return np.stack([t[..., 0] / z, t[..., 1] / z, np.log(z)], axis=-1)


def from_ray(ray: Array) -> NDArray[np.float64]:
    """The inverse of `to_ray`."""
    z = np.exp(ray[..., 2])
    return np.stack([ray[..., 0] * z, ray[..., 1] * z, z], axis=-1)


def slerp(a: Array, b: Array, way: Array) -> NDArray[np.float64]:
    """Unit quaternions a, b (...,4), way (...,1) in 0-1: the rotation between them, the short way round."""
    dot = (a * b).sum(-1, keepdims=True)
    b = np.where(dot < 0, -b, b)
    angle = np.arccos(np.clip(np.abs(dot), 0.0, 1.0))
    sine = np.sin(angle)
    near = sine < 1e-6
    safe = np.where(near, 1.0, sine)
    wa = np.where(near, 1 - way, np.sin((1 - way) * angle) / safe)
    wb = np.where(near, way, np.sin(way * angle) / safe)
    return np.asarray(wa * a + wb * b)


def _brackets(times: NDArray[np.float64], known: Mask) -> tuple[NDArray[np.int64], ...]:
    """For every entry of known (F,J): the nearest known frame before and after (F,J), and the way between
    (F,J), 0-1.
    """
    frames = np.arange(len(known))[:, None]
    last = len(known) - 1
    before = np.maximum.accumulate(np.where(known, frames, -1), axis=0)
    after = np.minimum.accumulate(np.where(known, frames, last + 1)[::-1], axis=0)[::-1]
    before, after = np.where(before < 0, after, before), np.where(after > last, before, after)
    before, after = np.clip(before, 0, last), np.clip(after, 0, last)
    span = times[after] - times[before]
    way = np.clip((times[:, None] - times[before]) / np.where(span > 0, span, 1.0), 0.0, 1.0)
    return before, after, np.where(span > 0, way, 0.0)
