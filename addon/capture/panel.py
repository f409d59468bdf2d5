"""The capture part of the sidebar tab."""

from __future__ import annotations

import bpy

from ...engine.protocol.messages import Progress
from .. import paths, preferences
from ..text import duration, paragraph
from . import footage, session
from .job import State
from .session import Session

# The engine's stages in the user's words, in their order.
STAGES = {"people": "Watching the video", "body": "Moving the body", "write": "Writing the take"}
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
            _draw_progress(layout, latest)
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
        row = layout.row(heading="Known Height")
        row.prop(settings, "use_height", text="")
        field = row.row()
        field.active = settings.use_height
        field.use_property_split = False  # the unit stands in the field, where Blender shows its own
        field.prop(settings, "height", text="Metres")
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
        strip = footage.active_strip(bpy.context.scene)
        column.label(text=strip.name if strip is not None else "No active strip", icon="SEQUENCE")
    column = column.column()
    column.use_property_split = True
    column.use_property_decorate = False
    column.prop(settings, "people")
    column.prop(settings, "network")
    own = preferences.get()
    if own is not None:
        column.prop(own, "device")


def _draw_no_engine(layout: bpy.types.UILayout) -> None:
    box = layout.box()
    text = "No engine found: run “python build.py demo” once, or choose its Python in the preferences."
    paragraph(box, text, icon="ERROR")
    box.operator("preferences.addon_show", text="Open Preferences", icon="PREFERENCES").module = paths.PACKAGE


def _draw_progress(layout: bpy.types.UILayout, latest: Session) -> None:
    job, progress = latest.job, latest.job.progress
    column = layout.column()
    if latest.builder is not None:
        text = "Waiting until you are done…" if latest.waits else "Building the character…"
        column.progress(factor=1.0, text=text)
    elif job.state is State.CANCELLING:
        column.progress(factor=0.0, text="Cancelling…")
    elif progress is None:
        column.progress(factor=0.0, text="Reading the video…" if job.started else "Starting the engine…")
    else:
        _draw_stage(column, progress)
    row = column.row()
    row.enabled = job.state is not State.CANCELLING
    row.operator("pose2mesh.cancel_capture", icon="CANCEL")


def _draw_stage(layout: bpy.types.UILayout, progress: Progress) -> None:
    done, total, names = progress.done, progress.total, list(STAGES)
    number = names.index(progress.stage) if progress.stage in STAGES else None
    if total and done >= total and number is not None and number + 1 < len(names):
        # The next stage is under way, it only has nothing to tell yet.
        _draw_title(layout, number + 1)
        layout.progress(factor=0.0, text="…")
        return
    if number is not None:
        _draw_title(layout, number)
    counted = f"{done} of {total} frames" if total else f"{done} frames"
    layout.progress(factor=min(1.0, done / total) if total else 0.0, text=counted)
    if progress.rate > 0:
        row = layout.row()
        row.label(text=f"{progress.rate:.{0 if progress.rate >= 10 else 1}f} frames/s")
        if progress.eta is not None:
            right = row.row()
            right.alignment = "RIGHT"
            right.label(text=f"{duration(progress.eta)} left")


def _draw_title(layout: bpy.types.UILayout, stage: int) -> None:
    layout.label(text=f"{stage + 1} of {len(STAGES)}: {list(STAGES.values())[stage]}")


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
        if job.result is not None:  # captured, and only not brought into Blender
            _draw_open_take(box, latest)
    elif latest.built is not None and job.result is not None:
        people = f"{job.result.people} people" if job.result.people != 1 else "1 person"
        text = f"{job.result.frames} frames, {people}, in {duration(job.result.seconds)}"
        layout.label(text=text, icon="CHECKMARK")
    elif job.state is State.CANCELLED:
        layout.label(text="Cancelled; nothing was changed", icon="INFO")
    elif latest.unused is not None:
        box = layout.box()
        paragraph(box, latest.unused, icon="INFO")
        _draw_open_take(box, latest)
    for text in latest.warnings[:_WARNINGS_SHOWN]:
        paragraph(layout, text, icon="INFO")
    hidden = len(latest.warnings) - _WARNINGS_SHOWN
    if hidden > 0:
        layout.label(text=f"… and {hidden} more in the log", icon="BLANK1")


def _draw_open_take(layout: bpy.types.UILayout, latest: Session) -> None:
    row = layout.row()
    row.operator_context = "EXEC_DEFAULT"  # the file is known: do not ask for it
    open_take = row.operator("pose2mesh.open_take", text="Open the Take Here", icon="IMPORT")
    open_take.filepath, open_take.video = str(latest.take), str(latest.footage)
