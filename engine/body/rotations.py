"""Rotations in three dimensions, batched, numpy only.

Axis-angle vectors are axis times angle in radians, matrices act on column vectors from the left,
quaternions are unit length in the order (w, x, y, z). Every function accepts any leading batch shape,
computes in float64 and returns float64 unless the input was float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_SMALL = 1e-8


def _like(result: Array, *inputs: Array) -> Array:
    """Float32 out when everything that came in was float32."""
    return result.astype(np.float32) if all(i.dtype == np.float32 for i in inputs) else result


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-300))


def cross_matrix(vectors: npt.ArrayLike) -> Array:
    """(..., 3) vectors v -> (..., 3, 3) matrices with ``matrix @ x == cross(v, x)``."""
    v = np.asarray(vectors)
    out = np.zeros((*v.shape, 3), v.dtype)
    out[..., 0, 1], out[..., 0, 2] = -v[..., 2], v[..., 1]
    out[..., 1, 0], out[..., 1, 2] = v[..., 2], -v[..., 0]
    out[..., 2, 0], out[..., 2, 1] = -v[..., 1], v[..., 0]
    return out


def matrix_from_axis_angle(axis_angle: npt.ArrayLike) -> Array:
    """(..., 3) axis-angle -> (..., 3, 3) rotation matrices (Rodrigues' formula, series below 1e-4 rad)."""
    given = np.asarray(axis_angle)
    vector = given.astype(np.float64)
    square = np.einsum("...i,...i->...", vector, vector)[..., None, None]
    angle = np.sqrt(square)
    small = square < _SMALL
    safe = np.where(small, 1.0, angle)
    first = np.where(small, 1.0 - square / 6.0, np.sin(safe) / safe)
    second = np.where(small, 0.5 - square / 24.0, (1.0 - np.cos(safe)) / (safe * safe))
    k = cross_matrix(vector)
    return _like(np.eye(3) + first * k + second * (k @ k), given)


def quaternion_from_axis_angle(axis_angle: npt.ArrayLike) -> Array:
    """(..., 3) axis-angle -> (..., 4) unit quaternions."""
    given = np.asarray(axis_angle)
    vector = given.astype(np.float64)
    half = 0.5 * np.linalg.norm(vector, axis=-1, keepdims=True)
    return _like(np.concatenate([np.cos(half), 0.5 * np.sinc(half / np.pi) * vector], axis=-1), given)


def axis_angle_from_quaternion(quaternions: npt.ArrayLike) -> Array:
    """(..., 4) quaternions -> (..., 3) axis-angle with angle in [0, pi]."""
    given = np.asarray(quaternions)
    q = given.astype(np.float64)
    q = np.where(q[..., :1] < 0.0, -q, q)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, q[..., :1])
    small = sine < _SMALL
    scale = np.where(small, 2.0 / np.maximum(q[..., :1], 0.5), angle / np.where(small, 1.0, sine))
    return _like(scale * q[..., 1:], given)


def quaternion_from_matrix(matrices: npt.ArrayLike) -> Array:
    """(..., 3, 3) rotation matrices -> (..., 4) unit quaternions with w >= 0.

    Takes the largest of the four candidates of Shepperd (1978), so it is accurate at every angle, pi
    included.
    """
    given = np.asarray(matrices)
    m = given.astype(np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    x, y, z = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 1, 0] + m[..., 0, 1], m[..., 2, 0] + m[..., 0, 2], m[..., 2, 1] + m[..., 1, 2]
    # Four times the outer product q q^T: any row is the quaternion times one of its entries.
    rows = np.stack(
        [
            np.stack([1.0 + xx + yy + zz, x, y, z], axis=-1),
            np.stack([x, 1.0 + xx - yy - zz, xy, xz], axis=-1),
            np.stack([y, xy, 1.0 - xx + yy - zz, yz], axis=-1),
            np.stack([z, xz, yz, 1.0 - xx - yy + zz], axis=-1),
        ],
        axis=-2,
    )
    best = np.argmax(np.diagonal(rows, axis1=-2, axis2=-1), axis=-1)
    q = _unit(np.take_along_axis(rows, best[..., None, None], axis=-2)[..., 0, :])
    return _like(np.where(q[..., :1] < 0.0, -q, q), given)


def matrix_from_quaternion(quaternions: npt.ArrayLike) -> Array:
    """(..., 4) quaternions of any length but zero -> (..., 3, 3) rotation matrices."""
    given = np.asarray(quaternions)
    q = _unit(given.astype(np.float64))
    k = cross_matrix(q[..., 1:])
    return _like(np.eye(3) + 2.0 * (q[..., :1, None] * k + k @ k), given)


def axis_angle_from_matrix(matrices: npt.ArrayLike) -> Array:
    """(..., 3, 3) rotation matrices -> (..., 3) axis-angle with angle in [0, pi]."""
    return axis_angle_from_quaternion(quaternion_from_matrix(matrices))


def multiply_quaternions(a: npt.ArrayLike, b: npt.ArrayLike) -> Array:
    """Hamilton product of (..., 4) quaternions: the rotation b, then a."""
    p, q = np.asarray(a), np.asarray(b)
    w = p[..., :1] * q[..., :1] - np.sum(p[..., 1:] * q[..., 1:], axis=-1, keepdims=True)
    v = p[..., :1] * q[..., 1:] + q[..., :1] * p[..., 1:] + np.cross(p[..., 1:], q[..., 1:])
    return np.concatenate([w, v], axis=-1)


def minimal_rotation(source: npt.ArrayLike, target: npt.ArrayLike) -> Array:
    """(..., 3) vectors twice -> (..., 3, 3): the smallest rotation of source's direction onto target's.

    Opposite directions have no unique answer; then the half turn is about an axis perpendicular to source.
    """
    s, t = np.asarray(source), np.asarray(target)
    a, b = np.broadcast_arrays(_unit(s.astype(np.float64)), _unit(t.astype(np.float64)))
    # The quaternion (1 + cos, a x b) has the right direction; it vanishes only for opposite vectors.
    q = np.concatenate([1.0 + np.sum(a * b, axis=-1, keepdims=True), np.cross(a, b)], axis=-1)
    helper = np.where(np.abs(a[..., :1]) < 0.6, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    half_turn = np.concatenate([np.zeros_like(a[..., :1]), _unit(np.cross(a, helper))], axis=-1)
    opposite = np.linalg.norm(q, axis=-1, keepdims=True) < 1e-7
    return _like(matrix_from_quaternion(np.where(opposite, half_turn, q)), s, t)


def split_twist(matrices: npt.ArrayLike, axis: npt.ArrayLike) -> tuple[Array, Array]:
    """Split rotations into ``swing @ rotation(twist * axis)``.

    Args:
        matrices: (..., 3, 3) rotations.
        axis: (..., 3) direction the twist turns about, in the frame the rotation is applied to.

    Returns:
        swing (..., 3, 3), which turns the axis the shortest way, and the twist angle (...) in [-pi, pi].
    """
    given = np.asarray(matrices)
    m = given.astype(np.float64)
    unit = _unit(np.asarray(axis, np.float64))
    q = quaternion_from_matrix(m)
    twist = 2.0 * np.arctan2(np.sum(q[..., 1:] * unit, axis=-1), q[..., 0])
    twist = (twist + np.pi) % (2.0 * np.pi) - np.pi
    swing = m @ np.swapaxes(matrix_from_axis_angle(twist[..., None] * unit), -1, -2)
    return _like(swing, given), _like(twist, given)


def partial_rotation(matrices: npt.ArrayLike, fraction: float) -> Array:
    """(..., 3, 3) rotations -> the same with their angle times ``fraction`` (slerp from identity)."""
    return matrix_from_axis_angle(axis_angle_from_matrix(matrices) * fraction)
