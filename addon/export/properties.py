"""Where characters go, kept with the scene."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty

from .fbx import PRESETS

GLTF = "GODOT"


class P2M_ExportSettings(bpy.types.PropertyGroup):
    preset: EnumProperty(
        name="For",
        description="The program that will read the file",
        items=(
            *((key, preset.label, preset.description) for key, preset in PRESETS.items()),
            (GLTF, "Godot / glTF", "A .glb file: Godot, the web, and everything that reads glTF"),
        ),
    )
