"""Errors of joints and vertices as the field measures them, in the unit of the input."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

FloatArray = npt.NDArray[np.floating]

HAND_LIMIT = 0.05  # metres: curves of correct points run from 0 to here
HAND_STEPS = 100
F_THRESHOLDS = (0.005, 0.015)  # metres


def mean_distance(predicted: FloatArray, target: FloatArray) -> float:
    """MPJPE of joints or MPVPE of vertices (..., N, 3): the mean distance. Align the roots first."""
    return float(np.linalg.norm(np.asarray(predicted) - np.asarray(target), axis=-1).mean())


def aligned_mean_distance(predicted: FloatArray, target: FloatArray) -> float:
    """PA-MPJPE or PA-MPVPE (..., N, 3): the mean distance after each sample's best similarity transform."""
    return mean_distance(procrustes(predicted, target), target)


def procrustes(source: FloatArray, target: FloatArray, may_mirror: bool = False) -> npt.NDArray[np.float64]:
    """`source` (..., N, 3) moved, turned and scaled onto `target` in the least-squares sense.

    Umeyama 1991, equations 40 to 42.

    Args:
        may_mirror: allow reflections too, as the FreiHAND benchmark does.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    a_mean, b_mean = a.mean(axis=-2, keepdims=True), b.mean(axis=-2, keepdims=True)
    a, b = a - a_mean, b - b_mean
    u, stretch, vt = np.linalg.svd(np.swapaxes(a, -1, -2) @ b)
    if not may_mirror:
        mirrored = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
        stretch[..., -1] *= mirrored
        vt[..., -1, :] *= mirrored[..., None]
    spread = np.maximum((a**2).sum(axis=(-1, -2)), np.finfo(np.float64).tiny)
    scale = (stretch.sum(axis=-1) / spread)[..., None, None]
    aligned: npt.NDArray[np.float64] = scale * (a @ (u @ vt)) + b_mean
    return aligned


def acceleration_error(predicted: FloatArray, target: FloatArray) -> npt.NDArray[np.float64]:
    """Mean distance (F-2,) of the second differences of two motions (F, N, 3); per frame squared."""
    difference = np.asarray(predicted, np.float64) - np.asarray(target, np.float64)
    second = difference[:-2] - 2.0 * difference[1:-1] + difference[2:]
    errors: npt.NDArray[np.float64] = np.linalg.norm(second, axis=-1).mean(axis=-1)
    return errors


def area_under_curve(errors: FloatArray, limit: float = HAND_LIMIT, steps: int = HAND_STEPS) -> float:
    """Area under the curve of the share of points within a threshold, thresholds 0 to `limit`, from 0 to 1.

    As the FreiHAND benchmark computes it (Zimmermann et al. 2019): `steps` equally spaced thresholds,
    trapezoids, a point exactly at a threshold counts as within.

    Args:
        errors: distances of any shape, in the unit of `limit`.
    """
    thresholds = np.linspace(0.0, limit, steps)
    ordered = np.sort(np.asarray(errors, np.float64), axis=None)
    share = np.searchsorted(ordered, thresholds, side="right") / max(ordered.size, 1)
    return float((share[1:] + share[:-1]).mean() / 2)


def f_score(predicted: FloatArray, target: FloatArray, threshold: float) -> float:
    """Harmonic mean of the shares of points (N, 3) and (M, 3) nearer than `threshold` to the other set.

    Knapitsch et al. 2017, as the FreiHAND benchmark uses it on vertices; 0 where nothing is near.
    """
    predicted, target = np.asarray(predicted, np.float64), np.asarray(target, np.float64)
    precision = float((cKDTree(target).query(predicted)[0] < threshold).mean())
    recall = float((cKDTree(predicted).query(target)[0] < threshold).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def hand_scores(
    joints: FloatArray, vertices: FloatArray, true_joints: FloatArray, true_vertices: FloatArray
) -> dict[str, float]:
    """The aligned scores of the FreiHAND benchmark for one batch of hands, averaged over its samples.

    Joints and vertices are aligned apart, each by its own similarity (which may mirror).

    Args:
        joints, true_joints: (B, J, 3); vertices, true_vertices: (B, V, 3). The truth in metres; what is
            aligned to it may have any unit.

    Returns:
        pa_mpjpe and pa_mpvpe in millimetres, auc_joints, auc_vertices, f_5mm, f_15mm.
    """
    joints = procrustes(joints, true_joints, may_mirror=True)
    vertices = procrustes(vertices, true_vertices, may_mirror=True)
    joint_errors = np.linalg.norm(joints - true_joints, axis=-1)
    vertex_errors = np.linalg.norm(vertices - true_vertices, axis=-1)
    scores = {
        "pa_mpjpe": 1000.0 * float(joint_errors.mean()),
        "pa_mpvpe": 1000.0 * float(vertex_errors.mean()),
        "auc_joints": area_under_curve(joint_errors),
        "auc_vertices": area_under_curve(vertex_errors),
    }
    for threshold in F_THRESHOLDS:
        each = [f_score(*pair, threshold) for pair in zip(vertices, true_vertices, strict=True)]
        scores[f"f_{threshold * 1000:g}mm"] = float(np.mean(each))
    return scores
