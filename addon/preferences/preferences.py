"""The add-on's preferences, and how the rest of it reads them."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, StringProperty

from .. import paths
from . import check, interpreter
from .interpreter import VARIABLE, Interpreter

DEVICES = (
    ("auto", "Automatic", "The graphics card where it can be used, the processor otherwise"),
    ("cpu", "Processor", "The CPU: works everywhere"),
    ("cuda", "NVIDIA Graphics Card", "CUDA: the fastest"),
)


class P2M_Preferences(bpy.types.AddonPreferences):
    bl_idname = paths.PACKAGE

    engine_python: StringProperty(
        name="Engine Python",
        description=(
            "The Python of the engine's own environment, for example .venv/bin/python of a checkout. "
            f"Empty: found by itself ({VARIABLE}, a .venv beside the add-on, or the one build.py made)"
        ),
        subtype="FILE_PATH",
    )
    device: EnumProperty(name="Device", description="What the neural networks run on", items=DEVICES)

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "engine_python")
        found = engine()
        note = layout.column(align=True)
        if found is not None:
            note.label(text=f"In use: {found.path} (from {found.found_by})", icon="CHECKMARK")
        elif self.engine_python:
            note.label(text="There is no such file", icon="ERROR")
        else:
            note.label(
                text="No engine found: run “python build.py demo” once, or choose its Python", icon="ERROR"
            )
        layout.prop(self, "device")
        layout.operator("pose2mesh.check_engine", icon="FILE_REFRESH")
        check.draw(layout)


def get(context: bpy.types.Context | None = None) -> P2M_Preferences | None:
    """The add-on's preferences; None where it is registered without being enabled (tests)."""
    addon = (context or bpy.context).preferences.addons.get(paths.PACKAGE)
    return addon.preferences if addon is not None else None


def engine() -> Interpreter | None:
    """The engine's interpreter, None when there is none."""
    preferences = get()
    return interpreter.find(preferences.engine_python if preferences is not None else "", paths.ROOT)


def device() -> str:
    """The chosen device."""
    preferences = get()
    return preferences.device if preferences is not None else "auto"
