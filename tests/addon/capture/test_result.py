"""A take becomes characters without holding Blender up."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import bpy
import pytest
from pose2mesh_mocap.addon.bake.bake import BakeOptions
from pose2mesh_mocap.addon.capture import result
from pose2mesh_mocap.addon.capture.result import Builder
from pose2mesh_mocap.addon.scene.assemble import assemble
from pose2mesh_mocap.engine.errors import EngineError

PATIENCE = 30.0


@pytest.fixture
def take(addon: Any, empty_file: None, boxes: Any, box_take: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A take of two people whose body the builder finds."""
    monkeypatch.setattr("pose2mesh_mocap.engine.body.model.BodyModel.load", lambda name: boxes)
    return box_take(people=2, frames=10)


def wait(builder: Builder) -> None:
    until = time.monotonic() + PATIENCE
    while not builder.is_ready:
        assert time.monotonic() < until
        time.sleep(0.005)


def test_the_characters_of_a_take_are_built_and_selected(take: Any, tmp_path: Path) -> None:
    other = bpy.data.objects.new("other", None)
    bpy.context.scene.collection.objects.link(other)
    other.select_set(True)
    builder = Builder(take.path, BakeOptions())
    wait(builder)
    built = builder.finish(bpy.context.scene, tmp_path / "no video.mp4")
    assert built.names == ("person_1_rig", "person_2_rig")
    assert {obj.name for obj in bpy.context.selected_objects} == set(built.names)
    assert bpy.context.view_layer.objects.active.name == "person_1_rig"
    assert any("no video.mp4" in warning for warning in built.warnings)


@pytest.mark.parametrize("mode", ["COMPACT", "FULL", "BONES"])
def test_it_is_what_a_bake_in_one_go_gives(take: Any, boxes: Any, mode: str) -> None:
    options = BakeOptions(mode, 0.002)
    whole = assemble(take, boxes, options)
    builder = Builder(take.path, options)
    wait(builder)
    built = builder.finish(bpy.context.scene, take.path)
    parts = [bpy.data.objects[name].children[0].data.shape_keys for name in built.names]
    for one, other in zip(whole.characters, parts, strict=True):
        keys = one.mesh.data.shape_keys
        assert (keys is None) == (other is None)
        if keys is not None and other is not None:
            assert len(keys.key_blocks) == len(other.key_blocks)


def new_mesh(name: str) -> Any:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    obj = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(obj)
    return obj


@pytest.mark.parametrize("mode", ["EDIT", "SCULPT", "WEIGHT_PAINT"])
def test_it_builds_while_something_else_is_edited_and_that_goes_on(take: Any, mode: str) -> None:
    active, second, other = (new_mesh(name) for name in ("active", "second", "other"))
    active.select_set(True)
    second.select_set(True)
    bpy.context.view_layer.objects.active = active
    bpy.ops.object.mode_set(mode=mode)
    other.select_set(True)
    before = {obj.name: obj.mode for obj in (active, second, other)}
    builder = Builder(take.path, BakeOptions("BONES"))
    wait(builder)
    built = builder.finish(bpy.context.scene, take.path)
    assert len(built.names) == 2
    assert {obj.name: obj.mode for obj in (active, second, other)} == before
    assert bpy.context.view_layer.objects.active == active
    assert {obj.name for obj in bpy.context.selected_objects} == {"active", "second", "other"}
    assert {bpy.data.objects[name].mode for name in built.names} == {"OBJECT"}


def test_posing_another_character_goes_on_without_the_new_one(take: Any) -> None:
    """Modes are entered by all selected objects of a kind, and the new characters are armatures, too."""
    rig = bpy.data.objects.new("rig", bpy.data.armatures.new("rig"))
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="POSE")
    builder = Builder(take.path, BakeOptions("BONES"))
    wait(builder)
    built = builder.finish(bpy.context.scene, take.path)
    assert rig.mode == "POSE" and bpy.context.view_layer.objects.active == rig
    assert {bpy.data.objects[name].mode for name in built.names} == {"OBJECT"}


def test_it_builds_in_its_own_scene_while_another_is_shown(take: Any) -> None:
    shown, own = bpy.context.window.scene, bpy.data.scenes.new("own")
    builder = Builder(take.path, BakeOptions("BONES"))
    wait(builder)
    built = builder.finish(own, take.path)
    assert all(name in own.objects for name in built.names)
    assert not any(name in shown.objects for name in built.names)
    assert bpy.context.window.scene == shown, "what the user looks at stays"


def test_what_is_edited_in_another_scene_goes_on(take: Any) -> None:
    edited, own = new_mesh("edited"), bpy.data.scenes.new("own")
    bpy.context.view_layer.objects.active = edited
    bpy.ops.object.mode_set(mode="EDIT")
    builder = Builder(take.path, BakeOptions("BONES"))
    wait(builder)
    builder.finish(own, take.path)
    assert edited.mode == "EDIT" and bpy.context.view_layer.objects.active == edited


def test_a_take_that_cannot_be_read_is_named(addon: Any, empty_file: None, tmp_path: Path) -> None:
    builder = Builder(tmp_path / "gone.npz", BakeOptions())
    wait(builder)
    with pytest.raises(EngineError, match=r"There is no take at .*gone\.npz"):
        builder.finish(bpy.context.scene, tmp_path)


def test_it_can_be_stopped(take: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Event()

    def endless(take: Any, body: Any, person: int, options: Any, progress: Any) -> None:
        while True:
            started.set()
            progress()
            time.sleep(0.001)

    monkeypatch.setattr(result, "prepare", endless)
    builder = Builder(take.path, BakeOptions())
    assert started.wait(PATIENCE)
    builder.stop()
    assert builder.is_ready
