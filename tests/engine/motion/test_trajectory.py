"""Anchors hold a standing foot in place and on the floor, without a pop, and leave real steps up and down
alone.
"""

import numpy as np
from gait import walk

from engine.motion.trajectory import foot_anchors, foot_slide


def drifting(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """times, clean feet (F,4,3), feet that drift and tremble as one camera would make them, and contact
    (F,4).
    """
    times, _, feet, standing = walk()
    rng = np.random.default_rng(seed)
    drift = np.cumsum(rng.normal(0, 0.003, (len(times), 3)), 0)
    error = 0.03 * np.sin(3 * times)[:, None] * [0, 1, 0.3] + drift + rng.normal(0, 0.002, (len(times), 3))
    return times, feet, feet + error[:, None], standing


def test_in_contact_nothing_slides_and_soles_are_on_the_floor() -> None:
    times, _, feet, standing = drifting()
    targets, weights = foot_anchors(times, feet, standing)
    assert foot_slide(feet, standing) > 3
    assert foot_slide(targets, standing) < 1e-6
    assert (weights[standing] == 1).all()
    assert np.abs(targets[standing][:, 2]).max() < 0.02


def test_the_way_to_the_anchor_is_gentle() -> None:
    times, _, feet, standing = drifting()
    targets, _ = foot_anchors(times, feet, standing)
    away = np.linalg.norm(np.diff(targets - feet, axis=0), axis=-1)
    assert np.abs(targets - feet).max() > 0.02
    assert away.max() < 0.025  # metres per frame, where a foot in swing moves by ten centimetres


def test_a_clean_walk_keeps_its_feet() -> None:
    times, feet, _, standing = drifting()
    targets, _ = foot_anchors(times, feet, standing)
    np.testing.assert_allclose(targets, feet, atol=1e-9)


def test_far_from_any_contact_the_foot_is_free() -> None:
    times = np.arange(60) / 30
    feet = np.zeros((60, 4, 3)) + np.array([0, 0, 0.2])
    contact = np.zeros((60, 4), dtype=bool)
    contact[:10, 0] = True
    feet[:10, 0, 2] = 0
    _, weights = foot_anchors(times, feet, contact)
    assert (weights[20:] == 0).all()
    assert (weights[:, 1:] == 0).all()


def test_nothing_sinks_but_a_step_down_is_believed() -> None:
    times = np.arange(30) / 30
    feet = np.zeros((30, 4, 3))
    feet[10:20, 0, 2] = -0.06  # the error of one camera
    feet[10:20, 2, 2] = -0.4  # off a wall
    feet[:, 3, 2] = 0.3  # standing on a chair
    contact = np.zeros((30, 4), dtype=bool)
    contact[:, 3] = True
    targets, weights = foot_anchors(times, feet, contact)
    assert targets[:, 0, 2].min() == 0
    assert (weights[10:20, 0] == 1).all()
    np.testing.assert_allclose(targets[10:20, 2, 2], -0.4)
    assert (weights[10:20, 2] == 0).all()
    np.testing.assert_allclose(targets[:, 3, 2], 0.3)


def test_between_neighbouring_depths_targets_do_not_jump() -> None:
    depth = np.linspace(0, 0.3, 301)
    feet = np.zeros((301, 4, 3))
    feet[..., 2] = -depth[:, None]
    targets, _ = foot_anchors(np.arange(301) / 30, feet, np.zeros((301, 4), dtype=bool))
    assert np.abs(np.diff(targets[:, 0, 2])).max() < 0.005


def test_slide_of_a_clean_walk_is_nothing() -> None:
    _, _, feet, standing = walk()
    assert foot_slide(feet, standing) < 1e-6
    assert foot_slide(feet, np.zeros_like(standing)) == 0
