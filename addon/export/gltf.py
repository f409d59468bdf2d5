"""glTF for Godot, the web and everything that reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np

from ..rig.character import Character
from .staging import needs, staged

_USUAL_INFLUENCES = 4


def export(path: Path, characters: Sequence[Character], scene: bpy.types.Scene) -> list[Path]:
    """Write characters with skeleton, skin, morph targets and one animation over the scene's range, as .glb
    or .gltf.

    Time 0 is the first frame; every frame is one key of every bone and weight.

    Args:
        path: the file; its suffix chooses the flavour, .glb unless it is .gltf.
        characters: at least one.
        scene: gives the rate and the range.

    Returns:
        the file written.

    Raises:
        RuntimeError: Blender's exporter failed or is switched off; the text says why.
    """
    needs("export_scene.gltf", "glTF 2.0 format")
    embedded = path.suffix.lower() != ".gltf"
    target = path.with_suffix(".glb") if embedded else path
    options = {
        "filepath": str(target),
        "export_format": "GLB" if embedded else "GLTF_SEPARATE",
        "use_selection": False,
        "use_active_scene": True,
        "export_yup": True,
        "export_apply": False,
        "export_extras": False,
        "export_cameras": False,
        "export_lights": False,
        "export_skins": True,
        "export_def_bones": False,
        # Four influences are what engines skin with; more only when the body has more, or vertices would
        # move.
        "export_all_influences": any(_influences(c) > _USUAL_INFLUENCES for c in characters),
        "export_rest_position_armature": True,
        "export_current_frame": True,  # the T-pose, or frame 0 would give the morph targets' default weights
        "export_morph": True,
        "export_morph_normal": False,
        "export_morph_animation": True,
        "export_animations": True,
        "export_animation_mode": "SCENE",  # the default mode loses the shape keys' animation
        "export_anim_scene_split_object": False,
        "export_frame_range": True,
        "export_frame_step": 1,
        "export_force_sampling": True,
        "export_optimize_animation_size": False,
    }
    base = scene.render.fps_base
    duration = (scene.frame_end - scene.frame_start) / (scene.render.fps / base)
    with staged(characters, scene, target.stem) as stage:
        # Blender's glTF exporter (4.2 to 5.2) takes fps * fps_base for the rate, where it is fps /
        # fps_base. Its times are looked at, so that a Blender that has it right gets it right here too.
        for stage.render.fps_base in (1.0 / base, base):
            bpy.ops.export_scene.gltf(**options)
            if abs(_last_time(target) - duration) <= 1e-4 * duration:
                break
    return [target]


def _influences(character: Character) -> int:
    """The most bones that pull one vertex."""
    return int(np.max([len(vertex.groups) for vertex in character.mesh.data.vertices], initial=0))


def _last_time(path: Path) -> float:
    """Seconds of the last key in a glTF file, from its header."""
    data = path.read_bytes()
    if data[:4] == b"glTF":  # magic, version, length, then the JSON chunk's length and type
        data = data[20 : 20 + int.from_bytes(data[12:16], "little")]
    content = json.loads(data)
    samplers = [sampler for animation in content.get("animations", ()) for sampler in animation["samplers"]]
    return max((content["accessors"][sampler["input"]]["max"][0] for sampler in samplers), default=0.0)
