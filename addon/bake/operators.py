"""The button that bakes a character again, in another mode."""

from __future__ import annotations

from pathlib import Path

import bpy

from ...engine.body.model import BodyModel
from ...engine.errors import EngineError
from ...engine.protocol.take import Take
from ..rig import character as characters
from .bake import BakeReport, bake
from .properties import bake_options


class P2M_OT_bake(bpy.types.Operator):
    bl_idname = "pose2mesh.bake"
    bl_label = "Bake Again"
    bl_description = "Write the selected characters' motion anew from their takes, with the settings above"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not chosen(context):
            cls.poll_message_set("Select a character that was made from a take")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        options = bake_options(context.scene.pose2mesh_bake)
        for character in chosen(context):
            armature = character.armature
            try:
                take = Take.open(Path(armature[characters.TAKE_TAG]))
                body = BodyModel.load(take.body)
                person = take.person_id.tolist().index(armature[characters.PERSON_TAG])
                report = bake(character, take, body, person, options)
            except (EngineError, ValueError) as error:
                self.report({"ERROR"}, f"{armature.name}: {error}")
                return {"CANCELLED"}
            self.report({"INFO"}, f"{armature.name}: {summary(report)}")
        return {"FINISHED"}


def chosen(context: bpy.types.Context) -> list[characters.Character]:
    """The selected characters that know their take; all of the scene's when none is selected."""
    every = [c for c in characters.all_in(context.scene) if characters.TAKE_TAG in c.armature]
    picked = [c for c in every if c.armature.select_get() or c.mesh.select_get()]
    return picked or every


def summary(report: BakeReport) -> str:
    """A bake in one short line for people."""
    keys = f"{report.keys} shape keys" if report.keys else "no shape keys"
    return f"{report.frames} frames, {keys}, at most {1000 * report.error:.2g} mm from the captured surface"
