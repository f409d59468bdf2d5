"""The figures are what their names say, and finite for empty takes."""

import numpy as np
import pytest

from engine.motion.quality import jitter, reprojection_percent, take_quality


def test_jitter_of_known_motion() -> None:
    steady = np.arange(10.0)[:, None, None] * np.ones((1, 24, 3))
    assert jitter(steady) == 0
    zigzag = np.zeros((10, 1, 3))
    zigzag[::2, 0, 0] = 0.001
    assert jitter(zigzag) == pytest.approx(2.0)


def test_reprojection_is_relative_to_the_persons_height() -> None:
    projected = np.zeros((3, 33, 2))
    projected[:, 0, 1] = 500  # 500 px tall
    keypoints = np.concatenate([projected + np.array([10, 0]), np.ones((3, 33, 1))], -1)
    assert reprojection_percent(keypoints, projected) == pytest.approx(2.0)
    keypoints[:, 20:, :2] += 400
    keypoints[:, 20:, 2] = 0.1
    assert reprojection_percent(keypoints, projected) == pytest.approx(2.0)


def test_all_figures_are_floats_and_finite_even_for_nothing() -> None:
    for frames in (0, 1, 5):
        figures = take_quality(
            np.zeros((frames, 24, 3)),
            np.full((frames, 33, 3), np.nan),
            np.zeros((frames, 33, 2)),
            np.zeros((frames, 4, 3)),
            np.zeros((frames, 4), dtype=bool),
            np.ones(frames, dtype=bool),
        )
        assert all(type(v) is float and np.isfinite(v) for v in figures.values())
