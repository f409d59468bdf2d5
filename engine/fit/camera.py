"""Where the camera is: closed-form translation from 3D points and their detections.

    fit = camera_translation(points, keypoints, camera_matrix)  # .translation (F,3), .residual_px, .valid
    (s, tx, ty), loss = weak_perspective(points, keypoints_xy)  # the published model's camera

Full perspective: a point X + t projects to u = fx (X+tx)/(Z+tz) + cx. Multiplying out is linear in t; with a
= (u-cx)/fx and b = (v-cy)/fy,  tx - a tz = a Z - X  and  ty - b tz = b Z - Y.  That gives the first estimate;
a fixed number of reweighted rounds then measures the error in pixels (so noise in u does not shrink the
depth) and trusts outliers less (Huber).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NEAR = 0.1  # metres: nothing we draw is closer to the lens


@dataclass(frozen=True)
class CameraFit:
    """Camera translation of every frame.

    Attributes:
        translation: (F,3) metres; `points + translation` is in the camera frame.
        residual_px: (F,) confidence-weighted mean distance of projections to detections, pixels; NaN where
            nothing was seen.
        valid: (F,) False where the frame alone did not determine the translation (too few points, or behind
            the camera); depth is then interpolated from the neighbouring valid frames.
    """

    translation: NDArray[np.float32]
    residual_px: NDArray[np.float32]
    valid: NDArray[np.bool_]


def project(points: Array, camera_matrix: Array) -> NDArray[np.float64]:
    """Pinhole projection of camera-frame points (...,3) in metres to pixels (...,2); depth is kept at least
    `NEAR`.
    """
    x = np.asarray(points, dtype=np.float64)
    k = np.asarray(camera_matrix, dtype=np.float64)
    z = np.maximum(x[..., 2], NEAR)
    u = k[0, 0] * x[..., 0] / z + k[0, 2]
    v = k[1, 1] * x[..., 1] / z + k[1, 2]
    return np.stack([u, v], axis=-1)


def camera_translation(
    points: Array,
    keypoints: Array,
    camera_matrix: Array,
    *,
    rounds: int = 6,
    min_points: int = 4,
    min_confidence: float = 0.3,
    default_depth: float = 4.0,
) -> CameraFit:
    """The translation that lays `points` on the detections, per frame, robustly and in closed form.

    Args:
        points: (F,J,3) root-relative points, camera axes (x right, y down, z forward), metres.
        keypoints: (F,J,3) x px, y px, confidence 0-1. NaN rows count as unseen.
        camera_matrix: (3,3) px, no skew.
        rounds: reweighted least-squares rounds after the linear estimate.
        min_points: fewer points above `min_confidence` make a frame invalid.
        default_depth: metres, used only when no frame of the take is valid.

    Returns:
        CameraFit; translations are always finite.
    """
    x = np.asarray(points, dtype=np.float64)
    observed = np.asarray(keypoints, dtype=np.float64)
    k = np.asarray(camera_matrix, dtype=np.float64)
    focal = np.array([k[0, 0], k[1, 1]])
    finite = np.asarray(np.isfinite(observed).all(-1) & np.isfinite(x).all(-1))
    observed = np.where(finite[..., None], observed, 0.0)
    x = np.where(finite[..., None], x, 0.0)
    confidence = np.where(finite, np.clip(observed[..., 2], 0.0, 1.0), 0.0)
    rays = (observed[..., :2] - k[:2, 2]) / focal

    enough = (confidence >= min_confidence).sum(1) >= min_points
    weights = np.where(confidence >= min_confidence, confidence, 0.0)
    t, determined = _solve(rays, rays * x[..., 2:] - x[..., :2], weights)
    t = _in_front(t, x)
    for _ in range(rounds):
        z = np.maximum(x[..., 2] + t[:, None, 2], NEAR)
        predicted = (x[..., :2] + t[:, None, :2]) / z[..., None]
        error = rays - predicted
        # One Gauss-Newton step on the pixel error; predicted rays, not noisy ones, multiply the depth.
        size = np.linalg.norm(error * focal, axis=-1)
        step, _ = _solve(predicted, error * z[..., None], weights * _huber(size, weights) / z**2)
        t = _in_front(t + step, x)

    z = x[..., 2] + t[:, None, 2]
    valid = enough & determined & np.isfinite(t).all(1) & (z.min(1) > NEAR)
    t = _fill(t, valid, rays, x, confidence, default_depth)
    error_px = np.linalg.norm(project(x + t[:, None], k) - observed[..., :2], axis=-1)
    total = weights.sum(1)
    residual = np.divide((error_px * weights).sum(1), total, out=np.full(len(t), np.nan), where=total > 0)
    return CameraFit(t.astype(np.float32), residual.astype(np.float32), valid)


def _solve(rays: Array, target: Array, weights: Array) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Least squares of t_xy - ray * t_z = target, t_xy eliminated; and whether the rays spread enough."""
    total = weights.sum(1)
    safe = np.maximum(total, 1e-12)[:, None]
    mean_ray = (rays * weights[..., None]).sum(1) / safe
    mean_target = (target * weights[..., None]).sum(1) / safe
    centred = rays - mean_ray[:, None]
    spread = (weights[..., None] * centred**2).sum((1, 2))
    tz = -(weights[..., None] * centred * (target - mean_target[:, None])).sum((1, 2)) / np.maximum(
        spread, 1e-12
    )
    determined = spread > 1e-6 * np.maximum(
        total, 1e-12
    )  # all rays within about 0.06 degree: no depth in them
    tz = np.where(determined, tz, 0.0)
    t = np.concatenate([mean_target + mean_ray * tz[:, None], tz[:, None]], axis=1)
    return np.where(total[:, None] > 0, t, 0.0), determined & (total > 0)


def _in_front(t: NDArray[np.float64], x: Array) -> NDArray[np.float64]:
    """Moves what lies behind the lens to just in front of it, so that the next round is defined."""
    t[:, 2] = np.maximum(t[:, 2], 2 * NEAR - x[..., 2].min(1))
    return t


def _huber(size: Array, weights: Array) -> NDArray[np.float64]:
    """Huber weights at 1.5 robust standard deviations of each frame (at least half a pixel)."""
    seen = np.where(weights > 0, size, np.nan)
    scale = np.full(len(size), 1.0)
    rows = (weights > 0).any(1)
    scale[rows] = (
        np.nanmedian(seen[rows], axis=1) / 0.8326
    )  # median of a 2D Gaussian's length is 1.1774 sigma
    limit = np.maximum(1.5 * scale, 0.5)[:, None]
    return np.asarray(limit / np.maximum(size, limit))


def _fill(
    t: NDArray[np.float64],
    valid: NDArray[np.bool_],
    rays: Array,
    x: Array,
    confidence: Array,
    default_depth: float,
) -> NDArray[np.float64]:
    """Depth of invalid frames from their neighbours; x and y from what is seen, else interpolated too."""
    if valid.all():
        return t
    frames = np.arange(len(t))
    if not valid.any():
        known = np.array([[0.0, 0.0, default_depth]])
        good = np.array([0])
    else:
        good, known = frames[valid], t[valid]
    filled = np.stack([np.interp(frames, good, known[:, c]) for c in range(3)], axis=1)
    total = confidence.sum(1)
    seen = ~valid & (total > 0.5)
    offset = rays * (x[..., 2:] + filled[:, None, 2:]) - x[..., :2]
    mean = (offset * confidence[..., None]).sum(1) / np.maximum(total, 1e-12)[:, None]
    filled[seen, :2] = mean[seen]
    return np.where(valid[:, None], t, filled)


def weak_perspective(
    points3d: Array, points2d: Array, *, half_size: float = 250.0, rounds: int = 40
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The published demo's camera, solved instead of descended: u = half_size * s * (x + tx) + half_size, the
    same for y.

    Minimises the demo's own loss, the mean absolute error over joints and both axes, by iteratively
    reweighted least squares, then by exact medians (for a given s the best offsets are medians).

    Args:
        points3d: (...,J,3) or (...,J,2) metres; depth is ignored.  points2d: (...,J,2) px in the square crop.

    Returns:
        parameters (...,3) = s, tx, ty;  loss (...,) px.
    """
    x = np.asarray(points3d, dtype=np.float64)[..., :2]
    u = np.asarray(points2d, dtype=np.float64)[..., :2] / half_size - 1.0
    weight = np.ones_like(x)
    best_loss = np.full(x.shape[:-2], np.inf)
    best = np.zeros((*x.shape[:-2], 3))
    for round_ in range(rounds):
        total = weight.sum(-2, keepdims=True)
        xc = x - (weight * x).sum(-2, keepdims=True) / total
        uc = u - (weight * u).sum(-2, keepdims=True) / total
        s = (weight * xc * uc).sum((-2, -1)) / np.maximum((weight * xc**2).sum((-2, -1)), 1e-12)
        offset = np.median(u - s[..., None, None] * x, axis=-2)
        error = np.abs(u - s[..., None, None] * x - offset[..., None, :])
        loss = error.mean((-2, -1))
        better = loss < best_loss
        best_loss = np.where(better, loss, best_loss)
        best[better] = np.concatenate([s[..., None], offset], axis=-1)[better]
        # The reweighting itself uses the least-squares offset, whose fixed point is the L1 optimum; its floor
        # shrinks.
        floor = 1e-2 * 0.7**round_ + 1e-7
        weight = 1.0 / np.maximum(np.abs(uc - s[..., None, None] * xc), floor)
    scale = np.where(np.abs(best[..., :1]) > 1e-9, best[..., :1], 1e-9)
    return np.concatenate([scale, best[..., 1:] / scale], axis=-1), best_loss * half_size
