"""FBX for game engines and other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..rig.character import Character
from .staging import needs, staged


@dataclass(frozen=True)
class Preset:
    """What a program wants of an FBX.

    Attributes:
        label: for people.
        description: what it does, for people.
        centimetres: build the data in centimetres, so that neither nodes nor the file need a factor.
        rig_name: the armature's name where the program treats one specially.
        one_per_file: several characters go into several files.
    """

    label: str
    description: str
    centimetres: bool = False
    rig_name: str = ""
    one_per_file: bool = False


PRESETS = {
    "GENERIC": Preset(
        "Generic", "Metres and scale 1: Maya, MotionBuilder, Cinema 4D, Blender and most others"
    ),
    # Unreal skips a node called "Armature", so that `root` is the root bone of its skeleton; it counts in
    # centimetres.
    "UNREAL": Preset("Unreal", "Centimetres, root bone first; one file per person", True, "Armature", True),
    "UNITY": Preset("Unity", "Metres with the scale in the file, so that the imported object has scale 1"),
}


def export(
    path: Path, characters: Sequence[Character], scene: bpy.types.Scene, preset: str = "GENERIC"
) -> list[Path]:
    """Write characters with skeleton, skin, shape keys and one animation over the scene's range.

    The file's rest pose is the T-pose with the root on the floor, its time 0 the first frame, its rate the
    scene's.

    Args:
        path: the file; with several characters and a preset that wants them apart, their names are appended.
        characters: at least one.
        scene: gives the rate and the range.
        preset: a key of `PRESETS`.

    Returns:
        the files written.

    Raises:
        RuntimeError: Blender's exporter failed or is switched off; the text says why.
    """
    chosen = PRESETS[preset]
    apart = chosen.one_per_file and len(characters) > 1
    groups = [[character] for character in characters] if apart else [list(characters)]
    needs("export_scene.fbx", "FBX format")
    written: list[Path] = []
    for group in groups:
        target = _own_file(path, group[0], written) if apart else path.with_name(f"{path.stem}.fbx")
        scale = 100.0 if chosen.centimetres else 1.0
        with staged(group, scene, target.stem, scale=scale, rig_name=chosen.rig_name):
            bpy.ops.export_scene.fbx(
                filepath=str(target),
                use_selection=False,
                object_types={"ARMATURE", "MESH"},
                use_mesh_modifiers=False,  # would drop the shape keys; the armature is never "applied"
                mesh_smooth_type="FACE",
                use_custom_props=False,
                apply_unit_scale=True,
                apply_scale_options="FBX_SCALE_UNITS",
                axis_forward="-Z",
                axis_up="Y",
                bake_space_transform=False,
                add_leaf_bones=False,
                primary_bone_axis="Y",
                secondary_bone_axis="X",
                use_armature_deform_only=False,
                bake_anim=True,
                bake_anim_use_all_bones=True,
                bake_anim_use_nla_strips=False,
                bake_anim_use_all_actions=False,
                bake_anim_force_startend_keying=True,
                bake_anim_step=1.0,
                bake_anim_simplify_factor=0.0,
                path_mode="AUTO",
            )
        written.append(target)
    return written


def _own_file(path: Path, character: Character, taken: Sequence[Path]) -> Path:
    """Beside `path`, with the character's name, as file systems take it; never another one's file."""
    name = bpy.path.clean_name(character.armature.name.removesuffix("_rig"))
    target, number = path.with_name(f"{path.stem}_{name}.fbx"), 1
    while target in taken:
        number += 1
        target = path.with_name(f"{path.stem}_{name}_{number}.fbx")
    return target
