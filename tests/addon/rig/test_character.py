"""The rigged body at rest."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
import pytest
from evaluate import distance, evaluated
from pose2mesh_mocap.addon.rig import character as characters
from pose2mesh_mocap.engine.body.model import JOINT_NAMES, BodyModel

BETAS = np.array([1.5, -1.0, 0, 0, 0, 0, 0, 0, 0, 0], np.float32)


@pytest.fixture(params=["boxes", "open_body"])
def body(request: pytest.FixtureRequest, boxes: Any) -> Any:
    return boxes if request.param == "boxes" else BodyModel.load("open_body")


@pytest.fixture
def made(body: Any, empty_file: None) -> characters.Character:
    return characters.build(body, BETAS, "ana", bpy.context.scene.collection)


def points(mesh: Any) -> Any:
    return np.array([vertex.co for vertex in mesh.vertices])


def test_it_stands_on_the_floor_in_a_t_pose(made: Any, body: Any) -> None:
    shown = points(made.mesh.data)
    assert abs(shown[:, 2].min()) < 1e-6
    assert np.ptp(shown[:, 2]) == pytest.approx(float(np.ptp(body.rest(BETAS)[:, 1])), abs=1e-5)
    bones = made.armature.data.bones
    assert abs(bones["pelvis"].head_local.x) < 1e-5 and abs(bones["pelvis"].head_local.y) < 1e-5
    arm = bones["left_wrist"].head_local - bones["left_shoulder"].head_local
    assert arm.normalized().x > 0.99
    assert bones["left_foot"].head_local.y < bones["left_ankle"].head_local.y  # faces -Y


def test_objects_carry_nothing(made: Any) -> None:
    for part in (made.armature, made.mesh):
        assert part.matrix_world.is_identity and tuple(part.scale) == (1, 1, 1)
    assert made.mesh.parent == made.armature and made.armature.parent is None


def test_the_skeleton_is_smpls_under_a_root(made: Any, body: Any) -> None:
    bones = made.armature.data.bones
    assert sorted(bone.name for bone in bones) == sorted(["root", *JOINT_NAMES])
    assert bones["root"].parent is None and bones["root"].head_local.length == 0
    assert not bones["root"].use_deform
    assert np.allclose(bones["root"].matrix_local, np.eye(4), atol=1e-6)  # engines like a root without a turn
    centres = made.frame.points(body.rest_joints(BETAS))
    for index, (name, parent) in enumerate(zip(JOINT_NAMES, body.parents, strict=True)):
        assert bones[name].parent.name == ("root" if parent < 0 else JOINT_NAMES[parent])
        assert distance(np.array(bones[name].head_local), centres[index]) < 1e-6


def test_bones_run_along_the_limbs(made: Any) -> None:
    bones = made.armature.data.bones
    for name, child in (("left_hip", "left_knee"), ("right_shoulder", "right_elbow"), ("spine1", "spine2")):
        assert (bones[name].tail_local - bones[child].head_local).length < 1e-5
    for bone in bones:
        assert bone.length > 0.004
        mirror = bone.name.replace("left_", "right_")
        if mirror != bone.name:  # left and right mirror, so poses can be flipped
            a, b = np.array(bone.matrix_local)[:3, :3], np.array(bones[mirror].matrix_local)[:3, :3]
            flip = np.diag([-1.0, 1, 1])
            assert np.abs(np.abs(np.diag(a.T @ flip @ b)) - 1).max() < 0.02


def test_knees_and_elbows_hinge_about_x(made: Any) -> None:
    bones = made.armature.data.bones
    for name, axis in (("left_knee", (1, 0, 0)), ("left_elbow", (0, 1, 0))):
        x = np.array(bones[name].matrix_local)[:3, 0]
        assert abs(x @ np.array(axis)) > 0.95


def test_polygons_and_uvs_are_the_bodys(made: Any, body: Any) -> None:
    mesh = made.mesh.data
    corners = [list(polygon.vertices) for polygon in mesh.polygons]
    wanted = np.split(body.polygon_vertices, body.polygon_starts[1:])
    assert len(corners) == len(wanted) and all(a == b.tolist() for a, b in zip(corners, wanted, strict=True))
    assert all(polygon.use_smooth for polygon in mesh.polygons)
    uv = np.array([loop.uv for loop in mesh.uv_layers[0].data])
    assert np.allclose(uv, body.uv, atol=1e-6)
    normals = np.array([polygon.normal for polygon in mesh.polygons])
    centres = np.array([polygon.center for polygon in mesh.polygons])
    volume = (normals * centres).sum(axis=1) @ np.array([polygon.area for polygon in mesh.polygons]) / 3
    assert volume > 0  # faces look outwards


def test_weights_are_the_bodys(made: Any, body: Any) -> None:
    weights = np.zeros_like(body.weights)
    groups = {group.index: JOINT_NAMES.index(group.name) for group in made.mesh.vertex_groups}
    for vertex in made.mesh.data.vertices:
        for element in vertex.groups:
            weights[vertex.index, groups[element.group]] = element.weight
    assert np.abs(weights - body.weights).max() < 1e-6


def test_the_modifier_leaves_the_rest_pose_alone(made: Any) -> None:
    assert distance(evaluated(made.mesh, 1), points(made.mesh.data)) < 1e-5


def test_it_is_found_again(made: Any) -> None:
    assert characters.find(made.mesh) == characters.find(made.armature) == made
    assert characters.all_in(bpy.context.scene) == [made]
    assert characters.find(None) is None
    other = bpy.data.objects.new("other", bpy.data.meshes.new("other"))
    assert characters.find(other) is None


def test_two_people_of_one_name(body: Any, empty_file: None) -> None:
    first = characters.build(body, BETAS, "ana", bpy.context.scene.collection)
    second = characters.build(body, -BETAS, "ana", bpy.context.scene.collection, tint=1)
    assert first.armature != second.armature
    assert first.mesh.data.materials[0] != second.mesh.data.materials[0]
