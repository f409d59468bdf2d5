"""The buttons that write characters to files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

from ..rig import character as characters
from . import fbx, gltf


class _Export:
    """What both exports share: a file to choose, characters to write, errors to show."""

    bl_options = {"REGISTER"}
    filename_ext = ""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not chosen(context):
            cls.poll_message_set("There is no character in this scene: capture a video or open a take")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not self.filepath:
            beside = Path(bpy.data.filepath).with_suffix("") if bpy.data.filepath else Path("character")
            self.filepath = str(beside) + self.filename_ext
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def write(self, context: bpy.types.Context, export: Callable[[Path], list[Path]]) -> set[str]:
        path = Path(bpy.path.abspath(self.filepath))
        if path.suffix.lower() not in (self.filename_ext, ".gltf"):
            path = path.with_name(path.name + self.filename_ext)
        if not path.parent.is_dir():
            self.report({"ERROR"}, f"The folder {path.parent} does not exist; choose another one")
            return {"CANCELLED"}
        try:
            written = export(path)
        except (RuntimeError, OSError) as error:
            self.report({"ERROR"}, f"{path.name} was not written: {str(error).strip()}")
            return {"CANCELLED"}
        self.report({"INFO"}, f"Wrote {', '.join(file.name for file in written)}")
        return {"FINISHED"}


class P2M_OT_export_fbx(_Export, bpy.types.Operator):
    bl_idname = "pose2mesh.export_fbx"
    bl_label = "Export FBX…"
    bl_description = "Write the selected characters, or all, with skeleton, shape keys and motion"
    filename_ext = ".fbx"

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.fbx", options={"HIDDEN"})
    preset: EnumProperty(
        name="For",
        description="The program that will read the file",
        items=[(key, preset.label, preset.description) for key, preset in fbx.PRESETS.items()],
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.write(context, lambda path: fbx.export(path, chosen(context), context.scene, self.preset))


class P2M_OT_export_gltf(_Export, bpy.types.Operator):
    bl_idname = "pose2mesh.export_gltf"
    bl_label = "Export glTF…"
    bl_description = "Write the selected characters, or all, with skeleton, morph targets and motion"
    filename_ext = ".glb"

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.glb;*.gltf", options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.write(context, lambda path: gltf.export(path, chosen(context), context.scene))


def chosen(context: bpy.types.Context) -> list[characters.Character]:
    """The selected characters; all of the scene's when none is selected."""
    every = characters.all_in(context.scene)
    return [c for c in every if c.armature.select_get() or c.mesh.select_get()] or every
