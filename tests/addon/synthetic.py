"""A body of 24 boxes and a person who walks, turns and bends: baked in milliseconds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

# x to the left, y up, facing +z, metres: SMPL's order.
JOINTS = np.array(
    [
        (0.0, 0.95, 0.0),
        (0.09, 0.86, 0.0),
        (-0.09, 0.86, 0.0),
        (0.0, 1.07, -0.01),
        (0.10, 0.48, 0.01),
        (-0.10, 0.48, 0.01),
        (0.0, 1.20, 0.0),
        (0.10, 0.08, -0.02),
        (-0.10, 0.08, -0.02),
        (0.0, 1.26, 0.01),
        (0.11, 0.03, 0.10),
        (-0.11, 0.03, 0.10),
        (0.0, 1.47, -0.01),
        (0.08, 1.38, 0.0),
        (-0.08, 1.38, 0.0),
        (0.0, 1.56, 0.02),
        (0.18, 1.40, -0.01),
        (-0.18, 1.40, -0.01),
        (0.44, 1.39, -0.02),
        (-0.44, 1.39, -0.02),
        (0.69, 1.40, -0.02),
        (-0.69, 1.40, -0.02),
        (0.77, 1.39, -0.03),
        (-0.77, 1.39, -0.03),
    ],
    dtype=np.float32,
)
PARENTS = np.array(
    [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21], np.int32
)
_CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
_QUADS = np.array(
    [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)], np.int32
)


def body_file(path: Path) -> Path:
    """A body file of 192 vertices: one box per joint, half of it pulled by the parent too."""
    vertices = (JOINTS[:, None] + 0.04 * _CORNERS * (1.0, 0.7, 1.0)).reshape(-1, 3)
    quads = (_QUADS[None] + 8 * np.arange(24)[:, None, None]).reshape(-1, 4).astype(np.int32)
    weights = np.zeros((192, 24), np.float32)
    regressor = np.zeros((24, 192), np.float32)
    for joint, parent in enumerate(PARENTS):
        own = slice(8 * joint, 8 * joint + 8)
        weights[own, joint] = 1.0
        regressor[joint, own] = 1 / 8
        if parent >= 0:
            shared = slice(8 * joint, 8 * joint + 4)
            weights[shared, joint], weights[shared, parent] = 0.7, 0.3
    shapedirs = np.zeros((192, 3, 10), np.float32)
    shapedirs[:, :, 0] = 0.04 * vertices  # taller
    shapedirs[:, 2, 1] = 0.1 * vertices[:, 2]  # deeper
    landmarks = np.zeros((33, 192), np.float32)
    landmarks[np.arange(33), np.arange(33) * 5] = 1.0
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    np.savez(
        path,
        format="pose2mesh-body 1",
        name="boxes",
        v_template=vertices,
        shapedirs=shapedirs,
        parents=PARENTS,
        triangles=np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]]),
        weights=weights,
        joint_regressor=regressor,
        landmark_regressor=landmarks,
        polygon_vertices=quads.ravel(),
        polygon_starts=np.arange(0, quads.size, 4, dtype=np.int32),
        uv_points=square,
        uv_indices=np.tile(np.arange(4, dtype=np.int32), len(quads)),
    )
    return path


def walk(frames: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Axis-angle (F,24,3): all joints swing, the body turns more than once around the vertical and leans."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, frames)[:, None, None]
    speed, phase = rng.uniform(1, 4, (2, 24, 3))
    poses = 0.5 * np.sin(2 * math.pi * (speed * time + phase))
    return np.asarray(poses, np.float32)


def take_file(
    path: Path,
    take: Any,
    body: Any,
    body_name: str,
    *,
    frames: int = 30,
    people: int = 1,
    fps: float = 30000 / 1001,
    ripple: float = 0.01,
    noise: float = 0.0,
    size: tuple[int, int] = (640, 360),
    frame_time: Any = None,
    frame_index: Any = None,
    camera_matrix: Any = None,
) -> Path:
    """A take of people who move in front of a camera that looks slightly down.

    Args:
        take: the module engine.protocol.take.
        body: the BodyModel; body_name is what the take will call it.
        ripple: metres, size of a smooth residual of three independent shapes.
        noise: metres, size of a residual without any structure.
    """
    rng = np.random.default_rng(7)
    count = len(body.v_template)
    times = np.arange(frames) / fps if frame_time is None else np.asarray(frame_time)
    index = np.arange(frames) if frame_index is None else np.asarray(frame_index)
    width, height = size
    camera = np.array([[1.2 * width, 0, width / 2], [0, 1.2 * width, height / 2], [0, 0, 1]], np.float32)
    camera = camera if camera_matrix is None else np.asarray(camera_matrix, np.float32)
    # The camera stands 1.5 m above the floor and looks 10 degrees down: x right, y down, z forward -> Z up.
    tilt = math.radians(10)
    world = np.eye(4)
    sine, cosine = math.sin(tilt), math.cos(tilt)
    world[:3, :3] = np.array([[1, 0, 0], [0, -sine, cosine], [0, -cosine, -sine]])
    world[2, 3] = 1.5

    poses, trans, vertices, betas = [], [], [], []
    for person in range(people):
        pose = walk(frames, person)
        # The camera sees the person from the front, upright: its y points down.
        spin = np.linspace(0, 7.0, frames)
        pose[:, 0] = _upright_axis_angle(spin) + 0.05 * np.sin(5 * spin)[:, None]
        beta = rng.normal(size=10).astype(np.float32)
        place = np.stack([person + np.sin(spin), 0.9 + 0.1 * np.cos(spin), 4 + 0.5 * np.cos(spin)], axis=1)
        place = (place - body.rest_joints(beta)[0]).astype(np.float32)
        shapes = rng.normal(size=(3, count, 3)).astype(np.float32) * ripple
        weights = np.sin(spin[:, None] * (1.0, 2.0, 3.0)).astype(np.float32)
        offsets = np.tensordot(weights, shapes, 1) + rng.normal(size=(frames, count, 3)) * noise
        rest = (body.rest(beta) + body.pose_offsets(pose) + offsets).astype(np.float32)
        posed = body.skin(rest, body.transforms(pose, body.rest_joints(beta)))
        poses.append(pose)
        trans.append(place)
        vertices.append(posed + place[:, None])
        betas.append(beta)
    joints = np.zeros((people, frames, 24, 3), np.float32)
    arrays = {
        "fps": fps,
        "frame_time": times,
        "frame_index": index,
        "person_id": np.arange(people) + 1,
        "visible": np.ones((people, frames), bool),
        "keypoints2d": np.zeros((people, frames, 33, 3)),
        "keypoints": np.zeros((people, frames, 33, 3)),
        "joints": joints,
        "poses": np.stack(poses),
        "betas": np.stack(betas),
        "trans": np.stack(trans),
        "contact": np.arange(people * frames * 4).reshape(people, frames, 4) % 3 == 0,
        "camera_matrix": camera,
        "world_from_camera": world,
        "faces": body.triangles,
        "body": body_name,
        "weights": "none",
        "engine_version": "test",
    }
    take.write_take(path, arrays, vertices, count)
    return path


def _upright_axis_angle(spin: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Half a turn about x (SMPL's y up to the camera's y down) after a turn about the vertical."""
    half = spin / 2
    # quaternion (0,1,0,0) * (cos, 0, sin, 0) = (0, cos, 0, sin)
    angle = np.full_like(half, math.pi)
    axis = np.stack([np.cos(half), np.zeros_like(half), np.sin(half)], axis=1)
    return axis * angle[:, None]
