"""The published evaluation's errors, sample by sample, so that batches add up to the dataset's mean.

All in millimetres. Choi, Moon and Lee 2020, section 7, and the evaluation code of its authors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...pose2mesh.metrics import acceleration_error, procrustes
from ...pose2mesh.one_euro import one_euro
from .mesh import Mesh

Array = npt.NDArray[Any]
Scores = dict[str, npt.NDArray[np.float64]]

LIFTED_ROOT = {"human36m17": 0, "coco19": 17, "smpl24": 0, "mano21": 0}


def distances(predicted: Array, target: Array) -> npt.NDArray[np.float64]:
    """Mean distance (B,) of (B, N, 3) points."""
    return np.asarray(np.linalg.norm(predicted - target, axis=-1).mean(axis=-1), np.float64)


def epoch_errors(
    vertices: Array, true_vertices: Array, true_joints: Array, mesh: Mesh
) -> tuple[float, float]:
    """The joint and vertex error of one batch as training watches them.

    The published training aligns meshes by the root of the taught joints, its final evaluation by the
    body's own pelvis; the two differ by a few millimetres.

    Args:
        vertices, true_vertices: (B, V, 3) mm.
        true_joints: (B, R, 3) mm, the dataset's.
    """
    joints = mesh.regressor @ vertices
    vertices, true_vertices = vertices - joints[:, :1], true_vertices - true_joints[:, :1]
    joints, true_joints = evaluated_joints(joints, mesh), evaluated_joints(true_joints, mesh)
    return float(distances(joints, true_joints).mean()), float(distances(vertices, true_vertices).mean())


def evaluated_joints(joints: Array, mesh: Mesh) -> Array:
    """The joints (B, R, 3) that count, relative to their root."""
    return (joints - joints[:, :1])[:, list(mesh.evaluated)]


def body_scores(vertices: Array, true_vertices: Array, true_joints: Array, mesh: Mesh) -> Scores:
    """MPJPE, PA-MPJPE, MPVPE, PA-MPVPE and the MPJPE of the body's own 24 joints, (B,) each.

    MPJPE compares what the regressor gives from the mesh with the dataset's joints, both relative to their
    roots; where the taught joints are SMPL's own, with those of the true mesh. Meshes are aligned by their
    own pelvis. PA aligns by a similarity without mirroring.

    Args:
        vertices, true_vertices: (B, V, 3) mm.
        true_joints: (B, R, 3) mm.
    """
    if mesh.skeleton is None:
        raise ValueError("a hand has no pelvis to align by")
    own, true_own = mesh.skeleton @ vertices, mesh.skeleton @ true_vertices
    if mesh.skeleton is mesh.regressor:
        true_joints = true_own
    joints = evaluated_joints(mesh.regressor @ vertices, mesh)
    true_joints = evaluated_joints(true_joints, mesh)
    vertices, true_vertices = vertices - own[:, :1], true_vertices - true_own[:, :1]
    return {
        "mpjpe": distances(joints, true_joints),
        "pa_mpjpe": distances(procrustes(joints, true_joints), true_joints),
        "mpvpe": distances(vertices, true_vertices),
        "pa_mpvpe": distances(procrustes(vertices, true_vertices), true_vertices),
        "mpjpe_smpl24": distances(own - own[:, :1], true_own - true_own[:, :1]),
    }


def lifted_scores(
    joints: Array, true_joints: Array, joint_set: str, evaluated: Sequence[int] | None
) -> Scores:
    """MPJPE and PA-MPJPE of PoseNet's joints (B, J, 3) mm, relative to their root, (B,) each."""
    root = LIFTED_ROOT[joint_set]
    joints, true_joints = joints - joints[:, root : root + 1], true_joints - true_joints[:, root : root + 1]
    if evaluated is not None:
        joints, true_joints = joints[:, list(evaluated)], true_joints[:, list(evaluated)]
    return {
        "mpjpe": distances(joints, true_joints),
        "pa_mpjpe": distances(procrustes(joints, true_joints), true_joints),
    }


def motion_scores(
    joints: Array, true_joints: Array, videos: Sequence[npt.NDArray[np.int64]]
) -> dict[str, float]:
    """Acceleration error in mm per frame squared, as it is and after the One-Euro filter, and what that does
    to the other errors.

    As published: the mean over a video's frames, then over videos (for PA-MPJPE over frames), which have
    three frames at least.

    Args:
        joints, true_joints: (N, K, 3) mm, relative to their root.
        videos: which samples follow each other.
    """
    plain, smooth, mpjpe, pa_mpjpe = [], [], [], []
    for video in videos:
        if len(video) < 3:
            continue
        predicted, target = joints[video], true_joints[video]
        filtered = one_euro(predicted)
        plain.append(acceleration_error(predicted, target).mean())
        smooth.append(acceleration_error(filtered, target).mean())
        mpjpe.append(distances(filtered, target).mean())
        pa_mpjpe.append(distances(procrustes(filtered, target), target))
    if not plain:
        return {}
    return {
        "accel": float(np.mean(plain)),
        "accel_one_euro": float(np.mean(smooth)),
        "mpjpe_one_euro": float(np.mean(mpjpe)),
        "pa_mpjpe_one_euro": float(np.concatenate(pa_mpjpe).mean()),
    }
