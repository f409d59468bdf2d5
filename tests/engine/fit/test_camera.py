"""The camera is found exactly from clean detections, and stays near under detector noise, outliers and
missing points.
"""

from pathlib import Path

import numpy as np
import pytest

from engine.fit.bench import camera_fit
from engine.fit.camera import camera_translation, project, weak_perspective

K = np.array([[1000, 0, 540], [0, 1000, 960], [0, 0, 1.0]])
GOLDEN = Path(__file__).parents[4] / "shared" / "golden" / "golden_misc.npz"


def scene(frames: int = 60, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    points = rng.normal(0, [0.25, 0.45, 0.15], (frames, 33, 3))
    t = np.stack([rng.uniform(-1, 1, frames), rng.uniform(-0.5, 0.5, frames), rng.uniform(2, 8, frames)], 1)
    keypoints = np.concatenate([project(points + t[:, None], K), np.ones((frames, 33, 1))], -1)
    return points, t, keypoints


def test_clean_detections_give_the_exact_translation() -> None:
    points, t, keypoints = scene()
    fit = camera_translation(points, keypoints, K)
    assert fit.valid.all()
    np.testing.assert_allclose(fit.translation, t, atol=1e-5)
    assert fit.residual_px.max() < 1e-3


def test_noise_does_not_shrink_the_depth() -> None:
    points, t, keypoints = scene(400)
    height_px = 1750 / t[:, 2]
    keypoints[..., :2] += np.random.default_rng(2).normal(0, 0.02, (400, 33, 2)) * height_px[:, None, None]
    fit = camera_translation(points, keypoints, K)
    relative = fit.translation[:, 2] / t[:, 2] - 1
    assert abs(relative.mean()) < 0.002  # the plain linear estimate is about 1 % short here
    assert relative.std() < 0.02


def test_a_sixth_of_the_points_being_wrong_is_survived() -> None:
    points, t, keypoints = scene(200)
    rng = np.random.default_rng(3)
    wrong = rng.random((200, 33)) < 0.15
    keypoints[wrong, :2] += rng.normal(0, 150, (wrong.sum(), 2))
    fit = camera_translation(points, keypoints, K)
    assert np.abs(fit.translation[:, 2] / t[:, 2] - 1).mean() < 0.01


def test_unseen_points_do_not_count() -> None:
    points, t, keypoints = scene()
    keypoints[:, :15, :2] = 1e5
    keypoints[:, :15, 2] = 0.05
    keypoints[:, 15] = np.nan
    fit = camera_translation(points, keypoints, K)
    assert fit.valid.all()
    np.testing.assert_allclose(fit.translation, t, atol=1e-4)


def test_a_frame_without_enough_points_takes_its_neighbours_depth() -> None:
    points, t, keypoints = scene(5)
    t[:] = t[0]
    keypoints[..., :2] = project(points + t[:, None], K)
    keypoints[2, 3:, 2] = 0.0
    keypoints[4, :, 2] = 0.0
    fit = camera_translation(points, keypoints, K)
    assert fit.valid.tolist() == [True, True, False, True, False]
    np.testing.assert_allclose(fit.translation, t, atol=0.01)
    assert np.isnan(fit.residual_px[4])


@pytest.mark.parametrize("fault", ["one_point", "nothing", "same_pixel", "mirrored"])
def test_hopeless_input_stays_finite_and_in_front(fault: str) -> None:
    points, _, keypoints = scene(3)
    if fault == "one_point":
        keypoints[:, 1:, 2] = 0
    elif fault == "nothing":
        keypoints[..., 2] = 0
    elif fault == "same_pixel":
        keypoints[..., :2] = 500
    else:
        keypoints[..., :2] = 2 * K[:2, 2] - keypoints[..., :2]
    fit = camera_translation(points, keypoints, K)
    assert np.isfinite(fit.translation).all()
    assert (points[..., 2] + fit.translation[:, None, 2] > 0).all()


def test_weak_perspective_inverts_the_published_camera() -> None:
    rng = np.random.default_rng(0)
    points, camera = rng.normal(0, 0.3, (4, 17, 3)), np.array([0.9, 0.1, -0.05])
    crop = 250 * camera[0] * (points[..., :2] + camera[1:]) + 250
    parameters, loss = weak_perspective(points, crop)
    np.testing.assert_allclose(parameters, np.tile(camera, (4, 1)), atol=1e-6)
    assert loss.max() < 1e-4


@pytest.mark.skipif(
    not GOLDEN.exists(), reason="the reference numbers lie beside a development checkout only"
)
def test_weak_perspective_agrees_with_the_published_code() -> None:
    with np.load(GOLDEN) as golden:
        parameters, loss = weak_perspective(golden["cam_in"], golden["cam_out"])
        np.testing.assert_allclose(parameters[0], golden["cam_param"], atol=1e-5)
        assert loss[0] < 1e-3


def test_our_loss_is_never_above_the_optimisers() -> None:
    pytest.importorskip("torch")
    result = camera_fit(people=2)
    assert result["ours"]["loss_px"] <= result["published"]["loss_px"]
