"""What the rigged body cannot follow: the residual in the rest frame, and its way from coarse points to the
full mesh.

    coarse = rest_residual(points, targets, poses, betas, trans)            # (F,N,3)
    upsample = upsampling_weights(v_template, triangles, vertex_ids)        # sparse (V,N), made once per body
    vertices = full_vertices(model, poses, betas, trans, coarse, upsample)  # (F,V,3)

The take's `vertices` are exactly skin(rest + offsets + upsampled residual) + trans, so bones plus shape keys
reproduce them.
"""

from __future__ import annotations

from collections.abc import Iterator
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


def upsampling_weights(
    v_template: Array, triangles: NDArray[np.integer], coarse_ids: NDArray[np.integer], *, keep: float = 2e-3
) -> sparse.csr_array:
    """Sparse (V,N) float32 weights that spread values at `coarse_ids` smoothly over the whole mesh.

    The smoothest function along the surface (least bi-Laplacian energy) through the given values, computed
    once per coarse vertex. Only mesh edges carry influence, so nothing bleeds from an arm to the torso it
    touches or between fingers. Rows sum to 1 (a constant stays constant), and the rows of coarse vertices
    reproduce their values exactly.

    Args:
        v_template: (V,3).  triangles: (T,3).  coarse_ids: (N,) distinct vertices.
        keep: weights smaller than this are dropped.
    """
    template = np.asarray(v_template, dtype=np.float64)
    ids = np.asarray(coarse_ids, dtype=np.int64)
    count = len(template)
    laplacian, mass = _laplacian(template, np.asarray(triangles, dtype=np.int64))
    # Bi-Laplacian for smoothness, Laplacian against overshoot (weights then reach -0.2, not -0.6).
    spacing = np.sqrt(mass.sum() / len(ids))
    energy = laplacian @ sparse.diags_array(1.0 / mass) @ laplacian + laplacian * (8 / spacing**2)
    reached = _connected_to(laplacian, ids)
    is_coarse = np.zeros(count, dtype=bool)
    is_coarse[ids] = True
    free = np.flatnonzero(~is_coarse & reached)
    energy = energy.tocsr()
    solver = splu(energy[free][:, free].tocsc())
    blocks = []
    for start in range(0, len(ids), 256):
        right = -energy[free][:, ids[start : start + 256]].toarray()
        solved = solver.solve(right)
        solved[np.abs(solved) < keep] = 0.0
        blocks.append(sparse.csr_array(solved))
    spread = sparse.hstack(blocks).tocoo()
    alone = np.flatnonzero(~reached)
    rows = np.concatenate([ids, free[spread.coords[0]], alone])
    columns = np.concatenate([np.arange(len(ids)), spread.coords[1], _nearest(template, ids, alone)])
    values = np.concatenate([np.ones(len(ids)), spread.data, np.ones(len(alone))])
    weights = sparse.csr_array((values, (rows, columns)), shape=(count, len(ids)))
    weights = sparse.diags_array(1.0 / weights.sum(axis=1)) @ weights
    return sparse.csr_array(weights.astype(np.float32))


def upsample_residual(upsample: sparse.csr_array, residual: Array) -> NDArray[np.float32]:
    """(F,N,3) to (F,V,3)."""
    frames = len(residual)
    flat = np.ascontiguousarray(np.swapaxes(np.asarray(residual, dtype=np.float32), 0, 1)).reshape(
        -1, frames * 3
    )
    return np.ascontiguousarray(np.swapaxes((upsample @ flat).reshape(-1, frames, 3), 0, 1))


def full_vertices(
    model: BodyModel,
    poses: Array,
    betas: Array,
    trans: Array,
    residual: Array | None = None,
    upsample: sparse.csr_array | None = None,
    *,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """The whole mesh (F,V,3): skin(rest + offsets + residual) + trans, written to `out` if given (a memory
    map, say).

    Args:
        residual: (F,N,3) coarse, with `upsample` (V,N); or (F,V,3) without it; or None.
    """
    if out is None:
        out = np.empty((len(poses), len(model.v_template), 3), dtype=np.float32)
    for part, vertices in iter_full_vertices(model, poses, betas, trans, residual, upsample):
        out[part] = vertices
    return out


def iter_full_vertices(
    model: BodyModel,
    poses: Array,
    betas: Array,
    trans: Array,
    residual: Array | None = None,
    upsample: sparse.csr_array | None = None,
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """`full_vertices` in chunks of frames, for takes that do not fit in memory: yields (frames, (f,V,3))."""
    rest = np.asarray(model.rest(betas), dtype=np.float32)
    joints = model.rest_joints(betas)
    for start in range(0, len(poses), CHUNK):
        part = slice(start, min(start + CHUNK, len(poses)))
        shape = rest + model.pose_offsets(poses[part])
        if residual is not None:
            shape += residual[part] if upsample is None else upsample_residual(upsample, residual[part])
        posed = model.skin(shape, model.transforms(poses[part], joints))
        yield part, np.asarray(posed + np.asarray(trans[part], dtype=np.float32)[:, None], dtype=np.float32)


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
