"""Buttons of the preferences."""

from __future__ import annotations

import bpy

from . import check, preferences


class P2M_OT_check_engine(bpy.types.Operator):
    bl_idname = "pose2mesh.check_engine"
    bl_label = "Check Engine"
    bl_description = "Start the engine once and list what it found: libraries, models, devices"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if preferences.engine() is None:
            cls.poll_message_set("The engine's Python is not found; choose it above")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        interpreter = preferences.engine()
        assert interpreter is not None
        try:
            check.start(interpreter.path)
        except OSError as error:
            self.report({"ERROR"}, f"{interpreter.path} cannot be started ({error.strerror})")
            return {"CANCELLED"}
        return {"FINISHED"}
