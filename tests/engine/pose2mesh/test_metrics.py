"""Errors as published, reflections included."""

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
