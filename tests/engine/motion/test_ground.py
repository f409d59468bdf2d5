"""Up, floor and heading are found from a person seen by a tilted camera."""

import numpy as np
import pytest
from gait import STANDING, camera_from_world, seen, walk

from engine.motion.contacts import slow_feet
from engine.motion.ground import CAMERA_UP, estimate_up, to_camera, to_world, world_frame


def off_deg(up: np.ndarray, camera: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(up @ camera[:3, 2], -1, 1))))


@pytest.mark.parametrize(("roll", "pitch"), [(0, 0), (8, 0), (-12, 10), (0, 25), (5, -10)])
def test_up_from_a_walk(roll: float, pitch: float) -> None:
    times, joints, feet, _ = walk()
    camera = camera_from_world(np.radians(roll), np.radians(pitch))
    joints, feet = seen(camera, joints), seen(camera, feet)
    up = estimate_up(times, joints, feet, slow_feet(times, feet))
    assert off_deg(up, camera) < 2.5


@pytest.mark.parametrize("roll", [-25, 40, 50])
def test_up_from_a_walk_before_a_strongly_rolled_camera(roll: float) -> None:
    """Standing straight and balance agree: then the camera was not held level, whatever is usual."""
    times, joints, feet, _ = walk()
    camera = camera_from_world(np.radians(roll), np.radians(10))
    joints, feet = seen(camera, joints), seen(camera, feet)
    assert off_deg(estimate_up(times, joints, feet, slow_feet(times, feet)), camera) < 6


def test_someone_bent_aside_does_not_tip_the_world() -> None:
    """Sitting on the edge of something: the feet are beside the body's middle, not below it."""
    times = np.arange(60) / 30
    pose = STANDING.copy()
    pose[[4, 5]] = pose[[1, 2]] + (0.4, 0, 0)
    pose[[7, 8, 10, 11]] = pose[[4, 5, 4, 5]] - (0, 0, 0.4)
    camera = camera_from_world(0, 0)
    joints = np.tile(seen(camera, pose + np.array([0, 0, 0.5])), (60, 1, 1))
    up = estimate_up(times, joints, joints[:, [7, 10, 8, 11]], np.ones((60, 4), dtype=bool))
    assert off_deg(up, camera) < 3


def test_up_from_someone_standing_still_on_a_tilted_camera() -> None:
    times = np.arange(60) / 30
    joints = np.tile(STANDING + np.array([0, 0, 0.95]), (60, 1, 1))
    feet = np.tile([[0.1, 0.1, 0], [0.1, -0.1, 0], [-0.1, 0.1, 0], [-0.1, -0.1, 0.0]], (60, 1, 1))
    camera = camera_from_world(np.radians(10), np.radians(8))
    up = estimate_up(times, seen(camera, joints), seen(camera, feet), np.ones((60, 4), dtype=bool))
    assert off_deg(up, camera) < 3.5


def test_no_evidence_means_the_cameras_own_up() -> None:
    nothing = np.full((10, 24, 3), np.nan)
    up = estimate_up(np.arange(10) / 30, nothing, nothing[:, :4], np.zeros((10, 4), dtype=bool))
    np.testing.assert_array_equal(up, CAMERA_UP)


def test_someone_lying_down_does_not_tip_the_world() -> None:
    times = np.arange(60) / 30
    lying = (STANDING + np.array([0, 0, 0.95]))[:, [2, 1, 0]]
    camera = camera_from_world(0, 0)
    joints = np.tile(seen(camera, lying), (60, 1, 1))
    up = estimate_up(times, joints, joints[:, [7, 10, 8, 11]], np.ones((60, 4), dtype=bool))
    assert off_deg(up, camera) < 10


def test_world_is_z_up_with_the_floor_at_zero_and_the_person_at_the_origin() -> None:
    _, joints, feet, standing = walk()
    camera = camera_from_world(np.radians(7), np.radians(12))
    cam_joints, cam_feet = seen(camera, joints), seen(camera, feet)
    world = world_frame(camera[:3, 2], cam_joints, cam_feet, standing)
    assert world.dtype == np.float32
    np.testing.assert_allclose(world[:3, :3] @ world[:3, :3].T, np.eye(3), atol=1e-6)
    found_feet, found = to_world(world, cam_feet), to_world(world, cam_joints)
    np.testing.assert_allclose(found_feet[standing][:, 2], 0, atol=1e-5)
    np.testing.assert_allclose(found[0, 0, :2], 0, atol=1e-5)
    # The walk comes towards the camera: along -Y, left side on +X.
    assert found[-1, 0, 1] < -3.5
    assert found[0, 16, 0] > found[0, 17, 0]
    np.testing.assert_allclose(to_camera(world, found), cam_joints, atol=1e-5)


def test_looking_straight_down_is_defined() -> None:
    joints, feet = np.zeros((3, 24, 3)) + np.array([0, 0, 3.0]), np.zeros((3, 4, 3)) + np.array([0, 0, 4.0])
    world = world_frame(np.array([0, 0, -1.0]), joints, feet, np.ones((3, 4), dtype=bool))
    assert np.isfinite(world).all()
    np.testing.assert_allclose(np.linalg.det(world[:3, :3]), 1, atol=1e-6)
    np.testing.assert_allclose(to_world(world, np.array([0, -1.0, 4]))[1], 1, atol=1e-6)


def test_nan_frames_are_left_out() -> None:
    times, joints, feet, standing = walk()
    camera = camera_from_world(0.1, 0.1)
    joints, feet = seen(camera, joints), seen(camera, feet)
    joints[:5], feet[:5] = np.nan, np.nan
    assert np.isfinite(estimate_up(times, joints, feet, standing)).all()
    assert np.isfinite(world_frame(camera[:3, 2], joints, feet, standing)).all()
