"""Gaps are crossed the short way, the ends hold, and what is known is untouched."""

import numpy as np

from engine.motion.infill import from_ray, infill_poses, infill_translation, infill_values, to_ray

TIMES = np.array([0.0, 0.1, 0.2, 0.5, 0.6])


def test_rotation_across_a_gap_is_constant_speed_on_uneven_times() -> None:
    poses = np.zeros((5, 1, 3))
    poses[4, 0] = [0, 0, 1.2]
    poses[1:4] = 9.0
    filled = infill_poses(TIMES, poses, np.array([True, False, False, False, True]))
    np.testing.assert_allclose(filled[:, 0, 2], 2 * TIMES, atol=1e-6)


def test_rotation_takes_the_short_way_over_half_a_turn() -> None:
    poses = np.zeros((3, 1, 3))
    poses[0, 0, 1], poses[2, 0, 1] = np.radians(170), np.radians(-170)
    filled = infill_poses(np.arange(3.0), poses, np.array([True, False, True]))
    assert abs(abs(filled[1, 0, 1]) - np.pi) < 1e-5


def test_each_joint_has_its_own_gap() -> None:
    poses = np.tile(np.linspace(0, 1, 5)[:, None, None], (1, 2, 3)) * [1, 0, 0]
    known = np.ones((5, 2), dtype=bool)
    known[2, 0] = False
    broken = poses.copy()
    broken[2, 0] = 2.5
    np.testing.assert_allclose(infill_poses(np.arange(5.0), broken, known), poses, atol=1e-6)


def test_ends_hold() -> None:
    known = np.array([False, True, False, True, False])
    filled = infill_values(TIMES, np.arange(5.0)[:, None], known)
    np.testing.assert_allclose(filled[[0, 4], 0], [1, 3])
    np.testing.assert_allclose(filled[2, 0], 1 + 2 * 0.1 / 0.4)


def test_translation_survives_nonsense_in_the_gap() -> None:
    trans = np.tile([0.5, 0.2, 4.0], (5, 1))
    trans[2] = [np.nan, 0, -3]
    filled = infill_translation(TIMES, trans, np.array([True, True, False, True, True]))
    np.testing.assert_allclose(filled, np.tile([0.5, 0.2, 4.0], (5, 1)), rtol=1e-6)


def test_nothing_known_changes_nothing() -> None:
    poses = np.random.default_rng(0).normal(0, 1, (5, 24, 3)).astype(np.float32)
    np.testing.assert_array_equal(infill_poses(TIMES, poses, np.zeros(5, dtype=bool)), poses)


def test_ray_coordinates_round_trip() -> None:
    points = np.array([[0.1, -0.3, 2.0], [1.0, 1.0, 5.0]])
    np.testing.assert_allclose(from_ray(to_ray(points)), points)
