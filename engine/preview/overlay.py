"""One mesh drawn over one picture: painter's algorithm on small triangles, lit by one head light.

The triangles of a body mesh are a few pixels wide, so sorting them by depth and filling them back to front
gives the picture a z-buffer would, at the cost of one OpenCV call per triangle that faces the camera.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]

BODY_COLOR = (110, 190, 255)
NEAR = 0.05
"""Triangles with a corner nearer to the camera than this (m) are not drawn."""

_SUBPIXEL_BITS = 4
_LARGEST_PIXEL = 1 << 20
_AMBIENT = 0.30
_LIGHT = np.array([-0.35, -0.55, -0.76], dtype=np.float32)
"""Direction towards the light in the camera frame: from the camera, above its left shoulder."""


def vertex_normals(vertices: Floats, triangles: NDArray[np.int32]) -> Floats:
    """Unit normals (V,3), area-weighted over the triangles (T,3) that meet at each vertex."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    normals = np.stack(
        [
            np.bincount(triangles.ravel(), weights=np.repeat(face[:, axis], 3), minlength=len(vertices))
            for axis in range(3)
        ],
        axis=1,
    ).astype(np.float32)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.float32(1e-20))
    return normals


def draw_mesh(
    image: Image,
    vertices: Floats,
    triangles: NDArray[np.int32],
    camera_matrix: Floats,
    color: tuple[int, int, int] = BODY_COLOR,
    alpha: float = 0.75,
) -> Image:
    """The picture with the mesh blended over it.

    Args:
        image: (H,W,3) uint8 RGB; left unchanged.
        vertices: (V,3) m, camera frame (x right, y down, z forward).
        triangles: (T,3), counter-clockwise seen from outside; those facing away are not drawn.
        camera_matrix: (3,3) px.
        color: RGB of the fully lit surface.
        alpha: opacity, 0 to 1.

    Returns:
        A new (H,W,3) uint8 RGB picture.
    """
    vertices = np.asarray(vertices, dtype=np.float32)
    picture = image.copy()
    corners, shades = _visible(vertices, np.asarray(triangles), np.asarray(camera_matrix, dtype=np.float32))
    height, width = image.shape[:2]
    if not len(corners):
        return picture
    low = np.clip(np.floor(corners.min(axis=(0, 1))).astype(int) - 2, 0, (width, height))
    high = np.clip(np.ceil(corners.max(axis=(0, 1))).astype(int) + 3, 0, (width, height))
    if np.any(high <= low):
        return picture

    layer = np.zeros((high[1] - low[1], high[0] - low[0]), dtype=np.uint8)
    fixed = np.round((corners - low.astype(np.float32)) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    fill = cv2.fillConvexPoly
    for corner, shade in zip(fixed, shades.tolist(), strict=True):
        fill(layer, corner, shade, cv2.LINE_8, _SUBPIXEL_BITS)

    part = picture[low[1] : high[1], low[0] : high[0]]
    lit = cv2.applyColorMap(layer, _ramp(color))
    coverage = cv2.blur(np.where(layer > 0, np.float32(alpha), np.float32(0)), (3, 3))
    coverage[layer == 0] = 0
    part[:] = cv2.blendLinear(lit, np.ascontiguousarray(part), coverage, 1 - coverage)
    return picture


def _visible(
    vertices: Floats, triangles: NDArray[np.int32], camera_matrix: Floats
) -> tuple[Floats, NDArray[np.uint8]]:
    """Corners (N,3,2) px and shades (N,) 1–255 of the triangles that face the camera, the farthest first."""
    projected = vertices @ camera_matrix.T
    pixels = projected[:, :2] / np.maximum(projected[:, 2:], np.float32(1e-6))
    usable = (
        (vertices[:, 2] > NEAR)
        & (np.abs(pixels) < _LARGEST_PIXEL).all(axis=1)
        & np.isfinite(vertices).all(axis=1)
    )

    corners = pixels[triangles]
    along, across = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    winding = along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0]
    seen = np.flatnonzero((winding < 0) & usable[triangles].all(axis=1))
    order = seen[np.argsort(-vertices[:, 2][triangles[seen]].sum(axis=1), kind="stable")]

    normals = vertex_normals(vertices, triangles)
    lit = np.clip(normals @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1)
    shade = (_AMBIENT + (1 - _AMBIENT) * lit)[triangles[order]].mean(axis=1)
    return corners[order], np.clip(np.round(shade * 255), 1, 255).astype(np.uint8)


@lru_cache(maxsize=32)
def _ramp(color: tuple[int, int, int]) -> Image:
    """Colour map (256,1,3): shade to RGB, black to the full colour, with a highlight in the last quarter."""
    shade = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    highlight = np.clip((shade - 0.8) / 0.2, 0, 1) ** 2 * 0.35
    base = np.array(color, dtype=np.float32)[None]
    ramp: Image = np.round(base * shade * (1 - highlight) + 255 * highlight).astype(np.uint8)
    return ramp[:, None]
