"""A take onto a character: bone curves from the poses, shape keys from what the bones cannot carry."""

import bpy

from .operators import P2M_OT_bake
from .properties import P2M_BakeSettings

CLASSES = (P2M_BakeSettings, P2M_OT_bake)


def register() -> None:
    bpy.types.Scene.pose2mesh_bake = bpy.props.PointerProperty(type=P2M_BakeSettings)


def unregister() -> None:
    P2M_OT_bake.stop()
    del bpy.types.Scene.pose2mesh_bake
