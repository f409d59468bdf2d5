"""The panels below Capture."""

from __future__ import annotations

from typing import Any

import bpy

from ..bake.bake import COMPACT
from ..capture import session
from ..export.properties import GLTF
from .figures import FIGURES


class _SidebarPanel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Pose2Mesh"


class P2M_PT_character(_SidebarPanel, bpy.types.Panel):
    bl_label = "Character"
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        latest = session.current()
        if latest is not None and latest.quality:
            _draw_quality(layout, latest.quality)
        settings = context.scene.pose2mesh_bake
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(settings, "mode")
        row = column.row()
        row.active = settings.mode == COMPACT
        row.prop(settings, "tolerance")
        column.prop(settings, "in_place")
        layout.operator("pose2mesh.bake", icon="SHAPEKEY_DATA")
        layout.operator("pose2mesh.open_take", icon="IMPORT")


class P2M_PT_export(_SidebarPanel, bpy.types.Panel):
    bl_label = "Export"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        settings = context.scene.pose2mesh_export
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(settings, "preset")
        if settings.preset == GLTF:
            layout.operator("pose2mesh.export_gltf", icon="EXPORT")
        else:
            layout.operator("pose2mesh.export_fbx", icon="EXPORT").preset = settings.preset


def _draw_quality(layout: bpy.types.UILayout, quality: dict[str, Any]) -> None:
    column = layout.box().column(align=True)
    column.scale_y = 0.85
    for key, (name, show) in FIGURES.items():
        if isinstance(quality.get(key), int | float):
            split = column.split(factor=0.45)
            split.label(text=name)
            split.label(text=show(quality[key]))
