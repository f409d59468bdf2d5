"""Errors as published, reflections included."""

from itertools import pairwise

import numpy as np
import pytest
from golden import golden

from engine.pose2mesh import metrics

MISC = golden("misc")
A, B = MISC["pa_A"], MISC["pa_B"]


def test_procrustes() -> None:
    np.testing.assert_allclose(metrics.procrustes(A, B), MISC["pa_aligned"], atol=1e-9)
    assert metrics.aligned_mean_distance(A, B) == pytest.approx(MISC["pa_mpjpe"], rel=1e-12)


def test_procrustes_never_mirrors() -> None:
    mirrored = B * [1.0, 1.0, -1.0]
    np.testing.assert_allclose(metrics.procrustes(A, mirrored), MISC["pa_reflected_aligned"], atol=1e-9)
    assert metrics.aligned_mean_distance(A, mirrored) == pytest.approx(MISC["pa_reflected_mpjpe"], rel=1e-12)


def test_procrustes_works_on_batches_and_undoes_any_similarity() -> None:
    rng = np.random.default_rng(0)
    source = rng.standard_normal((5, 14, 3))
    turns, _ = np.linalg.qr(rng.standard_normal((5, 3, 3)))
    turns *= np.sign(np.linalg.det(turns))[:, None, None]
    moved = 2.5 * source @ turns + rng.standard_normal((5, 1, 3))
    np.testing.assert_allclose(metrics.procrustes(source, moved), moved, atol=1e-12)
    assert metrics.mean_distance(source, moved) > 0.5


def test_procrustes_of_a_point_is_the_targets_centre() -> None:
    aligned = metrics.procrustes(np.zeros((4, 3)), np.arange(12.0).reshape(4, 3))
    np.testing.assert_allclose(aligned, np.tile([4.5, 5.5, 6.5], (4, 1)))


def test_mean_distance() -> None:
    assert metrics.mean_distance(np.zeros((2, 2, 3)), np.array([3.0, 4.0, 0.0])) == 5.0


def test_acceleration_error() -> None:
    errors = metrics.acceleration_error(MISC["acc_pred"], MISC["acc_gt"])
    np.testing.assert_allclose(errors, MISC["acc_err"], rtol=1e-12)


def test_a_mirror_is_allowed_where_the_benchmark_allows_it() -> None:
    mirrored = A * [1.0, 1.0, -1.0]
    np.testing.assert_allclose(metrics.procrustes(A, mirrored, may_mirror=True), mirrored, atol=1e-9)
    np.testing.assert_allclose(metrics.procrustes(A, B, may_mirror=True), MISC["pa_aligned"], atol=1e-9)


def test_the_area_under_the_curve_of_correct_points() -> None:
    """Against the sum written out: a share per threshold, trapezoids between them."""
    errors = np.random.default_rng(0).gamma(2.0, 0.008, (7, 21))
    thresholds = np.linspace(0.0, 0.05, 100)
    shares = [np.mean([np.mean(errors[:, joint] <= t) for joint in range(21)]) for t in thresholds]
    expected = sum((a + b) / 2 for a, b in pairwise(shares)) / 99
    assert metrics.area_under_curve(errors) == pytest.approx(expected, rel=1e-12)
    assert metrics.area_under_curve(np.zeros(5)) == 1.0
    assert metrics.area_under_curve(np.full(5, 0.051)) == 0.0
    assert metrics.area_under_curve(np.full(5, 0.025)) == pytest.approx(0.5, abs=0.006)
    assert metrics.area_under_curve(np.array([0.05])) == pytest.approx(0.5 / 99)  # the last threshold counts


def test_f_score_by_hand() -> None:
    target = np.array([[0.0, 0, 0], [0.1, 0, 0], [0.2, 0, 0], [0.3, 0, 0]])
    predicted = np.array([[0.004, 0, 0], [0.096, 0, 0], [0.5, 0, 0]])
    precision, recall = 2 / 3, 2 / 4
    expected = 2 * precision * recall / (precision + recall)
    assert metrics.f_score(predicted, target, 0.005) == pytest.approx(expected)
    assert metrics.f_score(predicted, target, 0.004) == 0.0  # at the threshold is not nearer than it
    assert metrics.f_score(target, target, 0.005) == 1.0


def test_hand_scores_of_a_moved_hand_are_perfect_and_fall_with_noise() -> None:
    rng = np.random.default_rng(1)
    joints, vertices = rng.normal(0, 0.04, (3, 21, 3)), rng.normal(0, 0.04, (3, 120, 3))
    perfect = metrics.hand_scores(joints * 1000 + 50, vertices * 1000 - 9, joints, vertices)
    assert (perfect["pa_mpjpe"], perfect["pa_mpvpe"]) == pytest.approx((0, 0), abs=1e-9)
    assert perfect["f_5mm"] == perfect["f_15mm"] == 1
    # rounding errors are above the first threshold, zero: half a step of the curve is lost
    assert perfect["auc_joints"] == perfect["auc_vertices"] == pytest.approx(1 - 0.5 / 99)
    noisy = metrics.hand_scores(joints, vertices + rng.normal(0, 0.006, vertices.shape), joints, vertices)
    assert noisy["pa_mpjpe"] == pytest.approx(0, abs=1e-9)
    assert 0 < noisy["f_5mm"] < noisy["f_15mm"] < 1
    assert noisy["pa_mpvpe"] == pytest.approx(6 * np.sqrt(8 / np.pi), rel=0.05)  # mean of a 3D normal
    assert noisy["auc_vertices"] == pytest.approx(1 - noisy["pa_mpvpe"] / 50, abs=0.01)
