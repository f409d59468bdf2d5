"""One mesh drawn over one picture: a small software rasteriser, smoothly shaded by one head light.

Every triangle that faces the camera offers the pixels of its bounding box, all of them at once in NumPy;
those whose centre lies inside get the shade interpolated between its corners. Triangles go from back to
front, so the last one to write a pixel is the nearest: no depth buffer, and no loop over triangles.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]
Image = NDArray[np.uint8]

BODY_COLOR = (120, 170, 255)
NEAR = 0.05
"""Triangles with a corner nearer to the camera than this (m) are not drawn."""

_CHUNK_PIXELS = 1 << 20
_LARGEST_PIXEL = 1 << 20
_SMALLEST_AREA = 1e-6
_SLACK = np.float32(1e-4)
"""How far outside a triangle, in its own coordinates, a pixel still counts: no gaps along shared edges."""
_AMBIENT = 0.3
_LIGHT = np.array([-0.25, -0.45, -0.86], dtype=np.float32)
"""Direction towards the light in the camera frame: from the camera, above its left shoulder."""


def vertex_normals(vertices: Floats, triangles: Integers) -> Floats:
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
    triangles: Integers,
    camera_matrix: Floats,
    color: tuple[int, int, int] = BODY_COLOR,
    alpha: float = 0.8,
) -> Image:
    """The picture with the mesh blended over it.

    Args:
        image: (H,W,3) uint8 RGB; left unchanged.
        vertices: (V,3) m, camera frame (x right, y down, z forward).
        triangles: (T,3), counter-clockwise seen from outside; those facing away are not drawn.
        camera_matrix: (3,3) px; a pixel's centre lies half a pixel from its corner.
        color: RGB of the fully lit surface.
        alpha: opacity, 0 to 1.

    Returns:
        A new (H,W,3) uint8 RGB picture.
    """
    picture = image.copy()
    vertices = np.asarray(vertices, dtype=np.float32)
    corners, shades = _visible(vertices, np.asarray(triangles), np.asarray(camera_matrix, dtype=np.float32))
    height, width = image.shape[:2]
    if not len(corners):
        return picture
    low = np.clip(np.floor(corners.min(axis=(0, 1))).astype(int) - 1, 0, (width, height))
    high = np.clip(np.ceil(corners.max(axis=(0, 1))).astype(int) + 1, 0, (width, height))
    if np.any(high <= low):
        return picture

    layer = np.zeros((high[1] - low[1], high[0] - low[0]), dtype=np.uint8)
    _rasterise(layer, corners - low.astype(np.float32), shades)
    part = picture[low[1] : high[1], low[0] : high[0]]
    lit = cv2.applyColorMap(layer, _ramp(color))
    coverage = cv2.blur((layer > 0).astype(np.float32) * np.float32(alpha), (3, 3))
    coverage[layer == 0] = 0
    part[:] = cv2.blendLinear(lit, np.ascontiguousarray(part), coverage, 1 - coverage)
    return picture


def _visible(vertices: Floats, triangles: Integers, camera_matrix: Floats) -> tuple[Floats, Floats]:
    """Corners (N,3,2) px and their shades (N,3) 1-255 of triangles that face the camera, farthest first."""
    projected = vertices @ camera_matrix.T
    pixels = projected[:, :2] / np.maximum(projected[:, 2:], np.float32(1e-6))
    usable = (vertices[:, 2] > NEAR) & (np.abs(pixels) < _LARGEST_PIXEL).all(axis=1)

    corners = pixels[triangles]
    along, across = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    winding = along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0]
    seen = np.flatnonzero((winding < -_SMALLEST_AREA) & usable[triangles].all(axis=1))
    order = seen[np.argsort(-vertices[:, 2][triangles[seen]].sum(axis=1), kind="stable")]

    lit = np.clip(vertex_normals(vertices, triangles) @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1)
    shades = np.maximum(255 * (_AMBIENT + (1 - _AMBIENT) * lit), 1).astype(np.float32)
    return corners[order], shades[triangles[order]]


def _rasterise(layer: Image, corners: Floats, shades: Floats) -> None:
    """Writes the triangles' interpolated shades into the layer (H,W), in their order."""
    height, width = layer.shape
    # The first and one past the last pixel whose centre can lie inside.
    low = np.clip(np.ceil(corners.min(axis=1) - 0.5), 0, (width, height)).astype(np.int32)
    high = np.clip(np.floor(corners.max(axis=1) + 0.5), 0, (width, height)).astype(np.int32)
    size = np.maximum(high - low, 0)

    # Barycentric coordinates of the second and third corner as linear functions of the pixel.
    origin = corners[:, 0]
    along, across = corners[:, 1] - origin, corners[:, 2] - origin
    area = along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0]
    second = np.stack([across[:, 1], -across[:, 0]], axis=1) / area[:, None]
    third = np.stack([-along[:, 1], along[:, 0]], axis=1) / area[:, None]
    start = low + np.float32(0.5) - origin
    second_start, third_start = (second * start).sum(axis=1), (third * start).sum(axis=1)
    rise = np.stack([shades[:, 1] - shades[:, 0], shades[:, 2] - shades[:, 0]], axis=1)

    flat = layer.reshape(-1)
    for part in _chunks(size[:, 0] * size[:, 1]):
        count = size[part, 0] * size[part, 1]
        owner = np.repeat(np.arange(part.start, part.stop, dtype=np.int32), count)
        step = np.arange(len(owner), dtype=np.int32) - np.repeat(
            np.cumsum(count, dtype=np.int32) - count, count
        )
        y, x = np.divmod(step, size[owner, 0])
        u = second_start[owner] + second[owner, 0] * x + second[owner, 1] * y
        v = third_start[owner] + third[owner, 0] * x + third[owner, 1] * y
        inside = np.flatnonzero((u >= -_SLACK) & (v >= -_SLACK) & (u + v <= 1 + _SLACK))
        owner, u, v = owner[inside], u[inside], v[inside]
        place = (low[owner, 1] + y[inside]) * width + low[owner, 0] + x[inside]
        flat[place] = shades[owner, 0] + rise[owner, 0] * u + rise[owner, 1] * v


def _chunks(pixels: Integers) -> Iterator[slice]:
    """Consecutive ranges of triangles that together offer at most about `_CHUNK_PIXELS` pixels."""
    total = np.cumsum(pixels, dtype=np.int64)
    first = 0
    while first < len(total):
        done = total[first - 1] if first else 0
        last = max(int(np.searchsorted(total, done + _CHUNK_PIXELS, side="right")), first + 1)
        yield slice(first, last)
        first = last


@lru_cache(maxsize=32)
def _ramp(color: tuple[int, int, int]) -> Image:
    """Colour map (256,1,3): shade to RGB, black to the full colour, with a highlight in the last quarter."""
    shade = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    highlight = np.clip((shade - 0.75) / 0.25, 0, 1) ** 2 * 0.4
    base = np.array(color, dtype=np.float32)[None]
    ramp: Image = np.round(base * shade * (1 - highlight) + 255 * highlight).astype(np.uint8)
    return ramp[:, None]
