"""The mesh the light network works on: an even subset of the body's vertices and its own triangles.

Farthest-point sampling on the surface picks the vertices; three geodesic Voronoi cells that meet in a
triangle of the
body give a triangle of the coarse mesh (the intrinsic Delaunay dual).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph


def coarse_mesh(vertices: np.ndarray, triangles: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pick `count` well-spread vertices and connect them.

    Args:
        vertices: (V,3) m; triangles: (T,3); count: number of coarse vertices.

    Returns:
        ids (N,) int64 into the vertices, ascending, N at most `count`, and triangles (S,3) int64 into the
        ids.
    """
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    pairs = np.unique(
        np.sort(edges, axis=1), axis=0
    )  # each edge once: the sparse constructor sums duplicates
    length = np.linalg.norm(vertices[pairs[:, 0]] - vertices[pairs[:, 1]], axis=1) + 1e-9
    graph = sparse.csr_matrix((length, (pairs[:, 0], pairs[:, 1])), shape=(len(vertices), len(vertices)))
    ids = [int(np.argmax(vertices[:, 1]))]
    distance = csgraph.dijkstra(graph, indices=ids[0], directed=False)
    while len(ids) < count:
        farthest = int(np.argmax(np.where(np.isfinite(distance), distance, -1.0)))
        ids.append(farthest)
        limit = float(distance[farthest])
        distance = np.minimum(
            distance, csgraph.dijkstra(graph, directed=False, indices=farthest, limit=limit)
        )
    picked = np.sort(np.asarray(ids, np.int64))
    _, _, source = csgraph.dijkstra(
        graph, directed=False, indices=picked, min_only=True, return_predecessors=True
    )
    corner = np.searchsorted(picked, source)[triangles]
    meets = (corner[:, 0] != corner[:, 1]) & (corner[:, 1] != corner[:, 2]) & (corner[:, 2] != corner[:, 0])
    corner = corner[meets]
    first = np.argmin(corner, axis=1)
    turned = np.unique(corner[np.arange(len(corner))[:, None], (first[:, None] + np.arange(3)) % 3], axis=0)
    # A cell around a fingertip has one neighbour only and meets no two others: it carries no graph node.
    used, renumbered = np.unique(turned, return_inverse=True)
    return picked[used], renumbered.reshape(-1, 3)
