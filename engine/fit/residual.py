"""What the rigged body cannot follow: the residual in the rest frame, and its way from coarse points to the
full mesh.

    coarse = rest_residual(points, targets, poses, betas, trans)    # (F,N,3), kept as coefficients of a basis
    basis = Spread.of(v_template, triangles, vertex_ids)(basis)     # (K,N,3) to (K,V,3)
    vertices = full_vertices(model, poses, betas, trans, coefficients, basis)  # (F,V,3)

The take's `vertices` are exactly skin(rest + offsets + residual) + trans, so bones plus shape keys reproduce
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from .points import Array, Float, PointBody, matrix, unskin_displacement

if TYPE_CHECKING:
    from ..body.model import BodyModel

LIMIT = 0.08  # metres: a larger residual is a mistake of the network, not the shape of a person
CHUNK = 64


def rest_residual(
    body: PointBody, targets: Array, poses: Array, betas: Array, trans: Array, *, limit: float = LIMIT
) -> NDArray[np.float32]:
    """Target points (F,N,3) un-posed, minus the body's rest shape and pose correctives: (F,N,3) metres.

    Lengths above `limit` are shortened to it (smoothly from half the limit on, so a moving residual has no
    kink).
    """
    shaped = body.shaped(betas)
    out = np.empty(np.shape(targets), dtype=np.float32)
    for start in range(0, len(out), CHUNK):
        part = slice(start, start + CHUNK)
        local = matrix(poses[part])
        transforms = shaped.transforms(local)
        posed = shaped.points(local, transforms) + np.asarray(trans[part])[:, None]
        residual = unskin_displacement(np.asarray(targets[part]) - posed, transforms, body.weights)
        length = np.linalg.norm(residual, axis=-1, keepdims=True)
        over = np.maximum(length - limit / 2, 0.0)
        kept = np.minimum(length, limit / 2) + limit / 2 * np.tanh(over / (limit / 2))
        out[part] = residual * (kept / np.maximum(length, 1e-12))
    return out


@dataclass(frozen=True)
class Spread:
    """Spreads values at coarse vertices smoothly over the whole mesh.

    The smoothest function along the surface (least bi-Laplacian energy) through the given values. Only mesh
    edges carry influence, so nothing bleeds from an arm to the torso it touches or between fingers. A
    constant stays constant, and coarse vertices keep their values exactly.

    Attributes:
        count: V.  ids: (N,) the coarse vertices.  free: (U,) those whose values are solved for.
        pull: (U,N) how coarse values pull at the free ones.  solve: (U,C) to (U,C), the factorised energy.
        alone, nearest: pieces of the mesh without coarse vertices, and the coarse one (index in `ids`) that
            each of their vertices follows.
    """

    count: int
    ids: NDArray[np.int64]
    free: NDArray[np.int64]
    pull: sparse.csr_array
    solve: Callable[[Float], Float]
    alone: NDArray[np.int64]
    nearest: NDArray[np.int64]

    @classmethod
    def of(cls, v_template: Array, triangles: NDArray[np.integer], coarse_ids: NDArray[np.integer]) -> Spread:
        """For a mesh.

        Args:
            v_template: (V,3).  triangles: (T,3).  coarse_ids: (N,) distinct vertices.
        """
        template = np.asarray(v_template, dtype=np.float64)
        ids = np.asarray(coarse_ids, dtype=np.int64)
        laplacian, mass = _laplacian(template, np.asarray(triangles, dtype=np.int64))
        # Bi-Laplacian for smoothness, Laplacian against overshoot (weights then reach -0.2, not -0.6).
        spacing = np.sqrt(mass.sum() / len(ids))
        energy = laplacian @ sparse.diags_array(1.0 / mass) @ laplacian + laplacian * (8 / spacing**2)
        reached = _connected_to(laplacian, ids)
        is_coarse = np.zeros(len(template), dtype=bool)
        is_coarse[ids] = True
        free, alone = np.flatnonzero(~is_coarse & reached), np.flatnonzero(~reached)
        rows = energy.tocsr()[free]
        # The energy is positive definite: no pivoting, and an ordering for symmetric matrices.
        factors = splu(
            rows[:, free].tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        pull = sparse.csr_array(-rows[:, ids])
        return cls(len(template), ids, free, pull, factors.solve, alone, _nearest(template, ids, alone))

    def __call__(self, values: Array) -> NDArray[np.float32]:
        """Values (K,N,C) at the coarse vertices to the whole mesh, (K,V,C)."""
        columns = np.asarray(values, dtype=np.float64).transpose(1, 0, 2).reshape(len(self.ids), -1)
        spread = np.empty((self.count, columns.shape[1]))
        spread[self.ids] = columns
        spread[self.free] = self.solve(self.pull @ columns)
        spread[self.alone] = columns[self.nearest]
        shaped = spread.reshape(self.count, len(values), -1)
        return np.ascontiguousarray(shaped.transpose(1, 0, 2), dtype=np.float32)


def full_vertices(
    model: BodyModel,
    poses: Array,
    betas: Array,
    trans: Array,
    coefficients: Array | None = None,
    basis: Array | None = None,
) -> NDArray[np.float32]:
    """The whole mesh (F,V,3): skin(rest + offsets + coefficients . basis) + trans.

    Args:
        coefficients: (F,K), with `basis` (K,V,3), of the residual in the rest frame; or neither.
    """
    shape = np.asarray(model.rest(betas), dtype=np.float32) + model.pose_offsets(poses)
    if coefficients is not None and basis is not None:
        shape += (coefficients @ basis.reshape(len(basis), -1)).reshape(shape.shape)
    posed = model.skin(shape, model.transforms(poses, model.rest_joints(betas)))
    posed += np.asarray(trans, dtype=np.float32)[:, None]
    return np.asarray(posed)


def _laplacian(template: Float, triangles: NDArray[np.int64]) -> tuple[sparse.csr_array, Float]:
    """Cotangent Laplacian (V,V), positive semi-definite, with negative cotangents clamped; and vertex areas
    (V,).
    """
    corners = template[triangles]
    count = len(template)
    rows, columns, values = [], [], []
    for k in range(3):
        a, b = corners[:, (k + 1) % 3] - corners[:, k], corners[:, (k + 2) % 3] - corners[:, k]
        area = np.linalg.norm(np.cross(a, b), axis=1)
        cotangent = np.clip((a * b).sum(1) / np.maximum(area, 1e-12), 0.05, 20.0) / 2
        i, j = triangles[:, (k + 1) % 3], triangles[:, (k + 2) % 3]
        rows += [i, j]
        columns += [j, i]
        values += [cotangent, cotangent]
    adjacency = sparse.csr_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(count, count)
    )
    laplacian = sparse.diags_array(np.asarray(adjacency.sum(axis=1)).ravel()) - adjacency
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 6
    mass = np.bincount(triangles.ravel(), np.repeat(areas, 3), count)
    return sparse.csr_array(laplacian), np.maximum(mass, 1e-3 * mass.mean())


def _connected_to(laplacian: sparse.csr_array, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(V,) whether a vertex's piece of the mesh (eyeballs are pieces of their own) holds any of `ids`."""
    _, label = connected_components(laplacian, directed=False)
    return np.isin(label, label[ids])


def _nearest(template: Float, ids: NDArray[np.int64], alone: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each vertex of a piece without coarse vertices: the index in `ids` nearest in space."""
    return np.asarray(cKDTree(template[ids]).query(template[alone])[1], dtype=np.int64).reshape(len(alone))
