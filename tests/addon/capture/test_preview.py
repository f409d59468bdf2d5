"""Where the live preview puts the body."""

from __future__ import annotations

import numpy as np
import pytest
from pose2mesh_mocap.addon.capture.preview import level, to_blender

PELVIS, NECK = 0, 12


def regressor() -> np.ndarray:
    """Two vertices: the pelvis and the neck."""
    result = np.zeros((24, 2), np.float32)
    result[PELVIS, 0] = result[NECK, 1] = 1
    return result


def test_camera_axes_become_blenders() -> None:
    right, down, forward = np.eye(3, dtype=np.float32)
    np.testing.assert_array_equal(to_blender(right), (1, 0, 0))
    np.testing.assert_array_equal(to_blender(down), (0, 0, -1))
    np.testing.assert_array_equal(to_blender(forward), (0, 1, 0))


@pytest.mark.parametrize("neck", [(0, 0, 1), (0.3, 0, 0.5), (0.1, -0.5, 0.4), (-0.4, 0.2, 0.4)])
def test_a_back_filmed_at_an_angle_is_made_vertical(neck: tuple[float, float, float]) -> None:
    points = np.array([(1, 2, 3), np.add((1, 2, 3), neck)], np.float32)
    turn = level(points, regressor())
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(turn) == pytest.approx(1, abs=1e-5)
    straight = turn @ (points[1] - points[0])
    np.testing.assert_allclose(straight, (0, 0, np.linalg.norm(neck)), atol=1e-5)


@pytest.mark.parametrize("neck", [(1, 0, 0.1), (0, 0, -1), (0, 0, 0)])
def test_who_lies_stays_lying(neck: tuple[float, float, float]) -> None:
    points = np.array([(0, 0, 1), np.add((0, 0, 1), neck)], np.float32)
    np.testing.assert_array_equal(level(points, regressor()), np.eye(3))
