"""When the scene may not be changed: stand-ins for what only a screen has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from pose2mesh_mocap.addon.capture import busy


def manager(*operators: str, locked: bool = False) -> Any:
    window = SimpleNamespace(modal_operators=[SimpleNamespace(bl_idname=name) for name in operators])
    return SimpleNamespace(is_interface_locked=locked, windows=[window])


@pytest.mark.parametrize(
    ("managers", "expected"),
    [
        ([manager()], False),
        ([manager("TRANSFORM_OT_translate")], True),
        ([manager(), manager("SCULPT_OT_brush_stroke")], True),
        ([manager("WM_OT_screencast_keys", "POSE2MESH_OT_bake")], False),  # may run for ever; our own
        ([manager(locked=True)], True),
    ],
)
def test_drags_and_strokes_are_not_disturbed(managers: Any, expected: bool) -> None:
    assert busy.is_busy(managers) is expected


def test_an_idle_blender_is_not_busy(empty_file: None) -> None:
    """With the real window manager, whose properties must be there in every version."""
    assert not busy.is_busy()
    assert "modal_operators" in bpy.types.Window.bl_rna.properties


def test_a_render_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    app = SimpleNamespace(is_job_running=lambda kind: kind == "RENDER")
    monkeypatch.setattr(busy, "bpy", SimpleNamespace(app=app, data=bpy.data))
    assert busy.is_busy([manager()])
