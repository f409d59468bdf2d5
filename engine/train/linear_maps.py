"""Linear maps between points of the posed body: ridge regression, rows that sum to one."""

from __future__ import annotations

import numpy as np
import torch

from ..body.model import BodyModel
from ..pose2mesh.body_network import BodyMesh
from ..pose2mesh.coarse_mesh import coarse_mesh
from .body_torch import BodyTorch
from .motions import MotionSet
from .synthesis import Synthesis, draw_rotations


def affine_map(source: np.ndarray, target: np.ndarray, ridge: float) -> np.ndarray:
    """Rows r with Σr = 1 that predict target points from source points, the same for x, y and z.

    Args:
        source: (B,S,3); target: (B,T,3); ridge: in units of the mean squared spread.

    Returns:
        (T,S).
    """
    anchor = source[:, :1]
    x = (source[:, 1:] - anchor).transpose(0, 2, 1).reshape(-1, source.shape[1] - 1).astype(np.float64)
    y = (target - anchor).transpose(0, 2, 1).reshape(-1, target.shape[1]).astype(np.float64)
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += ridge * np.trace(gram) / len(gram)
    rows = np.linalg.solve(gram, x.T @ y).T
    return np.ascontiguousarray(np.concatenate([1 - rows.sum(1, keepdims=True), rows], 1))


def local_affine_map(source: np.ndarray, target: np.ndarray, nearest: int, ridge: float) -> np.ndarray:
    """The same with each target reading only its nearest sources (by mean distance)."""
    rows = np.zeros((target.shape[1], source.shape[1]))
    for t in range(target.shape[1]):
        distance = np.linalg.norm(source - target[:, t : t + 1], axis=-1)
        chosen = np.argsort(distance.mean(0) + distance.std(0))[:nearest]
        rows[t, chosen] = affine_map(source[:, chosen], target[:, t : t + 1], ridge)[0]
    return rows


def build_body_mesh(body: BodyModel, motions: MotionSet, count: int, seed: int = 0) -> BodyMesh:
    """The coarse mesh with its regressors, fitted on random bodies in random poses."""
    ids, triangles = coarse_mesh(body.v_template, body.triangles, count)
    generator = torch.Generator().manual_seed(seed)
    rotations = draw_rotations(motions, 1500, Synthesis(), generator)[:, 0]
    betas = torch.randn(len(rotations), 10, generator=generator)
    landmarks, joints, vertices = (p.numpy() for p in BodyTorch(body, ids).pose(rotations, betas))
    return BodyMesh(
        ids,
        triangles,
        local_affine_map(vertices, joints, 40, 1e-5),
        local_affine_map(vertices, landmarks, 24, 1e-5),
        affine_map(landmarks, vertices, 1e-4),
    )
