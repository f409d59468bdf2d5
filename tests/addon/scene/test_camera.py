"""The camera sees the body where the video shows the person."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from evaluate import evaluated
from mathutils import Vector
from pose2mesh_mocap.addon.bake.bake import BONES, BakeOptions
from pose2mesh_mocap.addon.scene.assemble import assemble


@pytest.mark.parametrize("size", [(640, 360), (1080, 1920), (1768, 994), (101, 53)])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (31.5, -12.25)])
@pytest.mark.parametrize("aspect", [1.0, 1.25, 0.8])
def test_vertices_project_where_the_camera_matrix_says(
    boxes: Any,
    box_take: Any,
    empty_file: None,
    size: tuple[int, int],
    shift: tuple[float, float],
    aspect: float,
) -> None:
    width, height = size
    focal = 0.9 * max(size)
    matrix = [[focal, 0, width / 2 + shift[0]], [0, focal * aspect, height / 2 + shift[1]], [0, 0, 1]]
    take = box_take(frames=3, size=size, camera_matrix=matrix, ripple=0.0)
    made = assemble(take, boxes, BakeOptions(BONES))
    scene = bpy.context.scene
    # Without the footage the size is read off the principal point; give it what the footage would.
    from pose2mesh_mocap.addon.scene import camera

    camera.match(made.camera, scene, take.camera_matrix, take.world_from_camera, size)
    assert (scene.render.resolution_x, scene.render.resolution_y) == size
    for frame in range(take.frames):
        shown = evaluated(made.characters[0].mesh, frame + 1)
        seen = [world_to_camera_view(scene, made.camera, Vector(point)) for point in shown[::7]]
        pixels = np.array([(p.x * width, (1 - p.y) * height) for p in seen])
        camera_points = take.vertices(0, frame, frame + 1)[0, ::7]
        wanted = camera_points @ np.array(matrix).T
        wanted = wanted[:, :2] / wanted[:, 2:]
        assert np.abs(pixels - wanted).max() < 0.01  # px
        assert min(p.z for p in seen) > 0  # in front


def test_the_person_stands_upright_facing_the_camera(boxes: Any, box_take: Any, empty_file: None) -> None:
    take = box_take(frames=1, ripple=0.0)
    made = assemble(take, boxes, BakeOptions(BONES))
    armature = made.characters[0].armature
    bones = armature.pose.bones
    assert bones["head"].head.z > bones["pelvis"].head.z > bones["left_ankle"].head.z
    # In the first frame the person faces the camera, so their left is on the picture's right.
    x = {
        name: world_to_camera_view(bpy.context.scene, made.camera, bones[name].head).x
        for name in bones.keys()  # noqa: SIM118 - a collection of Blender's
    }
    assert x["left_shoulder"] > x["right_shoulder"]
