"""How takes become characters, kept with the scene."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty

from .bake import BONES, COMPACT, FULL, BakeOptions

MODES = (
    (
        COMPACT,
        "Compact",
        "Bones carry the motion, a few shape keys the rest, within the tolerance",
        "SHAPEKEY_DATA",
        0,
    ),
    (
        FULL,
        "Full",
        "One shape key per frame: exactly the captured surface, heavy on long takes",
        "RENDER_ANIMATION",
        1,
    ),
    (BONES, "Bones Only", "No shape keys: the lightest, for games and retargeting", "ARMATURE_DATA", 2),
)


class P2M_BakeSettings(bpy.types.PropertyGroup):
    mode: EnumProperty(name="Shape", description="What carries the captured surface", items=MODES)
    tolerance: FloatProperty(
        name="Tolerance",
        description="No vertex of any frame is further from the captured surface than this",
        default=0.001,
        min=0.0001,
        soft_max=0.02,
        max=1.0,
        precision=4,
        subtype="DISTANCE",
    )
    in_place: BoolProperty(
        name="In Place",
        description="Keep the character over the origin; otherwise it travels on the root bone",
    )


def bake_options(settings: P2M_BakeSettings) -> BakeOptions:
    """The settings as plain data. No method: 4.2 crashes at exit where a property group has functions."""
    return BakeOptions(settings.mode, settings.tolerance, settings.in_place)
