"""Sentences in panels: Blender's labels neither wrap nor shrink."""

from __future__ import annotations

import re
import textwrap

import bpy

_CHARACTER_PX = 6.5  # mean width of the interface font at scale 1
_MARGIN_PX = 45.0
_ICON_PX = 25.0
_NARROWEST = 16


def paragraph(layout: bpy.types.UILayout, text: str, icon: str = "NONE") -> None:
    """`text` over as many lines as the region's width asks for."""
    region, scale = bpy.context.region, bpy.context.preferences.system.ui_scale
    room = (region.width / scale if region is not None else 300.0) - _MARGIN_PX
    room -= _ICON_PX if icon != "NONE" else 0.0
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(wrap(text, max(_NARROWEST, int(room / _CHARACTER_PX)))):
        column.label(text=line, icon=icon if number == 0 else "BLANK1" if icon != "NONE" else "NONE")


def wrap(text: str, width: int) -> list[str]:
    """Lines of about `width` characters; a long path breaks after its separators, not inside a name."""
    breakable = re.sub(r"(?<=[/\\])(?=\S)", "\0 ", text)
    return [line.replace("\0 ", "").removesuffix("\0") for line in textwrap.wrap(breakable, width)]


def duration(seconds: float) -> str:
    """`m:ss`, or `h:mm:ss` from an hour on."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
