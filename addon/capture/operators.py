"""Buttons of the capture panel: they start, stop and show; the session does the work."""

from __future__ import annotations

import time

import bpy
from bpy.props import BoolProperty, StringProperty

from ...engine.errors import EngineError
from .. import preferences
from . import footage, session
from .request import chosen_footage

_BACKGROUND_PAUSE = 0.02  # s


class P2M_OT_choose_video(bpy.types.Operator):
    bl_idname = "pose2mesh.choose_video"
    bl_label = "Choose Video…"
    bl_description = "Pick a video, or the first image of a numbered sequence"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_movie: BoolProperty(default=True, options={"HIDDEN"})
    filter_image: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _not_running(cls)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.pose2mesh_capture
        settings.source, settings.filepath = "FILE", self.filepath
        return {"FINISHED"}


class P2M_OT_capture(bpy.types.Operator):
    bl_idname = "pose2mesh.capture"
    bl_label = "Capture"
    bl_description = "Turn the footage into an animated, rigged body. Blender stays usable meanwhile"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = _why_not(context.scene)
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def execute(self, context: bpy.types.Context) -> set[str]:
        interpreter = preferences.engine()
        assert interpreter is not None
        try:
            running = session.start(
                context.scene, chosen_footage(context.scene), interpreter, preferences.device()
            )
        except EngineError as error:
            self.report({"ERROR"}, error.text)
            return {"CANCELLED"}
        if not bpy.app.background:
            return {"FINISHED"}
        # No timers and no panel without a window: scripts and render farms wait for the end here.
        while session.tick() is not None:
            time.sleep(_BACKGROUND_PAUSE)
        if running.failure is not None:
            self.report({"ERROR"}, running.failure)
            return {"CANCELLED"}
        return {"FINISHED"}


class P2M_OT_cancel_capture(bpy.types.Operator):
    bl_idname = "pose2mesh.cancel_capture"
    bl_label = "Cancel"
    bl_description = "Stop the capture; nothing is kept of it"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not session.is_running():
            cls.poll_message_set("No capture is running")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        session.cancel()
        return {"FINISHED"}


class P2M_OT_open_log(bpy.types.Operator):
    bl_idname = "pose2mesh.open_log"
    bl_label = "Open Engine Log"
    bl_description = "Open what the engine wrote during the latest capture"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if session.current() is None:
            cls.poll_message_set("Nothing was captured yet")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        latest = session.current()
        assert latest is not None
        bpy.ops.wm.path_open(filepath=str(latest.job.log))
        return {"FINISHED"}


def _why_not(scene: bpy.types.Scene) -> str | None:
    """Why a capture cannot start now, None when it can. Runs on every redraw: looks, but opens nothing."""
    settings = scene.pose2mesh_capture
    if session.is_running():
        return "A capture is running: wait for it or cancel it"
    if preferences.engine() is None:
        return "The engine's Python is not found: set it in the add-on's preferences"
    if settings.source == "FILE" and not settings.filepath:
        return "Choose a video first"
    if settings.source == "CLIP" and settings.clip is None:
        return "Choose a movie clip first"
    if settings.source == "STRIP" and footage.active_strip(scene) is None:
        return "Click a movie or image strip in the Video Sequencer first"
    return None


def _not_running(cls: type[bpy.types.Operator]) -> bool:
    if session.is_running():
        cls.poll_message_set("A capture is running: wait for it or cancel it")
        return False
    return True
