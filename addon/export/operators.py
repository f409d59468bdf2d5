"""The buttons that write characters to files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..rig import character as characters
from . import fbx, gltf


class P2M_OT_export_fbx(bpy.types.Operator):
    bl_idname = "pose2mesh.export_fbx"
    bl_label = "Export FBX…"
    bl_description = "Write the selected characters, or all, with skeleton, shape keys and motion"
    bl_options = {"REGISTER"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.fbx", options={"HIDDEN"})
    check_existing: BoolProperty(default=True, options={"HIDDEN"})  # the file browser asks before overwriting
    preset: EnumProperty(
        name="For",
        description="The program that will read the file",
        items=[(key, preset.label, preset.description) for key, preset in fbx.PRESETS.items()],
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _has_character(cls, context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.filepath = self.filepath or suggestion(".fbx", self.preset)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, context: bpy.types.Context) -> bool:
        """Before Blender looks whether the file exists."""
        before, self.filepath = self.filepath, completed(self.filepath, (".fbx",))
        return bool(self.filepath != before)

    def execute(self, context: bpy.types.Context) -> set[str]:
        people, scene, preset = chosen(context), context.scene, self.preset
        return _write(self, (".fbx",), lambda path: fbx.export(path, people, scene, preset))


class P2M_OT_export_gltf(bpy.types.Operator):
    bl_idname = "pose2mesh.export_gltf"
    bl_label = "Export glTF…"
    bl_description = "Write the selected characters, or all, with skeleton, morph targets and motion"
    bl_options = {"REGISTER"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.glb;*.gltf", options={"HIDDEN"})
    check_existing: BoolProperty(default=True, options={"HIDDEN"})  # the file browser asks before overwriting

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _has_character(cls, context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.filepath = self.filepath or suggestion(".glb")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, context: bpy.types.Context) -> bool:
        """Before Blender looks whether the file exists."""
        before, self.filepath = self.filepath, completed(self.filepath, (".glb", ".gltf"))
        return bool(self.filepath != before)

    def execute(self, context: bpy.types.Context) -> set[str]:
        people, scene = chosen(context), context.scene
        return _write(self, (".glb", ".gltf"), lambda path: gltf.export(path, people, scene))


def chosen(context: bpy.types.Context) -> list[characters.Character]:
    """The selected characters; all of the scene's when none is selected."""
    every = characters.all_in(context.scene)
    return [c for c in every if c.armature.select_get() or c.mesh.select_get()] or every


def _has_character(operator: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    found = bool(chosen(context))
    if not found:
        operator.poll_message_set("There is no character in this scene: capture a video or open a take")
    return found


def suggestion(suffix: str, preset: str = "GENERIC") -> str:
    """Beside the .blend file, under its name and that of the program, so that files for two do not meet."""
    blend = Path(bpy.data.filepath or "character.blend")
    program = "" if preset == "GENERIC" else f"_{preset.lower()}"
    return str(blend.with_name(f"{blend.stem}{program}{suffix}"))


def completed(filepath: str, suffixes: tuple[str, ...]) -> str:
    """The path with the first of these suffixes, unless it has one of them or names no file yet."""
    named = bpy.path.basename(filepath) != ""
    return filepath + suffixes[0] if named and Path(filepath).suffix.lower() not in suffixes else filepath


def _write(
    operator: bpy.types.Operator, suffixes: tuple[str, ...], export: Callable[[Path], list[Path]]
) -> set[str]:
    path = Path(bpy.path.abspath(completed(operator.filepath, suffixes)))
    if not path.parent.is_dir():
        operator.report({"ERROR"}, f"The folder {path.parent} does not exist; choose another one")
        return {"CANCELLED"}
    try:
        written = export(path)
    except (RuntimeError, OSError, ValueError) as error:
        operator.report({"ERROR"}, f"{path.name} was not written: {_cause(error)}")
        return {"CANCELLED"}
    operator.report({"INFO"}, f"Wrote {', '.join(file.name for file in written)}")
    return {"FINISHED"}


def _cause(error: Exception) -> str:
    """The last line of what may be a whole traceback: Blender's operators hand over theirs as text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Location:", "Error: Python: Traceback"))]
    return lines[-1] if lines else type(error).__name__
