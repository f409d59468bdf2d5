"""Whether Blender is in the middle of something that a change of its scene would spoil."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bpy

_INTERACTIVE = (
    "ARMATURE_OT_",
    "CURVE_OT_",
    "CURVES_OT_",
    "GIZMOGROUP_OT_",
    "GPENCIL_OT_",
    "GRAPH_OT_",
    "GREASE_PENCIL_OT_",
    "MESH_OT_",
    "OBJECT_OT_",
    "PAINT_OT_",
    "PAINTCURVE_OT_",
    "PARTICLE_OT_",
    "POSE_OT_",
    "SCULPT_CURVES_OT_",
    "SCULPT_OT_",
    "TRANSFORM_OT_",
    "UV_OT_",
    "VIEW3D_OT_",
    "WM_OT_radial_control",
)
"""Blender's own operators that hold on to data while a drag or a stroke lasts. Others, an add-on's that shows
pressed keys for instance, may run for as long as Blender does."""


def is_rendering() -> bool:
    """A render is under way: it would go on with whatever the scene has become."""
    return bool(bpy.app.is_job_running("RENDER"))


def is_busy(managers: Iterable[Any] | None = None) -> bool:
    """A render, or the user in the middle of a drag or stroke, whose data may not be freed under them.

    Args:
        managers: the window managers, by default Blender's.
    """
    managers = bpy.data.window_managers if managers is None else managers
    if is_rendering() or any(manager.is_interface_locked for manager in managers):
        return True
    return any(
        operator.bl_idname.startswith(_INTERACTIVE)
        for manager in managers
        for window in manager.windows
        for operator in window.modal_operators
    )
