"""The body's surface as a Blender mesh: its own polygons and UVs, smooth, with a plain skin material."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from ...engine.body.model import JOINT_NAMES, BodyModel

# Different enough to tell people apart, close enough to belong together.
_TINTS = ((0.72, 0.56, 0.46), (0.42, 0.55, 0.66), (0.52, 0.62, 0.45), (0.66, 0.48, 0.58))


def new_mesh(name: str, body: BodyModel, vertices: NDArray[np.floating]) -> bpy.types.Mesh:
    """A mesh of the body's polygons at these positions.

    Args:
        name: the data-block's name.
        body: a `BodyModel`: polygon_vertices (L,), polygon_starts (Q,), uv (L,2) or None, triangles (T,3).
        vertices: (V,3) metres.
    """
    mesh = bpy.data.meshes.new(name)
    corners = np.ascontiguousarray(body.polygon_vertices, dtype=np.int32)
    starts = np.ascontiguousarray(body.polygon_starts, dtype=np.int32)
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, dtype=np.float32).ravel())
    mesh.loops.add(len(corners))
    mesh.loops.foreach_set("vertex_index", corners)
    mesh.polygons.add(len(starts))
    mesh.polygons.foreach_set("loop_start", starts)
    mesh.polygons.foreach_set("use_smooth", np.ones(len(starts), dtype=bool))
    if body.uv is not None:
        layer = mesh.uv_layers.new(name="UVMap")
        layer.uv.foreach_set("vector", np.ascontiguousarray(body.uv, dtype=np.float32).ravel())
    mesh.update(calc_edges=True)
    mesh.validate()
    return mesh


def add_weights(owner: bpy.types.Object, weights: NDArray[np.floating]) -> None:
    """One vertex group per joint from weights (V,24); zeros are left out."""
    for joint, name in enumerate(JOINT_NAMES):
        group = owner.vertex_groups.new(name=name)
        column = weights[:, joint]
        # `add` takes one weight for many vertices: the rigid parts, most of the body, go in one call.
        group.add(np.flatnonzero(column == 1.0).tolist(), 1.0, "REPLACE")
        shared = np.flatnonzero((column > 0.0) & (column < 1.0))
        for vertex, weight in zip(shared.tolist(), column[shared].tolist(), strict=True):
            group.add((vertex,), weight, "REPLACE")


def skin_material(tint: int = 0) -> bpy.types.Material:
    """A soft neutral material, shared by name; `tint` tells several people apart."""
    tint %= len(_TINTS)
    name = f"Pose2Mesh skin {tint + 1}"
    found = bpy.data.materials.get(name)
    if found is not None:
        return found
    colour = (*_TINTS[tint], 1.0)
    material = bpy.data.materials.new(name)
    material.diffuse_color = colour  # what Solid shading and Workbench show
    material.roughness = 0.6
    if bpy.app.version < (5, 0, 0):  # from 5.0 every material has nodes
        material.use_nodes = True
    shader = material.node_tree.nodes.get("Principled BSDF")
    if shader is not None:
        shader.inputs["Base Color"].default_value = colour
        shader.inputs["Roughness"].default_value = 0.6
    return material
