"""Poses as bone values: smooth, without flips, the root's share taken out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pose2mesh_mocap.addon.bake.motion import heading, motion
from pose2mesh_mocap.addon.rig.skeleton import AXES
from pose2mesh_mocap.engine.body.model import JOINT_NAMES
from pose2mesh_mocap.engine.body.rotations import matrix_from_axis_angle, quaternion_from_axis_angle

REST = {name: np.eye(4) for name in JOINT_NAMES}


def turned_about_up(angles: Any) -> Any:
    """Root rotations (F,3) in a camera that is SMPL's frame seen upright."""
    return np.stack([np.zeros_like(angles), angles, np.zeros_like(angles)], axis=1)


def standing_world() -> Any:
    world = np.eye(4)
    world[:3, :3] = AXES
    return world


def test_heading_follows_whole_turns() -> None:
    angles = np.linspace(0, 30, 300)
    quaternions = quaternion_from_axis_angle(np.stack([0 * angles, 0 * angles, angles], axis=1))
    assert np.allclose(heading(quaternions), angles, atol=1e-9)


def test_heading_of_a_somersault_does_not_spin() -> None:
    pitch = np.linspace(0, 2 * np.pi, 100)
    quaternions = quaternion_from_axis_angle(np.stack([pitch, 0 * pitch, 0 * pitch], axis=1))
    assert np.abs(np.diff(heading(quaternions))).max() < 0.3


def test_heading_without_any_clear_frame_is_zero() -> None:
    upside_down = np.tile([0.0, 1.0, 0.0, 0.0], (5, 1))
    assert np.array_equal(heading(upside_down), np.zeros(5))


def test_the_root_takes_travel_and_heading() -> None:
    angles = np.linspace(0, 9, 50)
    poses = np.zeros((50, 24, 3))
    poses[:, 0] = turned_about_up(angles)
    trans = np.stack([np.sin(angles), 0.1 * angles, np.cos(angles)], axis=1)
    moves = motion(poses, trans, standing_world(), np.array([0.0, 1.0, 0.0]), REST)
    assert np.allclose(moves.root_location, np.stack([np.sin(angles), -np.cos(angles), 0 * angles], axis=1))
    assert np.allclose(np.abs(moves.rotations["pelvis"] @ (1, 0, 0, 0)), 1)  # the heading is all there is
    assert np.allclose(moves.pelvis_location, np.stack([0 * angles, 0 * angles, 1 + 0.1 * angles], axis=1))


def test_neighbours_never_flip_sign() -> None:
    rng = np.random.default_rng(0)
    poses = np.cumsum(rng.normal(size=(200, 24, 3)) * 0.2, axis=0)  # winds past half turns
    moves = motion(poses, rng.normal(size=(200, 3)), standing_world(), np.zeros(3), REST)
    for values in (moves.root_rotation, *moves.rotations.values()):
        assert (np.einsum("fi,fi->f", values[1:], values[:-1]) > 0).all()
        assert np.allclose(np.linalg.norm(values, axis=1), 1)


@pytest.mark.parametrize("name", ["left_knee", "head"])
def test_a_joint_turns_in_its_bones_own_axes(name: str) -> None:
    rest = dict(REST)
    rest[name] = np.eye(4)
    rest[name][:3, :3] = matrix_from_axis_angle(np.array([0.3, -1.2, 0.7]))
    poses = np.zeros((1, 24, 3))
    poses[0, JOINT_NAMES.index(name)] = (0.4, 0.2, -0.9)
    moves = motion(poses, np.zeros((1, 3)), standing_world(), np.zeros(3), rest)
    w, x, y, z = moves.rotations[name][0]
    angle = 2 * np.arccos(w)
    axis = rest[name][:3, :3] @ np.array([x, y, z]) / np.sin(angle / 2) * angle  # in armature space
    assert np.allclose(axis, AXES @ (0.4, 0.2, -0.9))
