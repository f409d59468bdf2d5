"""The body model reduced to the points a fit looks at: a subset of its vertices, and linear mixes of them
(landmarks).

    points = PointBody.of(model, vertex_ids, landmarks=True)     # N = len(vertex_ids) + 33
    posed = points.posed(poses, betas, trans)                     # (F,N,3)

A landmark is treated as one more skinned point whose rest position and weights are the same mix of its
vertices'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from ..body.rotations import axis_angle_from_matrix, matrix_from_axis_angle

if TYPE_CHECKING:
    from ..body.model import BodyModel

Array = NDArray[np.floating]
Float = NDArray[np.float64]


@dataclass(frozen=True)
class PointBody:
    """N skinned points on the 24-joint tree (float64).

    Attributes:
        rest: (N,3) rest positions at zero shape.  shapedirs: (N,3,S).  weights: (N,24), rows sum to 1.
        joints: (24,3) rest joints at zero shape.  joint_dirs: (24,3,S).  parents: (24,), root -1.
        importance: (N,) how much each point counts in a fit, sums to 1.
        offsets: poses (F,24,3) -> (F,N,3) pose correctives in the rest frame, or None.
    """

    rest: Float
    shapedirs: Float
    weights: Float
    joints: Float
    joint_dirs: Float
    parents: NDArray[np.int64]
    importance: Float
    offsets: Callable[[Array], Array] | None = None

    @classmethod
    def of(
        cls,
        model: BodyModel,
        vertex_ids: NDArray[np.integer],
        *,
        landmarks: bool = False,
        landmark_importance: float = 0.2,
    ) -> PointBody:
        """Reduces `model` to `vertex_ids` (N',), followed by its 33 landmarks if asked.

        `landmark_importance` is the share of the whole fit given to the landmarks together.
        """
        ids = np.asarray(vertex_ids, dtype=np.int64)
        mix = sparse.eye_array(len(model.v_template), format="csr")[ids]
        template = np.asarray(model.v_template, dtype=np.float64)
        importance = _area_importance(template, template[ids])
        if landmarks:
            mix = sparse.vstack([mix, sparse.csr_array(model.landmark_regressor)]).tocsr()
            importance = np.concatenate(
                [importance * (1 - landmark_importance), np.full(33, landmark_importance / 33)]
            )
        weights = np.clip(mix @ model.weights, 0.0, None)
        regressor = np.asarray(model.joint_regressor, dtype=np.float64)
        shapedirs = np.asarray(model.shapedirs, dtype=np.float64)
        return cls(
            rest=mix @ template,
            shapedirs=_mixed(mix, shapedirs),
            weights=weights / weights.sum(1, keepdims=True),
            joints=regressor @ template,
            joint_dirs=np.tensordot(regressor, shapedirs, 1),
            parents=np.asarray(model.parents, dtype=np.int64),
            importance=importance,
            offsets=_restricted_offsets(model, mix),
        )

    def shaped(self, betas: Array) -> tuple[Float, Float]:
        """Rest points (N,3) and rest joints (24,3) for shape `betas` (S,)."""
        return self.rest + self.shapedirs @ betas, self.joints + self.joint_dirs @ betas

    def offsets_at(self, local: Float) -> Float:
        """Pose correctives (F,N,3) for local rotations (F,24,3,3); zero without correctives."""
        if self.offsets is None:
            return np.zeros((len(local), len(self.rest), 3))
        return np.asarray(self.offsets(rotvec(local)), dtype=np.float64)

    def posed(self, poses: Array, betas: Array, trans: Array) -> Float:
        """Posed points (F,N,3) for axis-angle `poses` (F,24,3), `betas` (S,), `trans` (F,3)."""
        local = matrix(poses)
        rest, joints = self.shaped(np.asarray(betas, dtype=np.float64))
        transforms = forward(local, joints, self.parents)
        return skin(rest + self.offsets_at(local), transforms, self.weights) + np.asarray(trans)[:, None]

    def joints_posed(self, poses: Array, betas: Array, trans: Array) -> Float:
        """Posed joints (F,24,3)."""
        joints = self.joints + self.joint_dirs @ np.asarray(betas, dtype=np.float64)
        transforms = forward(matrix(poses), joints, self.parents)
        return apply(transforms, joints) + np.asarray(trans)[:, None]


def matrix(rotvecs: Array) -> Float:
    """Axis-angle (...,3) to rotation matrices (...,3,3), float64."""
    return np.asarray(matrix_from_axis_angle(np.asarray(rotvecs, dtype=np.float64)))


def rotvec(matrices: Float) -> Float:
    """Rotation matrices (...,3,3) to axis-angle (...,3)."""
    return np.asarray(axis_angle_from_matrix(matrices))


def forward(local: Float, joints: Float, parents: NDArray[np.int64]) -> Float:
    """Rest frame to posed (F,24,3,4) from local rotations (F,24,3,3) and rest joints (24,3); the root stays
    in place.
    """
    world = np.empty((*local.shape[:2], 3, 4))
    position = np.empty((*local.shape[:2], 3))
    for j, parent in enumerate(parents):
        if parent < 0:
            world[:, j, :, :3] = local[:, j]
            position[:, j] = joints[j]
        else:
            world[:, j, :, :3] = world[:, parent, :, :3] @ local[:, j]
            position[:, j] = position[:, parent] + world[:, parent, :, :3] @ (joints[j] - joints[parent])
    world[..., 3] = position - (world[..., :3] @ joints[:, :, None])[..., 0]
    return world


def apply(transforms: Float, points: Float) -> Float:
    """Transforms (F,J,3,4) applied to one point each (J,3): (F,J,3)."""
    return np.asarray((transforms[..., :3] @ points[:, :, None])[..., 0] + transforms[..., 3])


def skin(rest: Float, transforms: Float, weights: Float) -> Float:
    """Linear blend skinning of (N,3) or (F,N,3) rest points by (F,24,3,4): (F,N,3)."""
    frames, joints = transforms.shape[:2]
    blend = (weights @ transforms.reshape(frames, joints, 12)).reshape(frames, len(weights), 3, 4)
    return np.asarray((blend[..., :3] @ rest[..., None])[..., 0] + blend[..., 3])


def unskin_displacement(
    displacement: Float, transforms: Float, weights: Float, *, damping: float = 0.05
) -> Float:
    """Posed displacements (F,N,3) turned back into the rest frame by the inverse of the blended matrices.

    Damped (Tikhonov), because opposite turns can nearly cancel in a blend; a rotation's inverse loses only
    damping^2.
    """
    frames, joints = transforms.shape[:2]
    blend = (weights @ transforms[..., :3].reshape(frames, joints, 9)).reshape(frames, len(weights), 3, 3)
    transposed = np.swapaxes(blend, -1, -2)
    normal = transposed @ blend + damping**2 * np.eye(3)
    return np.asarray(np.linalg.solve(normal, transposed @ displacement[..., None])[..., 0])


def _area_importance(template: Float, chosen: Float) -> Float:
    """Between one vote per point and one vote per share of the surface, because fingers and face are crowded.

    The area a chosen point stands for is that of the vertices nearest to it, each taken as its squared
    spacing.
    """
    spacing = cKDTree(template).query(template, k=min(5, len(template)))[0][:, -1] ** 2
    nearest = cKDTree(chosen).query(template)[1]
    area = np.bincount(nearest, spacing, len(chosen))
    importance = np.sqrt(np.maximum(area, 1e-3 * area.mean()))
    return np.asarray(importance / importance.sum())


def _mixed(mix: sparse.csr_array, values: Float) -> Float:
    """Linear mixes of values given per vertex: (N,V) and (V,...) to (N,...)."""
    return np.asarray(mix @ values.reshape(len(values), -1)).reshape(mix.shape[0], *values.shape[1:])


def _restricted_offsets(model: BodyModel, mix: sparse.csr_array) -> Callable[[Array], Array] | None:
    """Pose correctives of the mixed points only: the corrective basis is mixed once, not the vertices of
    every frame.
    """
    if model.posedirs is None:
        return None
    basis = _mixed(mix, np.asarray(model.posedirs, dtype=np.float64))  # (N,3,207)
    flat = basis.reshape(-1, basis.shape[-1]).T

    def offsets(poses: Array) -> Array:
        feature = matrix(np.asarray(poses)[:, 1:]) - np.eye(3)
        return np.asarray((feature.reshape(len(feature), -1) @ flat).reshape(len(feature), -1, 3))

    return offsets
