"""The body in the viewport while the engine still works on it.

Objects are found by their tag on every tick, never kept: undo and file loading replace them at will.
"""

from __future__ import annotations

from collections.abc import Mapping

import bpy
import numpy as np
from numpy.typing import NDArray

from ...engine.body.model import JOINT_NAMES, BodyModel
from ..rig.mesh import new_mesh, skin_material

TAG = "pose2mesh_preview"
_COLLECTION = "Pose2Mesh Preview"
_PELVIS, _NECK = JOINT_NAMES.index("pelvis"), JOINT_NAMES.index("neck")
_LEAST_UPRIGHT = 0.5  # cosine: a back further than 60° from the camera's up is lying, not filmed at an angle


class Preview:
    """Shows each person's latest vertices, standing upright on the floor in the first frame.

    Where up is, the engine only knows at its end: until then the first person's back tells, who mostly stands
    or sits when a video begins.

    Args:
        body: gives the polygons.
        scene_uid: `session_uid` of the scene to show it in; nothing is shown once that scene is gone.
    """

    def __init__(self, body: BodyModel, scene_uid: int) -> None:
        self._body = body
        self._scene_uid = scene_uid
        self._place: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def show(self, people: Mapping[int, NDArray[np.float32]]) -> None:
        """Move each person's mesh to `vertices` (V,3), camera frame, metres."""
        scene = next((s for s in bpy.data.scenes if s.session_uid == self._scene_uid), None)
        if scene is None:
            return
        for person, vertices in sorted(people.items()):
            if vertices.shape != self._body.v_template.shape:
                continue
            points = to_blender(vertices)
            if self._place is None:
                turn = level(points, self._body.joint_regressor)
                low, high = (points @ turn.T).min(axis=0), (points @ turn.T).max(axis=0)
                self._place = turn, -np.array([*(low + high)[:2] / 2, low[2]], dtype=np.float32)
            turn, offset = self._place
            mesh = self._mesh(scene, person)
            mesh.vertices.foreach_set("co", np.ascontiguousarray(points @ turn.T + offset).ravel())
            mesh.update()

    def _mesh(self, scene: bpy.types.Scene, person: int) -> bpy.types.Mesh:
        for obj in scene.objects:
            if obj.get(TAG) == person and isinstance(obj.data, bpy.types.Mesh):
                return obj.data
        collection = scene.collection.children.get(_COLLECTION)
        if collection is None:
            collection = bpy.data.collections.new(_COLLECTION)
            scene.collection.children.link(collection)
        name = f"Pose2Mesh preview {person + 1}"
        mesh = new_mesh(name, self._body, self._body.v_template)
        mesh.materials.append(skin_material(person))
        obj = bpy.data.objects.new(name, mesh)
        obj[TAG] = person
        obj.hide_select = True
        obj.hide_render = True
        collection.objects.link(obj)
        return mesh


def remove_all() -> None:
    """Take every preview out of the file, also one that undo or a saved file brought back."""
    for obj in [o for o in bpy.data.objects if TAG in o]:
        mesh = obj.data
        bpy.data.objects.remove(obj)
        if mesh is not None and mesh.users == 0:
            bpy.data.meshes.remove(mesh)
    for collection in [c for c in bpy.data.collections if c.name.startswith(_COLLECTION)]:
        if not collection.all_objects:
            bpy.data.collections.remove(collection)


def to_blender(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Camera frame (x right, y down, z forward) to Blender's axes (X right, Y forward, Z up)."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def level(points: NDArray[np.float32], joint_regressor: NDArray[np.float32]) -> NDArray[np.float32]:
    """The smallest rotation (3,3) that makes this person's back vertical; none for somebody who lies.

    Args:
        points: (V,3) Blender's axes.
        joint_regressor: (24,V).
    """
    spine = joint_regressor[_NECK] @ points - joint_regressor[_PELVIS] @ points
    up = spine / max(float(np.linalg.norm(spine)), 1e-6)
    if up[2] < _LEAST_UPRIGHT:
        return np.eye(3, dtype=np.float32)
    # Rodrigues' formula for the rotation about (up × z).
    x, y = up[1], -up[0]
    cross = np.array([[0, 0, y], [0, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + up[2]), dtype=np.float32)
