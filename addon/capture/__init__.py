"""Footage to take: the engine as a child process, its progress, the live preview and the panel."""

import bpy

from . import session
from .operators import P2M_OT_cancel_capture, P2M_OT_capture, P2M_OT_choose_video, P2M_OT_open_log
from .panel import P2M_PT_capture, P2M_PT_capture_options
from .properties import P2M_CaptureSettings

CLASSES = (
    P2M_CaptureSettings,
    P2M_OT_choose_video,
    P2M_OT_capture,
    P2M_OT_cancel_capture,
    P2M_OT_open_log,
    P2M_PT_capture,
    P2M_PT_capture_options,
)


def register() -> None:
    bpy.types.Scene.pose2mesh_capture = bpy.props.PointerProperty(type=P2M_CaptureSettings)
    session.register()


def unregister() -> None:
    session.unregister()
    del bpy.types.Scene.pose2mesh_capture
