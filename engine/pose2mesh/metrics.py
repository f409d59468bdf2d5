"""Errors of joints and vertices as the field measures them, in the unit of the input."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]


def mean_distance(predicted: FloatArray, target: FloatArray) -> float:
    """MPJPE of joints or MPVPE of vertices (..., N, 3): the mean distance. Align the roots first."""
    return float(np.linalg.norm(np.asarray(predicted) - np.asarray(target), axis=-1).mean())


def aligned_mean_distance(predicted: FloatArray, target: FloatArray) -> float:
    """PA-MPJPE or PA-MPVPE (..., N, 3): the mean distance after each sample's best similarity transform."""
    return mean_distance(procrustes(predicted, target), target)


def procrustes(source: FloatArray, target: FloatArray) -> npt.NDArray[np.float64]:
    """`source` (..., N, 3) moved, turned and scaled onto `target` in the least-squares sense, never mirrored.

    Umeyama 1991, equations 40 to 42.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    a_mean, b_mean = a.mean(axis=-2, keepdims=True), b.mean(axis=-2, keepdims=True)
    a, b = a - a_mean, b - b_mean
    u, stretch, vt = np.linalg.svd(np.swapaxes(a, -1, -2) @ b)
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
