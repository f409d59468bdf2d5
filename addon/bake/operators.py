"""The button that bakes characters again, in another mode."""

from __future__ import annotations

import bpy

from ...engine.errors import EngineError
from ..rig import character as characters
from .again import Baking, Task
from .bake import BakeReport
from .properties import bake_options

_TICK = 0.1  # s


class P2M_OT_bake(bpy.types.Operator):
    bl_idname = "pose2mesh.bake"
    bl_label = "Bake Again"
    bl_description = "Write the selected characters' motion anew from their takes, with the settings above"
    bl_options = {"REGISTER", "UNDO"}

    _running: Baking | None = None  # of the class: one at a time

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if P2M_OT_bake._running is not None:
            cls.poll_message_set("A bake is running: wait for it or press Esc in a 3D view")
            return False
        if not chosen(context):
            cls.poll_message_set("Select a character that was made from a take")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        P2M_OT_bake._running = baking(context)
        P2M_OT_bake._running.start()
        self._timer = context.window_manager.event_timer_add(_TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        context.workspace.status_text_set("Baking …   Esc: cancel")
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        running = P2M_OT_bake._running
        if running is None or event.type == "ESC":
            self.cancel(context)
            return {"CANCELLED"}
        if event.type != "TIMER" or not running.is_ready:
            return {"PASS_THROUGH"}
        self._leave(context)
        return self._finish(running)

    def cancel(self, context: bpy.types.Context) -> None:
        self.stop()
        self._leave(context)

    @staticmethod
    def stop() -> None:
        """End a running bake, if there is one."""
        if P2M_OT_bake._running is not None:
            P2M_OT_bake._running.stop()

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self._finish(baking(context))

    def _finish(self, work: Baking) -> set[str]:
        try:
            for name, report in work.finish():
                self.report({"INFO"}, f"{name}: {summary(report)}")
        except EngineError as error:
            self.report({"ERROR"}, error.text)
            return {"CANCELLED"}
        return {"FINISHED"}

    def _leave(self, context: bpy.types.Context) -> None:
        P2M_OT_bake._running = None
        context.window_manager.event_timer_remove(self._timer)
        if context.workspace is not None:
            context.workspace.status_text_set(None)


def baking(context: bpy.types.Context) -> Baking:
    """The work the button stands for now: the chosen characters with the scene's settings."""
    tasks = [Task.of(character) for character in chosen(context)]
    return Baking(tasks, bake_options(context.scene.pose2mesh_bake))


def chosen(context: bpy.types.Context) -> list[characters.Character]:
    """The selected characters that know their take; all of the scene's when none is selected."""
    every = [c for c in characters.all_in(context.scene) if characters.TAKE_TAG in c.armature]
    picked = [c for c in every if c.armature.select_get() or c.mesh.select_get()]
    return picked or every


def summary(report: BakeReport) -> str:
    """A bake in one short line for people."""
    keys = f"{report.keys} shape keys" if report.keys else "no shape keys"
    return f"{report.frames} frames, {keys}, at most {1000 * report.error:.2g} mm from the captured surface"
