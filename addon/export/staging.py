"""A throwaway copy of characters, prepared the way exporters need it; the user's scene is never touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import bpy
from mathutils import Matrix

from ..rig.character import Character
from .motion import Recording, remove_movers

_REST_FRAME = -1


def needs(operator: str, add_on: str) -> None:
    """Refuse where Blender's own exporter is not there.

    Args:
        operator: as in bpy.ops, for example export_scene.fbx.
        add_on: what Blender's preferences call the add-on that brings it.

    Raises:
        RuntimeError: it is switched off.
    """
    group, name = operator.split(".")
    if not hasattr(bpy.types, f"{group.upper()}_OT_{name}"):
        raise RuntimeError(
            f'Blender\'s add-on "{add_on}" is switched off: switch it on under Edit > Preferences > Add-ons'
        )


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

    The copies move by plain keys, one a frame, of what the originals show, whatever moves those. The motion
    starts at frame 0, so that time 0 of the file is the first video frame, and the frame before it, which is
    the current one, holds the T-pose: exporters write the current frame as the pose of the nodes.

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
        stage.unit_settings.system = "METRIC"
        stage.unit_settings.scale_length = 1.0 / scale
        copies = [_copy(original, stage, undo, rig_name) for original in originals]
        with bpy.context.temp_override(scene=stage, view_layer=stage.view_layers[0]):
            recordings = _record(copies, stage, scene.frame_start, scene.frame_end)
            stage.frame_start, stage.frame_end = 0, scene.frame_end - scene.frame_start
            for recording in recordings:
                remove_movers(recording.character)
                for action in recording.write(_REST_FRAME, scale):
                    undo.callback(bpy.data.actions.remove, action)
                if scale != 1.0:
                    _scale_data(recording.character, scale)
            stage.frame_set(_REST_FRAME)
            yield stage


def _record(copies: Sequence[Character], stage: bpy.types.Scene, first: int, last: int) -> list[Recording]:
    """What the copies show from first to last frame.

    They are watched in the stage and not in the user's scene, which would cost whatever else is in that.
    What moves them but is not on the stage, such as a parent or a constraint's target, Blender evaluates too.
    """
    recordings = [Recording(copy) for copy in copies]
    for frame in range(first, last + 1):
        stage.frame_set(frame)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        for recording in recordings:
            recording.add(depsgraph)
    return recordings


def _copy(original: Character, stage: bpy.types.Scene, undo: ExitStack, rig_name: str) -> Character:
    """Copies of both objects and their data, under the originals' names, moved by whatever moves those."""
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

    armature.data.pose_position = "POSE"
    for part in (armature, mesh):
        stage.collection.objects.link(part)
        part.hide_set(False, view_layer=stage.view_layers[0])
        part.hide_viewport = False
    mesh.parent = armature
    for modifier in tuple(mesh.modifiers):
        if modifier.type == "ARMATURE":
            modifier.object = armature
        else:  # any other would make exporters drop the shape keys
            mesh.modifiers.remove(modifier)
    return Character(armature, mesh)


def _take_name(copied: bpy.types.ID, source: bpy.types.ID, undo: ExitStack) -> None:
    name = source.name
    if source.library is None:  # linked data cannot be renamed, and does not stand in the way either
        source.name = f"{name}.staged"
        undo.callback(setattr, source, "name", name)
    copied.name = name
    # Freed before the source takes it back.
    undo.callback(setattr, copied, "name", f"{name}.gone")


def _give_name(copied: bpy.types.ID, name: str, undo: ExitStack) -> None:
    other = next((o for o in bpy.data.objects if o.name == name and o.library is None), None)
    if other is not None and other != copied:
        other.name = f"{name}.staged"
        undo.callback(setattr, other, "name", name)
    copied.name = name


def _scale_data(character: Character, factor: float) -> None:
    grow = Matrix.Scale(factor, 4)
    character.armature.data.transform(grow)
    character.mesh.data.transform(grow, shape_keys=True)
