"""Errors frame by frame and joint by joint, in millimetres; tables average them, pictures pick the worst."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ..pose2mesh.metrics import acceleration_error, procrustes
from ..train.evaluate import JOINTS
from ..train.evaluate_weights import Points
from ..train.synthesis import Pairs

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Of F frames, both pelvis joints at the origin; mm.

    Attributes:
        joints, aligned_joints: (F,22), the second after each frame's best similarity.
        landmarks: (F,33).
        vertices, aligned_vertices: (F,) means over the mesh.
        accel: (F,) mm/frame², not a number where a frame has no two neighbours.
        along: (F,) share of the squared joint error that lies along the line of sight.
        turned: (F,) degrees by which the whole body stands wrong.
    """

    joints: Floats
    aligned_joints: Floats
    landmarks: Floats
    vertices: Floats
    aligned_vertices: Floats
    accel: Floats
    along: Floats
    turned: Floats

    @property
    def mpjpe(self) -> Floats:
        """(F,)"""
        return np.asarray(self.joints.mean(axis=1))

    @property
    def pa_mpjpe(self) -> Floats:
        """(F,)"""
        return np.asarray(self.aligned_joints.mean(axis=1))


def measure(predicted: Points, pairs: Pairs) -> Errors:
    """Compare one clip's frames, which follow one another, with the truth."""
    joints, truth = _centred(predicted.joints), _centred(pairs.joints.numpy())
    landmarks = predicted.landmarks - predicted.joints[:, :1]
    true_landmarks = pairs.landmarks.numpy() - pairs.joints.numpy()[:, :1]
    vertices = predicted.vertices - predicted.joints[:, :1]
    true_vertices = pairs.vertices.numpy() - pairs.joints.numpy()[:, :1]
    joints, truth = joints[:, JOINTS], truth[:, JOINTS]
    back = pairs.observation.rotation.numpy().transpose(0, 2, 1)
    accel = np.full(len(joints), np.nan)
    if len(joints) > 2:
        accel[1:-1] = acceleration_error(joints @ back, truth @ back)
    squared = (joints - truth) ** 2
    return Errors(
        joints=1000 * _distance(joints, truth),
        aligned_joints=1000 * _distance(procrustes(joints, truth), truth),
        landmarks=1000 * _distance(landmarks, true_landmarks),
        vertices=1000 * _distance(vertices, true_vertices).mean(axis=1),
        aligned_vertices=1000 * _distance(procrustes(vertices, true_vertices), true_vertices).mean(axis=1),
        accel=1000 * accel,
        along=squared[..., 2].sum(axis=1) / np.maximum(squared.sum(axis=(1, 2)), 1e-12),
        turned=_turn(joints, truth),
    )


def joined(parts: list[Errors]) -> Errors:
    """Many clips' errors one after the other."""
    return Errors(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Errors)))


def _centred(joints: NDArray[np.floating]) -> NDArray[np.floating]:
    return joints - joints[:, :1]


def _distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> Floats:
    return np.asarray(np.linalg.norm(np.asarray(a, np.float64) - b, axis=-1))


def _turn(joints: NDArray[np.floating], truth: NDArray[np.floating]) -> Floats:
    """Degrees of the rotation that best lays the joints on the truth (Kabsch)."""
    a = joints - joints.mean(axis=1, keepdims=True)
    b = truth - truth.mean(axis=1, keepdims=True)
    u, _, vt = np.linalg.svd(np.swapaxes(a, 1, 2).astype(np.float64) @ b)
    u[..., -1] *= np.linalg.det(u @ vt)[:, None]
    trace = np.trace(u @ vt, axis1=1, axis2=2)
    return np.asarray(np.rad2deg(np.arccos(np.clip((trace - 1) / 2, -1, 1))))
