"""The body model reduced to the points a fit looks at: a subset of its vertices, and linear mixes of them
(landmarks).

    points = PointBody.of(model, vertex_ids, landmarks=True)     # N = len(vertex_ids) + 33
    posed = points.posed(poses, betas, trans)                     # (F,N,3), equal to the full model's

Skinning is linear in the joint transforms, so a mix of vertices poses exactly through one homogeneous
4-vector per joint, the mix of w_k (rest, 1): its anchors. A plain vertex is a mix of one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from ..body.rotations import axis_angle_from_matrix, matrix_from_axis_angle

if TYPE_CHECKING:
    from ..body.model import BodyModel

Array = NDArray[Any]
Float = NDArray[np.float64]

POSED_CHUNK = 256  # frames at a time


@dataclass(frozen=True)
class PointBody:
    """N points on the 24-joint tree, for any shape (float64).

    Attributes:
        anchors: (N,24,4) mix of w_k (rest, 1) at zero shape.  anchor_dirs: (N,24,3,S) per unit of shape.
        joints: (24,3) rest joints at zero shape.  joint_dirs: (24,3,S).  parents: (24,), root -1.
        importance: (N,) how much each point counts in a fit, sums to 1.
        correctives: what the pose adds to the skinned points, or None.
    """

    anchors: Float
    anchor_dirs: Float
    joints: Float
    joint_dirs: Float
    parents: NDArray[np.int64]
    importance: Float
    correctives: Correctives | None = None

    @classmethod
    def of(
        cls,
        model: BodyModel,
        vertex_ids: NDArray[np.integer],
        *,
        landmarks: bool = False,
        landmark_importance: float = 0.2,
        mixes: Array | None = None,
    ) -> PointBody:
        """Reduces `model` to `vertex_ids` (N',), followed by linear mixes of vertices if asked.

        Args:
            landmarks: append the model's 33 landmarks.
            landmark_importance: the share of the whole fit given to the mixes together.
            mixes: (M,V) append these instead, for example the contact points of the soles.
        """
        if landmarks:
            mixes = model.landmark_regressor
        ids = np.asarray(vertex_ids, dtype=np.int64)
        count = len(model.v_template)
        chosen = sparse.csr_array((np.ones(len(ids)), (np.arange(len(ids)), ids)), (len(ids), count))
        importance = _area_importance(model.v_template, model.v_template[ids]) if len(ids) else np.zeros(0)
        if mixes is not None:
            share = np.full(len(mixes), landmark_importance / len(mixes))
            importance = np.concatenate([importance * (1 - landmark_importance), share])
            chosen = sparse.csr_array(sparse.vstack([chosen, sparse.csr_array(mixes, dtype=np.float64)]))

        # Row k N + n mixes values of vertices, times their weight at joint k, to point n.
        mixed = sparse.csr_array(
            sparse.vstack([chosen * weight for weight in np.asarray(model.weights, dtype=np.float64).T])
        )
        mixed.eliminate_zeros()

        def by_joint(values: Array) -> Float:
            """Values of vertices (V,C) mixed to points and joints, (N,24,C)."""
            rows = np.asarray(mixed @ values.astype(np.float64))
            return np.ascontiguousarray(np.swapaxes(rows.reshape(24, -1, values.shape[1]), 0, 1))

        regressor = np.asarray(model.joint_regressor, dtype=np.float64)
        dirs = by_joint(model.shapedirs.reshape(count, -1))
        return cls(
            anchors=by_joint(np.concatenate([model.v_template, np.ones((count, 1))], axis=1)),
            anchor_dirs=dirs.reshape(len(dirs), 24, 3, -1),
            joints=regressor @ model.v_template,
            joint_dirs=np.tensordot(regressor, model.shapedirs, 1),
            parents=np.asarray(model.parents, dtype=np.int64),
            importance=importance,
            correctives=None if model.posedirs is None else Correctives.of(mixed, model.posedirs),
        )

    def only(self, points: slice) -> PointBody:
        """The same body with some of its points; importance still sums to 1."""
        importance = self.importance[points]
        return replace(
            self,
            anchors=self.anchors[points],
            anchor_dirs=self.anchor_dirs[points],
            importance=importance / importance.sum(),
            correctives=None if self.correctives is None else self.correctives.only(points),
        )

    @property
    def weights(self) -> Float:
        """(N,24) skinning weights; rows sum to 1, and for mixes may hold small negative numbers."""
        return np.asarray(self.anchors[..., 3])

    def shaped(self, betas: Array) -> ShapedPoints:
        """The points of one shape `betas` (S,)."""
        b = np.asarray(betas, dtype=np.float64)
        anchors = self.anchors.copy()
        anchors[..., :3] += self.anchor_dirs @ b
        return ShapedPoints(self, anchors, self.joints + self.joint_dirs @ b)

    def posed(self, poses: Array, betas: Array, trans: Array) -> Float:
        """Posed points (F,N,3) for axis-angle `poses` (F,24,3), `betas` (S,), `trans` (F,3)."""
        shaped = self.shaped(betas)
        posed = np.empty((len(poses), len(self.anchors), 3))
        for start in range(0, len(poses), POSED_CHUNK):  # correctives need far more memory than points
            local = matrix(poses[start : start + POSED_CHUNK])
            posed[start : start + POSED_CHUNK] = shaped.points(local, shaped.transforms(local))
        return posed + np.asarray(trans, np.float64)[:, None]

    def joints_posed(self, poses: Array, betas: Array, trans: Array) -> Float:
        """Posed joints (F,24,3)."""
        shaped = self.shaped(betas)
        return apply(shaped.transforms(matrix(poses)), shaped.joints) + np.asarray(trans, np.float64)[:, None]


@dataclass(frozen=True)
class ShapedPoints:
    """The points of one shape, ready to pose: anchors (N,24,4) and rest joints (24,3)."""

    body: PointBody
    anchors: Float
    joints: Float

    @property
    def rest(self) -> Float:
        """Rest points (N,3)."""
        return np.asarray(self.anchors[..., :3].sum(axis=1))

    def transforms(self, local: Float) -> Float:
        """Rest frame to posed (F,24,3,4), before the translation, for local rotations (F,24,3,3)."""
        return forward(local, self.joints, self.body.parents)

    def points(self, local: Float, transforms: Float) -> Float:
        """Posed points (F,N,3) before the translation, pose correctives included."""
        frames = len(transforms)
        columns = transforms.transpose(0, 1, 3, 2).reshape(frames, -1, 3)
        posed = self.anchors.reshape(len(self.anchors), -1) @ columns
        if self.body.correctives is not None:
            posed += self.body.correctives.posed(local, transforms)
        return np.asarray(posed)


@dataclass(frozen=True)
class Correctives:
    """Pose correctives of N points, kept for the P pairs of a point and a joint that have any.

    Attributes:
        basis: (P*3,207) what the joint turns, per unit of R - I of joints 1-23, row by row.
        joint: (P,) the pair's joint.  gather: (N,P) ones, from pairs to points.
    """

    basis: NDArray[np.float32]
    joint: NDArray[np.int64]
    gather: sparse.csr_array

    @classmethod
    def of(cls, mixed: sparse.csr_array, posedirs: Array) -> Correctives:
        """From a mix of vertices for every joint and point, (24*N,V), and the basis of vertices (207,V,3).

        Pairs under 0.01 mm are dropped.
        """
        rows, used = np.flatnonzero(np.diff(mixed.indptr)), np.unique(mixed.indices)
        of_vertices = np.ascontiguousarray(np.swapaxes(posedirs, 0, 1)[used]).reshape(len(used), -1)
        basis = np.asarray(mixed[rows][:, used].astype(np.float32) @ of_vertices).reshape(len(rows), -1, 3)
        some = np.abs(basis).max(axis=(1, 2), initial=0.0) > 1e-5
        basis = np.swapaxes(basis[some], 1, 2).reshape(-1, len(posedirs))
        joint, point = np.divmod(rows[some], mixed.shape[0] // 24)
        pairs = np.arange(len(joint))
        gather = sparse.csr_array(
            (np.ones(len(joint), np.float32), (point, pairs)), (mixed.shape[0] // 24, len(joint))
        )
        return cls(np.ascontiguousarray(basis), joint, gather)

    def only(self, points: slice) -> Correctives:
        """The correctives of some of the points."""
        gather = self.gather[points]
        used = np.unique(gather.indices)
        basis = self.basis.reshape(len(self.joint), 3, -1)[used].reshape(3 * len(used), -1)
        return Correctives(basis, self.joint[used], gather[:, used])

    def turned(self, local: Float, transforms: Float) -> NDArray[np.float32]:
        """What every pair adds, turned with the body: (P,3,F), for local rotations and transforms of F
        frames.
        """
        frames = len(local)
        feature = (local[:, 1:] - np.eye(3)).reshape(frames, -1).astype(np.float32)
        rest = (self.basis @ feature.T).reshape(-1, 3, frames)
        # Frames last: numpy is fastest along long rows.
        rotation = np.ascontiguousarray(transforms[..., :3].transpose(1, 2, 3, 0), dtype=np.float32)
        return np.asarray(np.einsum("pabf,pbf->paf", rotation[self.joint], rest))

    def posed(self, local: Float, transforms: Float) -> NDArray[np.float32]:
        """The correctives of the posed points, (F,N,3)."""
        turned = self.turned(local, transforms)
        flat = self.gather @ turned.reshape(len(turned), -1)
        return np.asarray(flat.reshape(-1, *turned.shape[1:]).transpose(2, 0, 1))


def matrix(rotvecs: Array) -> Float:
    """Axis-angle (...,3) to rotation matrices (...,3,3), float64."""
    return np.asarray(matrix_from_axis_angle(np.asarray(rotvecs, dtype=np.float64)))


def rotvec(matrices: Float) -> Float:
    """Rotation matrices (...,3,3) to axis-angle (...,3)."""
    return np.asarray(axis_angle_from_matrix(matrices))


def forward(local: Float, joints: Float, parents: NDArray[np.int64]) -> Float:
    """Rest frame to posed (F,24,3,4) by local rotations (F,24,3,3) and rest joints (24,3); root in place."""
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


def blended(transforms: Array, weights: Array) -> Array:
    """Blended linear parts (F,N,3,3) of transforms (F,24,3,4) with weights (N,24)."""
    frames, joints = transforms.shape[:2]
    return np.asarray((weights @ transforms[..., :3].reshape(frames, joints, 9)).reshape(frames, -1, 3, 3))


def unskin_displacement(
    displacement: Float, transforms: Float, weights: Float, *, damping: float = 0.05
) -> Float:
    """Posed displacements (F,N,3) turned back into the rest frame by the inverse of the blended matrices.

    Damped (Tikhonov), because opposite turns can nearly cancel in a blend; a rotation's inverse loses only
    damping^2.
    """
    blend = blended(transforms, weights)
    transposed = np.swapaxes(blend, -1, -2)
    normal = transposed @ blend + damping**2 * np.eye(3)
    return np.asarray(np.linalg.solve(normal, transposed @ displacement[..., None])[..., 0])


def _area_importance(template: Array, chosen: Array) -> Float:
    """Between one vote per point and one vote per share of the surface, because fingers and face are crowded.

    A chosen point stands for the area of the vertices nearest to it, each taken as its squared spacing.
    """
    spacing = cKDTree(template).query(template, k=min(5, len(template)))[0][:, -1] ** 2
    nearest = cKDTree(chosen).query(template)[1]
    area = np.bincount(nearest, spacing, len(chosen))
    importance = np.sqrt(np.maximum(area, 1e-3 * area.mean()))
    return np.asarray(importance / importance.sum())
