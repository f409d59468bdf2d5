"""The capture part of the sidebar tab."""

from __future__ import annotations

import bpy

from .. import paths, preferences
from ..ui.text import duration, paragraph
from . import session
from .job import CaptureJob, State
from .session import Session

_WARNINGS_SHOWN = 3


class P2M_PT_capture(bpy.types.Panel):
    bl_label = "Capture"
    bl_idname = "P2M_PT_capture"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Pose2Mesh"
    bl_order = 0

    def draw(self, context: bpy.types.Context) -> None:
        latest = session.current()
        layout = self.layout
        _draw_settings(layout, context.scene.pose2mesh_capture, enabled=not session.is_running())
        if preferences.engine() is None:
            _draw_no_engine(layout)
        if latest is not None and latest.is_running:
            _draw_progress(layout, latest.job)
        else:
            row = layout.row()
            row.scale_y = 1.5
            row.operator("pose2mesh.capture", icon="ARMATURE_DATA")
        if latest is not None:
            _draw_outcome(layout, latest)


class P2M_PT_capture_options(bpy.types.Panel):
    bl_label = "Options"
    bl_parent_id = "P2M_PT_capture"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Pose2Mesh"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.pose2mesh_capture
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.enabled = not session.is_running()
        layout.prop(settings, "smoothing", slider=True)
        layout.prop(settings, "use_preview")
        layout.prop(settings, "use_range")
        if settings.use_range:
            column = layout.column(align=True)
            column.prop(settings, "first_frame")
            column.prop(settings, "last_frame")
        layout.prop(settings, "take_folder")


def _draw_settings(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup, enabled: bool) -> None:
    column = layout.column()
    column.enabled = enabled
    column.row().prop(settings, "source", expand=True)
    if settings.source == "FILE":
        if settings.filepath:
            column.prop(settings, "filepath", text="")
        else:
            column.operator("pose2mesh.choose_video", icon="FILE_FOLDER")
    elif settings.source == "CLIP":
        column.template_ID(settings, "clip", open="clip.open")
    else:
        strips = bpy.context.scene.sequence_editor
        strip = strips.active_strip if strips is not None else None
        column.label(text=strip.name if strip is not None else "No active strip", icon="SEQUENCE")
    column = column.column()
    column.use_property_split = True
    column.use_property_decorate = False
    column.prop(settings, "people")
    own = preferences.get()
    if own is not None:
        column.prop(own, "device")


def _draw_no_engine(layout: bpy.types.UILayout) -> None:
    box = layout.box()
    paragraph(box, "The engine's Python is not found.", icon="ERROR")
    box.operator("preferences.addon_show", text="Open Preferences", icon="PREFERENCES").module = paths.PACKAGE


def _draw_progress(layout: bpy.types.UILayout, job: CaptureJob) -> None:
    box = layout.box()
    progress = job.progress
    if job.state is State.CANCELLING:
        box.progress(factor=0.0, text="Cancelling…")
    elif progress is None:
        box.progress(factor=0.0, text="Loading the networks…" if job.started else "Starting the engine…")
    else:
        total = progress.total
        counted = f"{progress.done} / {total}" if total else f"{progress.done}"
        box.label(text=progress.stage.replace("_", " ").capitalize())
        box.progress(factor=min(1.0, progress.done / total) if total else 0.0, text=f"{counted} frames")
        row = box.row()
        row.label(text=f"{progress.rate:.1f} frames/s")
        if progress.eta is not None:
            row.label(text=f"{duration(progress.eta)} left", icon="TIME")
    row = box.row()
    row.enabled = job.state is not State.CANCELLING
    row.operator("pose2mesh.cancel_capture", icon="CANCEL")


def _draw_outcome(layout: bpy.types.UILayout, latest: Session) -> None:
    job = latest.job
    if latest.failure is not None:
        box = layout.box()
        box.alert = True
        paragraph(box, latest.failure, icon="ERROR")
        box = box.column()
        box.alert = False
        paragraph(box, f"Log: {job.log}")
        box.operator("pose2mesh.open_log", icon="TEXT")
    elif job.state is State.CANCELLED:
        layout.label(text="Cancelled; nothing was changed", icon="INFO")
    elif latest.waiting:
        box = layout.box()
        paragraph(
            box, "The capture is done, but its scene was closed. Load the take to use it here.", icon="INFO"
        )
        paragraph(box, str(latest.take))
    for text in job.warnings[:_WARNINGS_SHOWN]:
        paragraph(layout, text, icon="INFO")
    hidden = len(job.warnings) - _WARNINGS_SHOWN
    if hidden > 0:
        layout.label(text=f"… and {hidden} more in the log", icon="BLANK1")
