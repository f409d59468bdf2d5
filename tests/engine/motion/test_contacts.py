"""Standing feet are found on a walk, with noise and without; a foot in the air is not."""

from types import SimpleNamespace

import numpy as np
import pytest
from gait import walk

from engine.motion.contacts import contact_regressor, detect_contacts, runs, slow_feet


@pytest.mark.parametrize("noise", [0.0, 0.004])
def test_a_walks_contacts(noise: float) -> None:
    times, _, feet, standing = walk()
    feet = feet + np.random.default_rng(0).normal(0, noise, feet.shape)
    found = detect_contacts(times, feet)
    assert (found == standing).mean() > 0.9
    # One contact per step and no flicker.
    assert [len(runs(c)) for c in found.T] == [len(runs(c)) for c in standing.T]


def test_a_foot_held_in_the_air_has_no_contact() -> None:
    times = np.arange(60) / 30
    feet = np.zeros((60, 4, 3))
    feet[:, 2:, 2] = 0.3  # balancing on the left leg
    found = detect_contacts(times, feet)
    assert found[:, :2].all()
    assert not found[:, 2:].any()


def test_depth_noise_does_not_break_a_contact() -> None:
    times = np.arange(60) / 30
    feet = np.zeros((60, 4, 3))
    feet[..., 1] += np.random.default_rng(0).normal(0, 0.06, (60, 1))
    assert slow_feet(times, feet, ray=np.array([0, 1.0, 0])).mean() > slow_feet(times, feet).mean()


def test_invisible_frames_have_no_contact() -> None:
    times, _, feet, _ = walk()
    visible = np.ones(len(times), dtype=bool)
    visible[30:60] = False
    assert not detect_contacts(times, feet, visible=visible)[30:60].any()


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_very_short_takes(frames: int) -> None:
    assert detect_contacts(np.arange(frames) / 30, np.zeros((frames, 4, 3))).all()


def test_the_regressor_reads_heel_and_ball_off_the_sole() -> None:
    rng = np.random.default_rng(0)
    left = rng.uniform([0.05, 0, -0.05], [0.15, 0.1, 0.2], (2000, 3))
    vertices = np.concatenate(
        [left, left * [-1, 1, 1], rng.uniform([-0.2, 0.5, -0.1], [0.2, 1.5, 0.1], (500, 3))]
    )
    weights = np.zeros((4500, 24))
    weights[:2000, 7], weights[2000:4000, 8], weights[4000:, 0] = 1, 1, 1
    points = contact_regressor(vertices, weights) @ vertices
    assert points[:, 1].max() < 0.015
    assert (points[:2, 0] > 0).all()
    assert (points[2:, 0] < 0).all()
    assert (points[[0, 2], 2] < -0.03).all()
    assert (points[[1, 3], 2] > 0.1).all()
    assert SimpleNamespace(rows=contact_regressor(vertices, weights).sum(axis=1)).rows == pytest.approx(1)
