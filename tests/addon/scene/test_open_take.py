"""The buttons, from a take on disk to files on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import pytest
from evaluate import largest_error, world_vertices
from fbx_reader import Fbx
from gltf_reader import Gltf
from pose2mesh_mocap.addon.scene.assemble import set_time


@pytest.fixture
def opened(addon: Any, empty_file: None, boxes: Any, box_take: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A take of two people, opened with the button."""
    take = box_take(people=2, frames=10)
    given = type(boxes).load
    monkeypatch.setattr(
        type(boxes), "load", staticmethod(lambda name: boxes if name == "boxes" else given(name))
    )
    assert bpy.ops.pose2mesh.open_take(filepath=str(take.path)) == {"FINISHED"}
    return take


def armatures() -> list[Any]:
    return sorted((o for o in bpy.data.objects if o.type == "ARMATURE"), key=lambda o: str(o.name))


def test_a_take_becomes_a_scene(opened: Any) -> None:
    scene = bpy.context.scene
    assert [a.name for a in armatures()] == ["person_1_rig", "person_2_rig"]
    assert scene.camera is not None and (scene.frame_start, scene.frame_end) == (1, 10)
    assert scene.render.fps / scene.render.fps_base == pytest.approx(opened.fps)
    assert scene.unit_settings.system == "METRIC" and scene.unit_settings.scale_length == 1
    for person, armature in enumerate(armatures()):
        assert largest_error(armature.children[0], world_vertices(opened, person)) < 0.001


def test_baking_again_follows_the_settings_and_the_selection(opened: Any) -> None:
    first, second = armatures()
    bpy.context.scene.pose2mesh_bake.mode = "FULL"
    second.select_set(True)
    assert bpy.ops.pose2mesh.bake() == {"FINISHED"}
    assert len(second.children[0].data.shape_keys.key_blocks) == 1 + 10
    assert len(first.children[0].data.shape_keys.key_blocks) == 1 + 4  # not selected: as it was
    bpy.context.scene.pose2mesh_bake.mode = "BONES"
    second.select_set(False)
    assert bpy.ops.pose2mesh.bake() == {"FINISHED"}
    assert all(a.children[0].data.shape_keys is None for a in armatures())


def test_a_take_that_moved_along_with_the_project_is_found(opened: Any, tmp_path: Path) -> None:
    project = tmp_path / "moved"
    project.mkdir()
    opened.path.rename(project / opened.path.name)
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "scene.blend"))
    assert bpy.ops.pose2mesh.bake() == {"FINISHED"}
    assert armatures()[0]["pose2mesh_take"] == str(project / opened.path.name)


def test_a_take_in_the_folder_for_takes_is_found(opened: Any, tmp_path: Path) -> None:
    takes = tmp_path / "takes"
    takes.mkdir()
    opened.path.rename(takes / opened.path.name)
    bpy.context.scene.pose2mesh_capture.take_folder = str(takes)
    assert bpy.ops.pose2mesh.bake() == {"FINISHED"}


def test_a_second_take_does_not_cut_off_the_first(opened: Any, box_take: Any, tmp_path: Path) -> None:
    short = box_take(people=1, frames=4, fps=opened.fps)
    scene = bpy.context.scene
    assert bpy.ops.pose2mesh.open_take(filepath=str(short.path)) == {"FINISHED"}
    assert (scene.frame_start, scene.frame_end) == (1, 10)


def test_another_rate_is_warned_of(opened: Any, box_take: Any) -> None:
    faster = box_take(people=1, frames=4, fps=2 * opened.fps)
    scene = bpy.context.scene
    assert set_time(scene, opened, shared=True) == []
    (said,) = set_time(scene, faster, shared=True)
    assert f"no longer at {opened.fps:g}" in said
    assert set_time(scene, opened) == []


def test_a_mesh_that_was_cut_is_not_baked(opened: Any) -> None:
    first, second = armatures()
    mesh = second.children[0]
    before = [len(armature.animation_data.action.name) for armature in (first, second)]
    mesh.shape_key_clear()
    mesh.data.clear_geometry()
    with pytest.raises(RuntimeError, match="has 0 vertices now and its take"):
        bpy.ops.pose2mesh.bake()
    assert [len(armature.animation_data.action.name) for armature in (first, second)] == before
    assert first.children[0].data.shape_keys is not None


@pytest.mark.parametrize("mode", ["FULL", "COMPACT", "BONES"])
def test_an_artists_own_shape_keys_stay(opened: Any, mode: str) -> None:
    mesh = armatures()[0].children[0]
    own = mesh.shape_key_add(name="smile", from_mix=False)
    own.data[0].co.x += 0.5
    own.value = 0.0  # 5.x begins with 1
    bpy.context.scene.pose2mesh_bake.mode = mode
    assert bpy.ops.pose2mesh.bake() == {"FINISHED"}
    blocks = mesh.data.shape_keys.key_blocks
    assert blocks["smile"].data[0].co.x == pytest.approx(blocks["Basis"].data[0].co.x + 0.5)
    assert len(blocks) == 2 + {"FULL": 10, "COMPACT": 4, "BONES": 0}[mode]
    if mode == "FULL":
        assert largest_error(mesh, world_vertices(opened, 0)) < 0.001


def test_baking_a_take_that_is_gone_says_so(opened: Any) -> None:
    opened.path.unlink()
    with pytest.raises(RuntimeError, match="no take at"):
        bpy.ops.pose2mesh.bake()


def test_exports_write_what_is_selected(opened: Any, tmp_path: Path) -> None:
    armatures()[1].select_set(True)
    assert bpy.ops.pose2mesh.export_fbx(filepath=str(tmp_path / "one")) == {"FINISHED"}
    assert "person_2_body" in Fbx(tmp_path / "one.fbx").name.values()
    assert "person_1_body" not in Fbx(tmp_path / "one.fbx").name.values()
    armatures()[1].select_set(False)
    assert bpy.ops.pose2mesh.export_gltf(filepath=str(tmp_path / "both.glb")) == {"FINISHED"}
    names = {node.get("name") for node in Gltf(tmp_path / "both.glb").nodes}
    assert {"person_1_body", "person_2_body"} <= names


def test_an_export_into_nowhere_says_so(opened: Any, tmp_path: Path) -> None:
    for export in (bpy.ops.pose2mesh.export_fbx, bpy.ops.pose2mesh.export_gltf):
        with pytest.raises(RuntimeError, match="does not exist"):
            export(filepath=str(tmp_path / "nowhere" / "x"))


def test_an_export_that_cannot_be_written_says_so_in_one_line(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "x.fbx").mkdir()
    with pytest.raises(RuntimeError, match=r"x\.fbx was not written: .*[Dd]irectory") as caught:
        bpy.ops.pose2mesh.export_fbx(filepath=str(tmp_path / "x.fbx"))
    assert "Traceback" not in str(caught.value).splitlines()[0]


def test_what_is_not_a_take_is_refused(addon: Any, empty_file: None, tmp_path: Path) -> None:
    path = tmp_path / "holiday.npz"
    path.write_bytes(b"no take")
    with pytest.raises(RuntimeError):
        bpy.ops.pose2mesh.open_take(filepath=str(path))
    assert not bpy.data.objects


def test_buttons_are_grey_without_a_character(addon: Any, empty_file: None) -> None:
    for operator in (bpy.ops.pose2mesh.bake, bpy.ops.pose2mesh.export_fbx, bpy.ops.pose2mesh.export_gltf):
        assert not operator.poll()


def test_a_saved_scene_still_knows_its_characters(opened: Any, tmp_path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.context.scene.pose2mesh_bake.mode = "BONES"
    assert bpy.ops.pose2mesh.bake() == {"FINISHED"}
    assert bpy.ops.pose2mesh.export_fbx(filepath=str(tmp_path / "x.fbx")) == {"FINISHED"}
