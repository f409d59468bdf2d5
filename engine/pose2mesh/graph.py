"""Graphs of a mesh and of a skeleton, and their Laplacians (Defferrard et al. 2016, section 2.1)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh

from ..errors import EngineError

IntArray = npt.NDArray[np.integer]


def mesh_adjacency(faces: IntArray, vertices: int | None = None) -> sp.csr_matrix:
    """The (V,V) symmetric float64 matrix with a one for each edge of the triangles (T,3) and no self loops.

    Args:
        faces: vertex numbers of the triangles.
        vertices: V; by default the largest number in `faces` plus one.

    Raises:
        EngineError: not triangles, a number out of range, or a vertex that no triangle uses (the coarsening
            rules of the published network are undefined for it).
    """
    faces = np.asarray(faces)
    if (
        faces.ndim != 2
        or faces.shape[1] != 3
        or len(faces) == 0
        or not np.issubdtype(faces.dtype, np.integer)
    ):
        raise EngineError(
            f"A mesh graph needs triangles of shape (T, 3), not {faces.shape}: triangulate the mesh."
        )
    count = int(faces.max()) + 1 if vertices is None else vertices
    if faces.min() < 0 or faces.max() >= count:
        raise EngineError(f"The triangles name a vertex outside 0..{count - 1}: use the body's own faces.")
    start = faces[:, [0, 1, 0]].ravel().astype(np.int64)
    end = faces[:, [1, 2, 2]].ravel().astype(np.int64)
    proper = start != end
    start, end = start[proper], end[proper]
    pairs = sp.coo_matrix(
        (np.ones(2 * len(start)), (np.r_[start, end], np.r_[end, start])), shape=(count, count)
    )
    adjacency = pairs.tocsr()
    adjacency.sum_duplicates()
    adjacency.data[:] = 1.0
    if (np.diff(adjacency.indptr) == 0).any():
        lonely = int(np.argmin(np.diff(adjacency.indptr)))
        raise EngineError(
            f"Vertex {lonely} belongs to no triangle: remove loose vertices from the mesh first."
        )
    return adjacency


def joint_adjacency(
    joints: int, edges: Iterable[tuple[int, int]], links: Iterable[tuple[int, int]]
) -> sp.csr_matrix:
    """The (J,J) matrix with ones for bones, further links (left/right pairs) and on the diagonal."""
    adjacency = np.eye(joints)
    for a, b in (*edges, *links):
        adjacency[a, b] = adjacency[b, a] = 1.0
    return sp.csr_matrix(adjacency)


def normalized_laplacian(adjacency: sp.csr_matrix) -> sp.csr_matrix:
    """I - D^-1/2 W D^-1/2, W's self loops counted in both W and D; an isolated node gets a diagonal one."""
    weights = adjacency.tocoo()
    degree = np.asarray(adjacency.sum(axis=0), dtype=np.float64).ravel() + np.spacing(0.0)
    scale = 1.0 / np.sqrt(degree)
    linked = sp.coo_matrix(
        (scale[weights.row] * weights.data * scale[weights.col], (weights.row, weights.col)), adjacency.shape
    )
    laplacian = (sp.identity(adjacency.shape[0], format="csr") - linked.tocsr()).tocsr()
    laplacian.sort_indices()
    return laplacian


def largest_eigenvalue(laplacian: sp.csr_matrix) -> float:
    """The largest eigenvalue of a symmetric matrix, from a fixed start vector so that it never varies."""
    if laplacian.shape[0] < 32:
        return float(np.linalg.eigvalsh(laplacian.toarray())[-1])
    start = np.random.default_rng(0).standard_normal(laplacian.shape[0])
    return float(eigsh(laplacian, k=1, which="LM", v0=start, return_eigenvectors=False)[0])


def rescale_laplacian(laplacian: sp.csr_matrix, lmax: float) -> sp.csr_matrix:
    """L / (2 lmax) - I, which is what the published code computes, not the textbook's 2 L / lmax - I."""
    rescaled = (laplacian / (2.0 * lmax) - sp.identity(laplacian.shape[0], format="csr")).tocsr()
    rescaled.sort_indices()
    return rescaled
