"""Sentences in panels: Blender's labels neither wrap nor shrink."""

from __future__ import annotations

import textwrap

import bpy

_CHARACTER_PX = 7.0  # mean width of the interface font at scale 1
_MARGIN_PX = 50.0
_NARROWEST = 16


def paragraph(layout: bpy.types.UILayout, text: str, icon: str = "NONE") -> None:
    """`text` over as many lines as the region's width asks for."""
    context = bpy.context
    region, scale = context.region, context.preferences.system.ui_scale
    room = (region.width / scale if region is not None else 300.0) - _MARGIN_PX
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(textwrap.wrap(text, max(_NARROWEST, int(room / _CHARACTER_PX)))):
        column.label(text=line, icon=icon if number == 0 else "BLANK1" if icon != "NONE" else "NONE")


def duration(seconds: float) -> str:
    """`m:ss`, or `h:mm:ss` from an hour on."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
