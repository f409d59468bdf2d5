"""The button that opens a take as a scene."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from ...engine.body.model import BodyModel
from ...engine.errors import EngineError
from ...engine.protocol.take import Take
from .. import paths
from ..bake.operators import summary
from ..bake.properties import bake_options
from .assemble import assemble, show_camera_views


class P2M_OT_open_take(bpy.types.Operator):
    bl_idname = "pose2mesh.open_take"
    bl_label = "Open Take…"
    bl_description = (
        "Build the characters and the camera of a captured take; name its video at the side to see it behind"
    )
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="Take", subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.npz", options={"HIDDEN"})
    video: StringProperty(
        name="Video", description="The footage to show behind; may be empty", options={"SKIP_SAVE"}
    )
    look: BoolProperty(name="Look Through", description="Turn the 3D views to the camera", default=True)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not self.filepath:
            with suppress(OSError):  # then wherever the file browser was
                folder = paths.take_folder(context.scene.pose2mesh_capture.take_folder)
                self.filepath = f"{folder}{os.sep}"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        video = Path(bpy.path.abspath(self.video)) if self.video else None
        try:
            take = Take.open(Path(bpy.path.abspath(self.filepath)))
            made = assemble(
                take,
                BodyModel.load(take.body),
                bake_options(context.scene.pose2mesh_bake),
                video=video,
                scene=context.scene,
            )
        except (EngineError, ValueError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if self.look:
            show_camera_views()
        for character, report in zip(made.characters, made.reports, strict=True):
            self.report({"INFO"}, f"{character.armature.name}: {summary(report)}")
        for warning in made.warnings:
            self.report({"WARNING"}, warning)
        return {"FINISHED"}
