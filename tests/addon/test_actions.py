"""Curves in bulk: they evaluate, on every Blender version, and belong to one owner."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
import pytest
from pose2mesh_mocap.addon import actions


@pytest.fixture
def cube(empty_file: None) -> Any:
    obj = bpy.data.objects.new("cube", None)
    bpy.context.scene.collection.objects.link(obj)
    return obj


def place(obj: Any, frame: float) -> Any:
    bpy.context.scene.frame_set(int(frame), subframe=frame - int(frame))
    return np.array(obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world.translation)


def test_curves_evaluate(cube: Any) -> None:
    curves = actions.Curves(cube, "move")
    curves.add_vector("location", [1, 2, 4], np.array([(0, 0, 0), (1, 2, 3), (3, 2, 1)]), group="all")
    assert np.allclose(place(cube, 1.5), (0.5, 1, 1.5))
    assert np.allclose(place(cube, 3), (2, 2, 2))
    assert np.allclose(place(cube, 99), (3, 2, 1))
    assert [curve.group.name for curve in actions.fcurves(cube)] == ["all"] * 3


def test_constant_keys_do_not_blend(cube: Any) -> None:
    actions.Curves(cube, "step").add("location", 0, [1, 3], [0, 1], interpolation="CONSTANT")
    assert place(cube, 2.9)[0] == 0 and place(cube, 3)[0] == 1


def test_a_new_action_takes_the_old_ones_place(cube: Any) -> None:
    actions.Curves(cube, "first").add("location", 0, [1], [5])
    actions.Curves(cube, "second").add("location", 1, [1], [7])
    assert [action.name for action in bpy.data.actions] == ["second"]
    assert [curve.array_index for curve in actions.fcurves(cube)] == [1]


def test_an_action_others_use_stays(cube: Any) -> None:
    first = actions.Curves(cube, "shared").action
    first.use_fake_user = True
    actions.clear(cube)
    assert bpy.data.actions.get("shared") == first
    assert list(actions.fcurves(cube)) == []


def test_every_path_that_is_animated_is_found(cube: Any) -> None:
    """Through the action, NLA strips or a driver."""
    assert actions.animated_paths(cube) == set()
    animation = cube.animation_data_create()
    for path, start in (("scale", 1), ("rotation_euler", 20), ("delta_scale", 40)):
        action = actions.Curves(cube, path)
        action.add(path, 0, [1, 2], [0, 1])
        animation.nla_tracks.new().strips.new(path, start, action.action)
        animation.action = None
    actions.Curves(cube, "now").add("location", 0, [1], [0])
    cube.driver_add("delta_location", 2)
    found = {"scale", "rotation_euler", "delta_scale", "location", "delta_location"}
    assert actions.animated_paths(cube) == found


def test_shape_keys_are_owners_too(empty_file: None) -> None:
    mesh = bpy.data.meshes.new("m")
    mesh.from_pydata([(0, 0, 0)], [], [])
    obj = bpy.data.objects.new("m", mesh)
    bpy.context.scene.collection.objects.link(obj)
    obj.shape_key_add(name="Basis")
    obj.shape_key_add(name="a")
    actions.Curves(mesh.shape_keys, "keys").add('key_blocks["a"].value', 0, [1, 3], [0.0, 1.0])
    bpy.context.scene.frame_set(2)
    keys = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.shape_keys
    assert keys.key_blocks["a"].value == pytest.approx(0.5)
