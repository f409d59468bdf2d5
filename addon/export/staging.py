"""A throwaway copy of characters, prepared the way exporters need it; the user's scene is never touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import bpy
import numpy as np
from mathutils import Matrix

from .. import actions
from ..rig.character import Character

_REST_FRAME = -1


@contextmanager
def staged(
    originals: Sequence[Character],
    scene: bpy.types.Scene,
    name: str,
    *,
    scale: float = 1.0,
    rig_name: str = "",
) -> Iterator[bpy.types.Scene]:
    """A scene with copies of these characters, made current for operators inside the block, gone after it.

    In the copy the motion starts at frame 0, so that time 0 of the file is the first video frame, and the
    frame before it, which is the current one, holds the T-pose: exporters write the current frame as the
    pose of the nodes.

    Args:
        originals: the characters.
        scene: where they live; gives the rate and the range.
        name: of the staged scene, which FBX uses as the name of the animation.
        scale: 100 builds everything in centimetres, with the unit to match.
        rig_name: a name for the armature instead of its own.
    """
    with ExitStack() as undo:
        stage = bpy.data.scenes.new(name)
        undo.callback(bpy.data.scenes.remove, stage)
        stage.render.fps, stage.render.fps_base = scene.render.fps, scene.render.fps_base
        stage.frame_start, stage.frame_end = 0, scene.frame_end - scene.frame_start
        stage.unit_settings.system = "METRIC"
        stage.unit_settings.scale_length = 1.0 / scale
        for original in originals:
            copy = _copy(original, stage, undo, rig_name)
            for owner in _animated(copy):
                actions.shift(owner, -scene.frame_start)
                _key_rest(owner)
            if scale != 1.0:
                _scale(copy, scale)
        with bpy.context.temp_override(scene=stage, view_layer=stage.view_layers[0]):
            stage.frame_set(_REST_FRAME)
            yield stage


def _copy(original: Character, stage: bpy.types.Scene, undo: ExitStack, rig_name: str) -> Character:
    """Copies of both objects with their data and actions, under the originals' names."""
    armature, mesh = original.armature.copy(), original.mesh.copy()
    armature.data, mesh.data = original.armature.data.copy(), original.mesh.data.copy()
    # Removed in this order, last in first out: objects before their data.
    for collection, data in (
        (bpy.data.armatures, armature.data),
        (bpy.data.meshes, mesh.data),
        (bpy.data.objects, armature),
        (bpy.data.objects, mesh),
    ):
        undo.callback(collection.remove, data)
    for copied, source in (
        (armature, original.armature),
        (mesh, original.mesh),
        (armature.data, original.armature.data),
        (mesh.data, original.mesh.data),
    ):
        _take_name(copied, source, undo)
    if rig_name:
        _give_name(armature, rig_name, undo)
    for key in tuple(armature.keys()):  # ours, and of no use outside
        if key.startswith(("pose2mesh_", "contact_", "visible")):
            del armature[key]

    copy = Character(armature, mesh)
    for owner in _animated(copy):
        actions.make_own(owner)
        undo.callback(bpy.data.actions.remove, owner.animation_data.action)
    for part in (armature, mesh):
        stage.collection.objects.link(part)
        part.hide_set(False, view_layer=stage.view_layers[0])
        part.hide_viewport = False
    mesh.parent = armature
    mesh.matrix_parent_inverse = Matrix.Identity(4)
    for modifier in tuple(mesh.modifiers):
        if modifier.type == "ARMATURE":
            modifier.object = armature
        else:  # any other would make exporters drop the shape keys
            mesh.modifiers.remove(modifier)
    return copy


def _animated(character: Character) -> Iterator[bpy.types.ID]:
    for owner in (character.armature, character.mesh.data.shape_keys):
        if owner is not None and owner.animation_data is not None and owner.animation_data.action is not None:
            yield owner


def _take_name(copied: bpy.types.ID, source: bpy.types.ID, undo: ExitStack) -> None:
    name = source.name
    source.name = f"{name}.staged"
    undo.callback(setattr, source, "name", name)
    copied.name = name
    # Freed before the source takes it back.
    undo.callback(setattr, copied, "name", f"{name}.gone")


def _give_name(copied: bpy.types.ID, name: str, undo: ExitStack) -> None:
    other = bpy.data.objects.get(name)
    if other is not None and other != copied:
        other.name = f"{name}.staged"
        undo.callback(setattr, other, "name", name)
    copied.name = name


def _key_rest(owner: bpy.types.ID) -> None:
    """The T-pose on the frame before the motion, for every curve of a bone or shape key."""
    for curve in actions.fcurves(owner):
        path = curve.data_path
        if path.startswith("pose.bones[") or path.startswith("key_blocks["):
            turn = path.endswith("rotation_quaternion") and curve.array_index == 0
            rest = 1.0 if turn or path.endswith("scale") else 0.0
            key = curve.keyframe_points.insert(_REST_FRAME, rest, options={"FAST"})
            key.interpolation = "CONSTANT"
            curve.update()


def _scale(character: Character, factor: float) -> None:
    """Everything in another unit: data and travel, never the objects."""
    grow = Matrix.Scale(factor, 4)
    character.armature.data.transform(grow)
    character.mesh.data.transform(grow, shape_keys=True)
    for curve in actions.fcurves(character.armature):
        if curve.data_path.endswith("location"):
            points = curve.keyframe_points
            for attribute in ("co", "handle_left", "handle_right"):
                keys = np.empty(2 * len(points), dtype=np.float32)
                points.foreach_get(attribute, keys)
                keys[1::2] *= factor
                points.foreach_set(attribute, keys)
            curve.update()
