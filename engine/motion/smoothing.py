"""Zero-phase smoothing with time constants in seconds: calm where the person is calm, quick where not.

    smoothed = smooth_take(times, poses, trans, visible, strength=1.0)    # .poses, .trans, .infilled (F,)

Every value is replaced by the top of a parabola fitted to its neighbours in time with Gaussian weights (local
quadratic regression, Savitzky and Golay 1964 with soft edges): no lag, peaks keep their height, frames need
not be evenly spaced. The width shrinks with speed, as in the One-Euro filter (Casiez et al. 2012) but looking
both ways. Rotations are smoothed as sign-continuous quaternions; translation as place in the picture and,
much more, depth along the ray. Before that, values that disagree with the median of their neighbourhood (a
one-frame flip, a left-right swap) are thrown out and in-filled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..body.rotations import (
    axis_angle_from_matrix,
    axis_angle_from_quaternion,
    matrix_from_axis_angle,
    quaternion_from_axis_angle,
)
from .infill import Array, Mask, from_ray, infill_poses, infill_translation, infill_values, to_ray

# Widths in seconds at strength 1, per SMPL joint: the trunk is slow, hands and feet are quick.
POSE_WIDTH = np.full(24, 0.21)
POSE_WIDTH[[1, 2, 16, 17]] = 0.18  # hips, shoulders
POSE_WIDTH[[4, 5, 7, 8, 10, 11, 18, 19, 20, 21, 22, 23]] = 0.15
POSE_FAST = 5.0  # rad/s at which the width is halved
CORRECTION_WIDTH = 0.1  # seconds
KEYPOINT_WIDTH = 0.08  # seconds
KEYPOINT_FAST = 1.5  # body heights per second at which the width is halved
PICTURE_WIDTH, DEPTH_WIDTH = 0.07, 0.25  # seconds
PICTURE_FAST, DEPTH_FAST = 0.5, 0.6  # 1/s: x/z and log z per second at which the width is halved

OUTLIER_ANGLE = np.radians(30.0)
OUTLIER_DEPTH = 0.12  # log z
OUTLIER_PICTURE = 0.08  # x/z
OUTLIER_KEYPOINT = 0.08  # body heights
REDUCE_CHUNK = 512  # frames at a time
OUTLIER_WINDOW = 0.15  # seconds to either side


@dataclass(frozen=True)
class Smoothed:
    """poses (F,24,3), trans (F,3), and infilled (F,): frames whose pose or translation is not their own
    measurement.
    """

    poses: NDArray[np.float32]
    trans: NDArray[np.float32]
    infilled: Mask


def smooth_take(
    times: Array, poses: Array, trans: Array, visible: Mask | None = None, *, strength: float = 1.0
) -> Smoothed:
    """In-fills what is not visible, removes outliers, smooths.

    Args:
        times: (F,) seconds, increasing.  poses: (F,24,3).  trans: (F,3) camera frame.
        visible: (F,) False frames are in-filled; None means all are visible.
        strength: multiplies every width; 0 leaves visible frames exactly as they are (gaps are still filled).
    """
    times = np.asarray(times, dtype=np.float64)
    seen = np.ones(len(times), dtype=bool) if visible is None else np.asarray(visible, dtype=bool)
    poses = infill_poses(times, poses, seen)
    trans = infill_translation(times, trans, seen)
    infilled = ~seen
    if strength <= 0 or len(times) < 3:
        return Smoothed(poses, trans, infilled)
    bad = pose_outliers(times, poses)
    bad_trans = translation_outliers(times, trans)
    # One wrong elbow is repaired in silence; a frame counts as in-filled when most of the body in it is.
    infilled = infilled | bad_trans | bad[:, 0] | (bad.mean(axis=1) > 0.5)
    poses = smooth_poses(times, infill_poses(times, poses, ~bad), strength=strength)
    trans = smooth_translation(times, infill_translation(times, trans, ~bad_trans), strength=strength)
    return Smoothed(poses, trans, infilled)


def smooth_poses(times: Array, poses: Array, *, strength: float = 1.0) -> NDArray[np.float32]:
    """Axis-angle (F,J,3) smoothed joint by joint; J = 24 uses `POSE_WIDTH`, any other count its median."""
    if strength <= 0 or len(times) < 3:
        return np.asarray(poses, dtype=np.float32)
    known_joints = poses.shape[1] == len(POSE_WIDTH)
    width = POSE_WIDTH if known_joints else np.full(poses.shape[1], np.median(POSE_WIDTH))
    q = continuous_quaternions(poses)
    # A quaternion moves at half the rate of the rotation.
    smooth = _adaptive(np.asarray(times, dtype=np.float64), q, width * strength, POSE_FAST / 2)
    smooth /= np.linalg.norm(smooth, axis=-1, keepdims=True)
    return np.asarray(axis_angle_from_quaternion(smooth), dtype=np.float32)


def smooth_translation(times: Array, trans: Array, *, strength: float = 1.0) -> NDArray[np.float32]:
    """Camera-frame positions (F,3): a little in the picture, much more along the ray."""
    if strength <= 0 or len(times) < 3:
        return np.asarray(trans, dtype=np.float32)
    times = np.asarray(times, dtype=np.float64)
    ray = to_ray(trans)[:, None]  # (F,1,3)
    picture = _adaptive(times, ray[..., :2], np.array([PICTURE_WIDTH * strength]), PICTURE_FAST)
    depth = _adaptive(times, ray[..., 2:], np.array([DEPTH_WIDTH * strength]), DEPTH_FAST)
    return from_ray(np.concatenate([picture, depth], axis=-1)[:, 0]).astype(np.float32)


def smooth_keypoints(
    times: Array, keypoints: Array, visible: Mask | None = None, *, strength: float = 1.0
) -> NDArray[np.float32]:
    """Detections (F,33,3) smoothed in the picture, weighted by confidence; unseen frames stay as they are.

    Much narrower than poses: the picture is where one camera sees well. A smoothed pose snapped to these lies
    on the person again without getting their tremble back.
    """
    out = np.array(keypoints, dtype=np.float32)
    usable = np.isfinite(out).all(axis=(1, 2))
    if visible is not None:
        usable &= np.asarray(visible, dtype=bool)
    rows = np.flatnonzero(usable)
    if strength <= 0 or len(rows) < 3:
        return out
    points = np.asarray(out[rows, :, :2], dtype=np.float64)
    height = max(float(np.median(np.linalg.norm(np.ptp(points, axis=1), axis=-1))), 1e-6)
    points = points / height
    weights = np.clip(out[rows, :, 2], 0.0, 1.0).astype(np.float64) ** 2
    when = np.asarray(times, dtype=np.float64)[rows]
    away = np.linalg.norm(points - _window_reduce(when, points, OUTLIER_WINDOW, np.median, least=2), axis=-1)
    weights = np.where(_beyond(when, away, OUTLIER_KEYPOINT), 0.0, weights) + 1e-4
    width = np.full(points.shape[1], KEYPOINT_WIDTH * strength)
    out[rows, :, :2] = _adaptive(when, points, width, KEYPOINT_FAST, weights) * height
    return out


def smooth_correction(
    times: Array, before: Array, after: Array, known: Mask, *, strength: float = 1.0
) -> NDArray[np.float32]:
    """`before` (F,J,3) axis-angle turned by a calm version of what leads from it to `after`.

    A correction found frame by frame (by snapping to detections) trembles with them, though what it corrects,
    the reach that smoothing took and the bias of the network, changes slowly. Frames that are not `known`
    (F,) take the correction of their neighbours.
    """
    here = np.asarray(matrix_from_axis_angle(np.asarray(before, dtype=np.float64)))
    there = np.asarray(matrix_from_axis_angle(np.asarray(after, dtype=np.float64)))
    turn = np.asarray(axis_angle_from_matrix(np.swapaxes(here, -1, -2) @ there))
    turn = infill_values(times, turn, known)
    if len(times) > 2 and strength > 0:
        turn = smooth_values(times, turn, CORRECTION_WIDTH * strength)
    return np.asarray(axis_angle_from_matrix(here @ matrix_from_axis_angle(turn)), dtype=np.float32)


def smooth_values(times: Array, values: Array, width: float) -> NDArray[np.float64]:
    """(F,...) smoothed with one fixed width in seconds."""
    flat = np.asarray(values, dtype=np.float64).reshape(len(values), 1, -1)
    widths = np.full((len(flat), 1), width)
    return local_quadratic(np.asarray(times, dtype=np.float64), flat, widths).reshape(np.shape(values))


def pose_outliers(times: Array, poses: Array, *, limit: float = OUTLIER_ANGLE) -> Mask:
    """(F,J) rotations further than `limit`, and than six times what is usual there, from their
    neighbourhood's median.

    Up to about a third of a window of consecutive wrong frames is found; a genuine fast turn is not, because
    the median of a steady motion is its middle.
    """
    q = continuous_quaternions(poses)
    middle = _window_reduce(np.asarray(times, dtype=np.float64), q, OUTLIER_WINDOW, np.median, least=2)
    middle /= np.maximum(np.linalg.norm(middle, axis=-1, keepdims=True), 1e-9)
    angle = 2 * np.arccos(np.clip(np.abs((q * middle).sum(-1)), 0, 1))
    return _beyond(np.asarray(times, dtype=np.float64), angle, limit)


def translation_outliers(times: Array, trans: Array) -> Mask:
    """(F,) positions that jump away from the median of their neighbourhood, in the picture or in depth."""
    times = np.asarray(times, dtype=np.float64)
    ray = to_ray(trans)
    away = np.abs(ray - _window_reduce(times, ray, OUTLIER_WINDOW, np.median, least=2))
    picture = _beyond(times, np.linalg.norm(away[:, :2], axis=-1), OUTLIER_PICTURE)
    return np.asarray(picture | _beyond(times, away[:, 2], OUTLIER_DEPTH))


def continuous_quaternions(poses: Array) -> NDArray[np.float64]:
    """(F,J,3) axis-angle to quaternions (F,J,4) whose sign does not jump from frame to frame."""
    q = np.asarray(quaternion_from_axis_angle(np.asarray(poses, dtype=np.float64)))
    turn = np.where((q[1:] * q[:-1]).sum(-1) < 0, -1.0, 1.0)
    q[1:] *= np.cumprod(turn, axis=0)[..., None]
    return q


def local_quadratic(
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    widths: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Gaussian-weighted local quadratic regression, evaluated at every time.

    Args:
        times: (F,) seconds.  values: (F,J,C).  widths: (F,J) standard deviation of the weights in seconds;
            below a quarter of the frame distance nothing is smoothed.
    """
    frames = len(times)
    step = np.median(np.diff(times)) if frames > 1 else 1.0
    reach = min(frames - 1, max(1, int(np.ceil(2.5 * widths.max() / max(step, 1e-6)))))
    offsets = np.arange(-reach, reach + 1)
    out = np.empty_like(values)
    chunk = max(1, 4_000_000 // (len(offsets) * values.shape[1] * (values.shape[2] + 3)))
    for start in range(0, frames, chunk):
        rows = np.arange(start, min(start + chunk, frames))
        index = rows[:, None] + offsets
        inside = (index >= 0) & (index < frames)
        index = np.clip(index, 0, frames - 1)
        # In units of the width, so that powers stay near one.
        width = np.maximum(widths[rows], 0.25 * step)[:, None]
        u = (times[index] - times[rows][:, None])[..., None] / width  # (f,T,J)
        w = np.exp(-0.5 * u**2) * inside[..., None]
        if weights is not None:
            w = w * weights[index]
        powers = [w]
        for _ in range(4):
            powers.append(powers[-1] * u)
        m0, m1, m2, m3, m4 = (power.sum(axis=1) for power in powers)
        # The first row of the inverse of the 3x3 moment matrix, by cofactors; a touch of ridge lets the
        # parabola become a line or a constant where too few frames carry it.
        m2r, m4r = m2 + 1e-3 * m0, m4 + 1e-2 * m0
        a, b, c = m2r * m4r - m3**2, m2 * m3 - m1 * m4r, m1 * m3 - m2 * m2r
        determinant = m0 * a + m1 * b + m2 * c
        kernel = powers[0] * (a / determinant)[:, None]
        kernel += powers[1] * (b / determinant)[:, None]
        kernel += powers[2] * (c / determinant)[:, None]
        out[rows] = np.einsum("ftj,ftjc->fjc", kernel, values[index])
    return out


def _adaptive(
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    width: NDArray[np.float64],
    fast: float,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Local quadratic regression (F,J,C) whose width (J,) halves where the signal moves `fast` per second."""
    full = np.broadcast_to(width, values.shape[:2]).copy()
    calm = local_quadratic(times, values, full, weights)
    speed = np.linalg.norm(np.gradient(calm, times, axis=0), axis=-1)
    # The speed itself is taken as the largest nearby, so that the width has narrowed before a fast motion
    # begins.
    speed = _window_reduce(times, speed, float(width.max()), np.max)
    return local_quadratic(times, values, full / (1 + speed / fast), weights)


def _beyond(times: NDArray[np.float64], away: NDArray[np.float64], limit: float) -> Mask:
    usual = _window_reduce(times, away, 1.0, np.median)
    return np.asarray(away > np.maximum(limit, 6 * usual))


def _window_reduce(
    times: NDArray[np.float64], values: NDArray[np.float64], half: float, reduce: object, least: int = 1
) -> NDArray[np.float64]:
    """A reduction over a centred window of frames, `half` seconds to either side; ends repeat their last
    value.
    """
    step = np.median(np.diff(times)) if len(times) > 1 else 1.0
    reach = max(least, round(half / max(float(step), 1e-6)))
    reach = min(reach, max(1, (len(times) - 1) // 2), 60)
    padded = np.concatenate([values[:1].repeat(reach, 0), values, values[-1:].repeat(reach, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    assert callable(reduce)
    out = np.empty(values.shape)
    for start in range(0, len(values), REDUCE_CHUNK):  # a median copies every window it sees
        out[start : start + REDUCE_CHUNK] = reduce(windows[start : start + REDUCE_CHUNK], axis=-1)
    return out
