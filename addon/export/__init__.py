"""Characters out of Blender: FBX and glTF for game engines and other programs."""

import bpy

from .operators import P2M_OT_export_fbx, P2M_OT_export_gltf
from .properties import P2M_ExportSettings

CLASSES = (P2M_ExportSettings, P2M_OT_export_fbx, P2M_OT_export_gltf)


def register() -> None:
    bpy.types.Scene.pose2mesh_export = bpy.props.PointerProperty(type=P2M_ExportSettings)


def unregister() -> None:
    del bpy.types.Scene.pose2mesh_export
