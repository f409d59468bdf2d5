"""Rotations: every conversion and its inverse, where the textbook formulas break down as well."""

from __future__ import annotations

import numpy as np
import pytest

from engine.body import rotations as rot

ANGLES = [0.0, 1e-12, 1e-7, 1e-4, 0.3, 1.5, 3.0, np.pi - 1e-4, np.pi - 1e-7, np.pi - 1e-12]


def vectors_of(angle: float, random: np.random.Generator, count: int = 50) -> np.ndarray:
    axes = random.normal(size=(count, 3))
    axes[:3] = np.eye(3)
    return np.asarray(angle * axes / np.linalg.norm(axes, axis=1, keepdims=True))


@pytest.mark.parametrize("angle", ANGLES)
def test_round_trips_at_every_angle(angle: float, random: np.random.Generator) -> None:
    vectors = vectors_of(angle, random)
    matrices = rot.matrix_from_axis_angle(vectors)
    assert np.allclose(matrices @ np.swapaxes(matrices, -1, -2), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(matrices), 1.0)
    # Near pi the axis may flip: compare what the rotations do.
    assert np.allclose(rot.matrix_from_axis_angle(rot.axis_angle_from_matrix(matrices)), matrices, atol=1e-7)
    quaternions = rot.quaternion_from_axis_angle(vectors)
    assert np.allclose(rot.matrix_from_quaternion(quaternions), matrices, atol=1e-12)
    assert np.allclose(np.abs(np.sum(rot.quaternion_from_matrix(matrices) * quaternions, -1)), 1.0)
    if angle < 3.1:
        assert np.allclose(rot.axis_angle_from_quaternion(quaternions), vectors, atol=1e-9)
        assert np.allclose(rot.axis_angle_from_matrix(matrices), vectors, atol=1e-7)


def test_a_known_rotation() -> None:
    turned = rot.matrix_from_axis_angle([0.0, 0.0, np.pi / 2]) @ [1.0, 0.0, 0.0]
    assert np.allclose(turned, [0.0, 1.0, 0.0])


def test_shapes_and_types_are_kept() -> None:
    assert rot.matrix_from_axis_angle(np.zeros((2, 5, 3), np.float32)).shape == (2, 5, 3, 3)
    assert rot.matrix_from_axis_angle(np.zeros((4, 3), np.float32)).dtype == np.float32
    assert rot.matrix_from_axis_angle(np.zeros((4, 3))).dtype == np.float64
    assert rot.axis_angle_from_matrix(np.eye(3)).shape == (3,)


def test_quaternion_product_composes(random: np.random.Generator) -> None:
    a, b = random.normal(size=(2, 20, 3))
    product = rot.multiply_quaternions(rot.quaternion_from_axis_angle(a), rot.quaternion_from_axis_angle(b))
    assert np.allclose(
        rot.matrix_from_quaternion(product), rot.matrix_from_axis_angle(a) @ rot.matrix_from_axis_angle(b)
    )


def test_minimal_rotation_reaches_the_target_the_short_way(random: np.random.Generator) -> None:
    source, target = random.normal(size=(2, 100, 3))
    target[0], target[1], target[2] = source[0], -2.0 * source[1], -source[2] + 1e-9
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (source, target)]
    turn = rot.minimal_rotation(source, target)
    assert np.allclose(np.einsum("nij,nj->ni", turn, unit[0]), unit[1], atol=1e-6)
    angle = np.arccos(np.clip(np.sum(unit[0] * unit[1], axis=1), -1.0, 1.0))
    assert np.allclose(np.linalg.norm(rot.axis_angle_from_matrix(turn), axis=1), angle, atol=1e-6)


def test_swing_and_twist_recompose_and_swing_has_no_twist(random: np.random.Generator) -> None:
    axis = np.array([0.6, 0.0, 0.8])
    matrices = rot.matrix_from_axis_angle(random.normal(size=(50, 3)))
    swing, twist = rot.split_twist(matrices, axis)
    again = swing @ rot.matrix_from_axis_angle(twist[:, None] * axis)
    assert np.allclose(again, matrices)
    assert np.allclose(rot.axis_angle_from_matrix(swing) @ axis, 0.0, atol=1e-9)
    pure = rot.matrix_from_axis_angle(np.linspace(-3, 3, 20)[:, None] * axis)
    assert np.allclose(rot.split_twist(pure, axis)[1], np.linspace(-3, 3, 20))


def test_partial_rotation_takes_its_share() -> None:
    whole = rot.matrix_from_axis_angle([0.0, 1.2, 0.0])
    assert np.allclose(rot.axis_angle_from_matrix(rot.partial_rotation(whole, 0.25)), [0.0, 0.3, 0.0])
