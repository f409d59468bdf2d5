"""A rigged body: armature and mesh at one person's shape, in T-pose, standing on the floor."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import NDArray

from ...engine.body.model import BodyModel
from . import mesh as body_mesh
from .skeleton import ROOT, RestFrame, bones

# Custom properties by which a character is recognised again, also after a file was saved and opened.
BODY_TAG, TAKE_TAG, PERSON_TAG = "pose2mesh_body", "pose2mesh_take", "pose2mesh_person"


@dataclass(frozen=True)
class Character:
    """The two objects of one person. Both sit at the origin with scale 1; bones and keys carry everything."""

    armature: bpy.types.Object
    mesh: bpy.types.Object

    @property
    def frame(self) -> RestFrame:
        """SMPL's rest frame → armature space, as the character was built."""
        return RestFrame(np.array(self.armature["pose2mesh_origin"], dtype=np.float64))


def build(
    body: BodyModel, betas: NDArray[np.floating], name: str, collection: bpy.types.Collection, tint: int = 0
) -> Character:
    """Build the character of one person.

    Args:
        body: a `BodyModel`.
        betas: (10,) the person's shape.
        name: a name for the objects; Blender makes it unique.
        collection: where the objects go.
        tint: which of the few skin colours.

    Returns:
        armature with the 24 SMPL bones under a real `root` on the floor, and the skinned mesh, its child.
    """
    rest, joints = body.rest(betas), body.rest_joints(betas)
    frame = RestFrame.standing(rest, joints)
    vertices = frame.points(rest)

    data = bpy.data.armatures.new(f"{name}_rig")
    data.display_type = "STICK"
    armature = bpy.data.objects.new(f"{name}_rig", data)
    armature.show_in_front = True
    collection.objects.link(armature)
    _add_bones(armature, frame.points(joints), body.parents, vertices)

    mesh = body_mesh.new_mesh(f"{name}_body", body, vertices)
    mesh.materials.append(body_mesh.skin_material(tint))
    skin = bpy.data.objects.new(f"{name}_body", mesh)
    collection.objects.link(skin)
    skin.parent = armature
    body_mesh.add_weights(skin, body.weights)
    modifier = skin.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature

    armature[BODY_TAG] = body.name
    armature["pose2mesh_origin"] = frame.origin.tolist()
    armature["pose2mesh_betas"] = np.asarray(betas, dtype=float).tolist()
    return Character(armature, skin)


def find(obj: bpy.types.Object | None) -> Character | None:
    """The character this object belongs to, or None."""
    armature = obj.parent if obj is not None and obj.type == "MESH" else obj
    if armature is None or BODY_TAG not in armature:
        return None
    for child in armature.children:
        if child.type == "MESH" and any(
            m.type == "ARMATURE" and m.object == armature for m in child.modifiers
        ):
            return Character(armature, child)
    return None


def all_in(scene: bpy.types.Scene) -> list[Character]:
    """Every character of the scene, by name."""
    found = (find(obj) for obj in sorted(scene.objects, key=lambda o: o.name) if obj.type == "ARMATURE")
    return [character for character in found if character is not None]


def _add_bones(
    armature: bpy.types.Object,
    joints: NDArray[np.floating],
    parents: NDArray[np.integer],
    vertices: NDArray[np.floating],
) -> None:
    layer = bpy.context.view_layer
    previous = layer.objects.active
    layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        edit_bones = armature.data.edit_bones
        for bone in bones(joints, parents, vertices):
            new = edit_bones.new(bone.name)
            new.head, new.tail = Vector(bone.head), Vector(bone.tail)
            new.align_roll(Vector(bone.z))
            new.use_deform = bone.name != ROOT
            if bone.parent is not None:
                new.parent = edit_bones[bone.parent]
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
        layer.objects.active = previous
    for pose_bone in armature.pose.bones:
        pose_bone.rotation_mode = "QUATERNION"
