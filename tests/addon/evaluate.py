"""What Blender shows, as arrays, to hold against what the engine made."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

Array = np.ndarray[Any, Any]


def world_vertices(take: Any, person: int = 0) -> Array:
    """(F,V,3) the engine's surface in Blender's world."""
    world = take.world_from_camera.astype(np.float64)
    return np.asarray(take.vertices(person) @ world[:3, :3].T + world[:3, 3])


def evaluated(mesh_object: Any, frame: float) -> Array:
    """(V,3) what Blender shows at this frame, in its world."""
    whole = int(np.floor(frame))
    bpy.context.scene.frame_set(whole, subframe=frame - whole)
    obj = mesh_object.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = obj.to_mesh()
    points = np.empty(3 * len(mesh.vertices), dtype=np.float32)
    mesh.vertices.foreach_get("co", points)
    obj.to_mesh_clear()
    matrix = np.array(obj.matrix_world)
    return np.asarray(points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3])


def distance(a: Array, b: Array) -> float:
    """The largest distance between corresponding points, metres."""
    return float(np.linalg.norm(a - b, axis=-1).max())


def largest_error(mesh_object: Any, wanted: Array, first: int = 1) -> float:
    """Metres, over all frames and vertices."""
    return max(distance(evaluated(mesh_object, frame), points) for frame, points in enumerate(wanted, first))


def nearest(points: Array, among: Array) -> Array:
    """For each of (N,3) points the index of the closest of (M,3)."""
    from mathutils.kdtree import KDTree

    tree = KDTree(len(among))
    for index, point in enumerate(among):
        tree.insert(point, index)
    tree.balance()
    return np.array([tree.find(point)[1] for point in points])
