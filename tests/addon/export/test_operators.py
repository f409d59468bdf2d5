"""The export buttons: what they suggest, and what they say when they cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import addon_utils
import bpy
import pytest
from pose2mesh_mocap.addon.bake.bake import BONES, BakeOptions
from pose2mesh_mocap.addon.export import operators
from pose2mesh_mocap.addon.scene.assemble import assemble


@pytest.fixture
def character(addon: Any, boxes: Any, box_take: Callable[..., Any], empty_file: None) -> Any:
    return assemble(box_take(frames=3, ripple=0.0), boxes, BakeOptions(BONES)).characters[0]


@pytest.mark.parametrize("name", ["export_fbx", "export_gltf"])
def test_blender_asks_before_it_overwrites(addon: Any, name: str) -> None:
    """Its file browser does for operators that have this property."""
    properties = getattr(bpy.ops.pose2mesh, name).get_rna_type().properties
    assert properties["check_existing"].default is True and properties["check_existing"].is_hidden


@pytest.mark.parametrize(
    ("typed", "suffixes", "path"),
    [
        ("/b/a.fbx", (".fbx",), "/b/a.fbx"),
        ("/b/a", (".fbx",), "/b/a.fbx"),
        ("/b/a.GLTF", (".glb", ".gltf"), "/b/a.GLTF"),
        ("/b/", (".fbx",), "/b/"),
    ],
)
def test_what_is_typed_gets_its_suffix_before_blender_looks_for_the_file(
    typed: str, suffixes: Any, path: str
) -> None:
    assert operators.completed(typed, suffixes) == path


@pytest.mark.parametrize(
    ("preset", "name"),
    [("GENERIC", "scene.fbx"), ("UNREAL", "scene_unreal.fbx"), ("UNITY", "scene_unity.fbx")],
)
def test_the_suggested_name_tells_the_presets_apart(
    empty_file: None, tmp_path: Path, preset: str, name: str
) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert operators.suggestion(".fbx", preset) == str(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "module", "add_on"),
    [("export_fbx", "io_scene_fbx", "FBX format"), ("export_gltf", "io_scene_gltf2", "glTF 2.0 format")],
)
def test_a_switched_off_add_on_is_named(
    character: Any, tmp_path: Path, name: str, module: str, add_on: str
) -> None:
    addon_utils.disable(module)
    try:
        with pytest.raises(RuntimeError, match=f"was not written: .*{add_on}.*Preferences") as caught:
            getattr(bpy.ops.pose2mesh, name)(filepath=str(tmp_path / "x"))
        assert len(str(caught.value).strip().splitlines()) == 1
    finally:
        addon_utils.enable(module)
    assert getattr(bpy.ops.pose2mesh, name)(filepath=str(tmp_path / "x")) == {"FINISHED"}
