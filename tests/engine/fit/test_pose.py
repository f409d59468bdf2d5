"""Posed points go back to the pose, shape and translation that made them."""

from types import SimpleNamespace

import numpy as np
import pytest
from tiny_body import random_poses

from engine.fit.points import PointBody, matrix
from engine.fit.pose import fit_frames, fit_take, nearest_rotation

FRAMES = 40


@pytest.fixture(scope="module")
def body(model: SimpleNamespace) -> PointBody:
    return PointBody.of(model, np.arange(len(model.v_template)))


@pytest.fixture(scope="module")
def take(body: PointBody) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    poses, betas = random_poses(FRAMES), rng.normal(0, 1, 10)
    trans = rng.normal(0, 1, (FRAMES, 3)) + np.array([0, 0, 4])
    return poses, betas, trans, body.posed(poses, betas, trans)


def distance_mm(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a - b, axis=-1) * 1e3


def angle_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    relative = np.swapaxes(matrix(a), -1, -2) @ matrix(b)
    return np.degrees(np.arccos(np.clip((np.trace(relative, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))


def test_known_shape_is_recovered_to_fractions_of_a_millimetre(body, take) -> None:  # type: ignore[no-untyped-def]
    poses, betas, trans, target = take
    fit = fit_take(body, target, betas=betas, point_sigma=1e-5)
    assert distance_mm(body.posed(fit.poses, fit.betas, fit.trans), target).max() < 0.2
    assert angle_deg(fit.poses, poses).max() < 0.5
    assert fit.error.max() < 2e-4
    np.testing.assert_allclose(fit.trans, trans, atol=1e-3)


def test_shape_is_recovered_with_the_pose(body, take) -> None:  # type: ignore[no-untyped-def]
    _, betas, _, target = take
    fit = fit_take(body, target, point_sigma=1e-4, shape_sigma=1e-4)
    assert distance_mm(body.shaped(fit.betas).rest, body.shaped(betas).rest).mean() < 0.5
    # Random toes bend sideways as no foot does, and are pulled back a little.
    assert distance_mm(body.posed(fit.poses, fit.betas, fit.trans), target).mean() < 0.25


def test_point_noise_stays_point_noise(body, take) -> None:  # type: ignore[no-untyped-def]
    poses, betas, trans, target = take
    noisy = target + np.random.default_rng(0).normal(0, 0.02, target.shape)
    fit = fit_take(body, noisy, betas=betas)
    limbs = [0, 1, 2, 4, 5, 16, 17, 18, 19]
    assert angle_deg(fit.poses, poses)[:, limbs].mean() < 6
    found, wanted = (body.joints_posed(*x) for x in ((fit.poses, betas, fit.trans), (poses, betas, trans)))
    assert distance_mm(found, wanted).mean() < 8  # 35 mm of noise per point


def test_another_bone_length_is_shared_along_the_chain(body, take) -> None:  # type: ignore[no-untyped-def]
    """Targets of a longer-limbed body: hands and feet land nearer than by aligning part by part."""
    poses, betas, trans, _ = take
    longer = betas + np.eye(10)[0]
    target = body.posed(poses, longer, trans)
    wanted = body.joints_posed(poses, longer, trans)
    leaves = [10, 11, 22, 23]

    def miss(rounds: int) -> float:
        fitted, moved, _ = fit_frames(body, target, betas, rounds=rounds)
        return float(distance_mm(body.joints_posed(fitted, betas, moved), wanted)[:, leaves].mean())

    assert miss(3) < 0.75 * miss(0)


def test_a_point_the_part_lacks_leaves_it_with_its_parent(model: SimpleNamespace) -> None:
    """Without a single point on the fingers they follow the hand instead of spinning."""
    ids = np.flatnonzero(model.weights[:, [22, 23]].sum(1) == 0)
    body = PointBody.of(model, ids)
    poses = random_poses(10, seed=5)
    target = body.posed(poses, np.zeros(10), np.zeros((10, 3)))
    fit = fit_take(body, target, betas=np.zeros(10))
    assert angle_deg(fit.poses, poses)[:, [22, 23]].max() < 1


def test_landmarks_are_points_too(model: SimpleNamespace) -> None:
    body = PointBody.of(model, np.arange(0, len(model.v_template), 7), landmarks=True)
    assert len(body.anchors) == len(range(0, len(model.v_template), 7)) + 33
    assert body.importance.sum() == pytest.approx(1)
    expected = model.landmark_regressor @ model.v_template
    np.testing.assert_allclose(body.shaped(np.zeros(10)).rest[-33:], expected, atol=1e-6)


def test_correctives_are_fitted_through(model: SimpleNamespace) -> None:
    """A body whose surface also bends with the pose, as the shipped one does, is found all the same."""
    rng = np.random.default_rng(8)
    with_correctives = SimpleNamespace(**vars(model))
    with_correctives.posedirs = rng.normal(0, 0.004, (207, len(model.v_template), 3)).astype(np.float32)
    body = PointBody.of(with_correctives, np.arange(len(model.v_template)), landmarks=True)
    poses, betas, still = random_poses(10, seed=9), np.zeros(10), np.zeros((10, 3))
    target = body.posed(poses, betas, still)
    plain = PointBody.of(model, np.arange(len(model.v_template)), landmarks=True).posed(poses, betas, still)
    assert distance_mm(target, plain).mean() > 10
    fit = fit_take(body, target, betas=betas, point_sigma=1e-5, rounds=6)
    assert distance_mm(body.posed(fit.poses, betas, fit.trans), target).mean() < 1


def test_one_frame_is_enough(body, take) -> None:  # type: ignore[no-untyped-def]
    fit = fit_take(body, take[3][:1])
    assert fit.poses.shape == (1, 24, 3)
    assert np.isfinite(fit.poses).all()


def test_nearest_rotation_is_a_rotation_even_of_a_mirror() -> None:
    rotations = nearest_rotation(
        np.stack([np.diag([1.0, 1.0, -1.0]), np.diag([2.0, 0.0, 0.0]), np.zeros((3, 3))])
    )
    np.testing.assert_allclose(np.linalg.det(rotations), 1)
    np.testing.assert_allclose(
        rotations @ np.swapaxes(rotations, -1, -2), np.tile(np.eye(3), (3, 1, 1)), atol=1e-12
    )
