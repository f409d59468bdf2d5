"""A take on a character: what Blender evaluates is what the engine made."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
import pytest
from evaluate import evaluated, largest_error, world_vertices
from pose2mesh_mocap.addon.bake.bake import BONES, COMPACT, FULL, BakeOptions, bake
from pose2mesh_mocap.addon.rig import character as characters


@pytest.fixture
def character(boxes: Any, empty_file: None) -> Any:
    def build(take: Any, person: int = 0) -> Any:
        return characters.build(
            boxes, take.betas[person], f"person_{person + 1}", bpy.context.scene.collection
        )

    return build


def test_full_is_the_engines_surface(figure: Any, boxes: Any, box_take: Any, character: Any) -> None:
    take = box_take(noise=0.01)
    person = character(take)
    report = bake(person, take, boxes, 0, BakeOptions(FULL))
    assert report.keys == take.frames
    error = largest_error(person.mesh, world_vertices(take))
    figure(f"boxes, FULL in Blender: {1e3 * error:.4f} mm")
    assert error < 1e-4


def test_compact_finds_the_few_shapes_there_are(
    figure: Any, boxes: Any, box_take: Any, character: Any
) -> None:
    take = box_take(ripple=0.02)
    person = character(take)
    report = bake(person, take, boxes, 0, BakeOptions(COMPACT, tolerance=0.001))
    error = largest_error(person.mesh, world_vertices(take))
    figure(f"boxes, COMPACT in Blender: {report.keys} keys, {1e3 * error:.4f} mm")
    assert report.keys == 1 + 3  # the constant and the three shapes of the synthetic residual
    assert error <= report.error + 1e-5 and report.error <= 0.001


def test_compact_needs_every_frame_when_nothing_repeats(boxes: Any, box_take: Any, character: Any) -> None:
    take = box_take(frames=12, noise=0.02)
    person = character(take)
    report = bake(person, take, boxes, 0, BakeOptions(COMPACT, tolerance=0.0005))
    assert largest_error(person.mesh, world_vertices(take)) <= 0.0005 + 1e-5
    assert 8 <= report.keys <= 12


def test_bones_alone_are_exact_when_there_is_no_residual(boxes: Any, box_take: Any, character: Any) -> None:
    take = box_take(ripple=0.0)
    person = character(take)
    report = bake(person, take, boxes, 0, BakeOptions(BONES))
    assert report.keys == 0 and person.mesh.data.shape_keys is None
    assert report.error < 1e-5
    assert largest_error(person.mesh, world_vertices(take)) < 1e-5


def test_in_place_leaves_only_the_travel_out(boxes: Any, box_take: Any, character: Any) -> None:
    take = box_take(ripple=0.0)
    person = character(take)
    bake(person, take, boxes, 0, BakeOptions(BONES, in_place=True))
    world = take.world_from_camera.astype(np.float64)
    pelvis = (take.trans[0] + boxes.rest_joints(take.betas[0])[0]) @ world[:3, :3].T + world[:3, 3]
    wanted = world_vertices(take) - (pelvis * (1, 1, 0))[:, None]
    assert largest_error(person.mesh, wanted) < 1e-5


def test_the_root_bone_runs_on_the_floor_below_the_pelvis(boxes: Any, box_take: Any, character: Any) -> None:
    take = box_take()
    person = character(take)
    bake(person, take, boxes, 0, BakeOptions(BONES))
    for frame in (1, 15, take.frames):
        bpy.context.scene.frame_set(frame)
        root = person.armature.pose.bones["root"].matrix
        pelvis = person.armature.pose.bones["pelvis"].matrix
        assert abs(root.translation.z) < 1e-6
        assert (root.translation.xy - pelvis.translation.xy).length < 1e-5
        assert abs(root.to_3x3().col[2].z - 1) < 1e-6  # upright whatever the body does


def test_baking_again_replaces_everything(boxes: Any, box_take: Any, character: Any) -> None:
    take = box_take()
    person = character(take)
    bake(person, take, boxes, 0, BakeOptions(FULL))
    report = bake(person, take, boxes, 0, BakeOptions(COMPACT))
    assert len(person.mesh.data.shape_keys.key_blocks) == 1 + report.keys
    assert len(bpy.data.actions) == 2
    assert largest_error(person.mesh, world_vertices(take)) <= 0.001 + 1e-5


def test_weights_stay_where_importers_clamp(boxes: Any, box_take: Any, character: Any) -> None:
    take = box_take(ripple=0.05)
    person = character(take)
    bake(person, take, boxes, 0, BakeOptions(COMPACT))
    for frame in range(1, take.frames + 1):
        bpy.context.scene.frame_set(frame)
        for block in person.mesh.data.shape_keys.key_blocks[1:]:
            assert 0 <= block.value <= 1 and (block.slider_min, block.slider_max) == (0, 1)


def test_a_single_frame_is_a_pose(boxes: Any, box_take: Any, character: Any) -> None:
    take = box_take(frames=1, noise=0.01)
    person = character(take)
    for mode in (FULL, COMPACT):
        bake(person, take, boxes, 0, BakeOptions(mode))
        assert largest_error(person.mesh, world_vertices(take)) < 1e-3


def test_an_uneven_rate_keeps_every_frame_at_its_time(boxes: Any, box_take: Any, character: Any) -> None:
    times = np.cumsum([0, 1, 1, 2, 3, 1, 1, 1]) / 25.0
    take = box_take(frames=8, fps=25.0, frame_time=times, noise=0.01)
    person = character(take)
    bake(person, take, boxes, 0, BakeOptions(FULL))
    for time, wanted in zip(take.frame_time, world_vertices(take), strict=True):
        error = np.linalg.norm(evaluated(person.mesh, 1 + float(time) * 25.0) - wanted, axis=1).max()
        assert error < 1e-4


def test_seen_and_contact_come_along(boxes: Any, box_take: Any, character: Any) -> None:
    take = box_take()
    person = character(take)
    bake(person, take, boxes, 0, BakeOptions(BONES))
    for frame in range(1, 6):
        bpy.context.scene.frame_set(frame)
        armature = person.armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        assert armature["visible"] == 1
        assert armature["contact_right_toe"] == take.contact[0, frame - 1, 3]


def test_another_bodys_take_is_refused(boxes: Any, box_take: Any, character: Any) -> None:
    take = box_take()
    person = character(take)
    object.__setattr__(take, "vertex_count", 6890)
    with pytest.raises(ValueError, match="6890"):
        bake(person, take, boxes, 0, BakeOptions(BONES))
