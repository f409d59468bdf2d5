"""Sides exchanged by the detector are put back; a person who really turns is left alone."""

import numpy as np
import pytest

from engine.motion.swaps import MIRROR, unswap

# Rough standing landmarks, metres, x to the person's left; z forward.
BODY = np.zeros((33, 3))
BODY[:11] = np.array([0, 0.65, 0.1]) + np.array([
    [0, 0, 0.05], *[[0.03, 0.03, 0]] * 3, *[[-0.03, 0.03, 0]] * 3, [0.08, 0, -0.1], [-0.08, 0, -0.1],
    [0.02, -0.05, 0], [-0.02, -0.05, 0],
])  # fmt: skip
LEFT = {
    11: (0.18, 0.45, 0), 13: (0.25, 0.2, 0), 15: (0.28, -0.02, 0.05), 17: (0.28, -0.1, 0.05),
    19: (0.27, -0.1, 0.08), 21: (0.25, -0.06, 0.08), 23: (0.1, 0, 0), 25: (0.11, -0.4, 0.03),
    27: (0.12, -0.8, -0.02), 29: (0.12, -0.86, -0.06), 31: (0.13, -0.86, 0.12),
}  # fmt: skip
for left, point in LEFT.items():
    BODY[left] = point
    BODY[left + 1] = np.array(point) * [-1, 1, 1]


def detections(turn: np.ndarray, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """times and keypoints (F,33,3) of a person who swings the arms and turns by `turn` (F,) radians, seen
    from ahead.
    """
    times = np.arange(len(turn)) / 30
    body = np.tile(BODY, (len(turn), 1, 1))
    swing = 0.2 * np.sin(2 * np.pi * times)[:, None]
    body[:, 13:23:2, 2] += swing
    body[:, 14:23:2, 2] -= swing
    c, s = np.cos(turn)[:, None], np.sin(turn)[:, None]
    x = c * body[..., 0] + s * body[..., 2]
    pixels = np.stack([500 + 300 * x, 500 - 300 * body[..., 1]], -1)
    pixels += np.random.default_rng(seed).normal(0, noise, pixels.shape)
    return times, np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 0.9)], -1)


@pytest.mark.parametrize("noise", [0.0, 5.0])
def test_a_whole_exchange_is_put_back(noise: float) -> None:
    times, clean = detections(np.zeros(60), noise)
    broken = clean.copy()
    broken[20:27] = clean[20:27][:, MIRROR]
    broken[50] = clean[50][MIRROR]
    fixed, swapped = unswap(times, broken)
    np.testing.assert_array_equal(fixed, clean)
    assert np.flatnonzero(swapped.all(axis=1)).tolist() == [*range(20, 27), 50]


def test_legs_alone_are_put_back() -> None:
    times, clean = detections(np.zeros(40))
    broken = clean.copy()
    broken[10:13, 23:] = clean[10:13][:, MIRROR][:, 23:]
    fixed, swapped = unswap(times, broken)
    np.testing.assert_array_equal(fixed, clean)
    assert swapped.sum(axis=0).tolist() == [0, 3]


@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_a_real_turn_is_left_alone(seconds: float) -> None:
    frames = int(30 * seconds)
    turn = np.concatenate([np.zeros(15), np.linspace(0, np.pi, frames), np.full(15, np.pi)])
    times, keypoints = detections(turn, 2.0)
    _, swapped = unswap(times, keypoints)
    assert swapped[:15].sum() + swapped[-15:].sum() == 0


def test_the_majority_is_believed() -> None:
    times, clean = detections(np.zeros(40))
    broken = clean[:, MIRROR].copy()
    broken[:5] = clean[:5]
    fixed, swapped = unswap(times, broken)
    np.testing.assert_array_equal(fixed, clean[:, MIRROR])
    assert swapped[:5].all()


def test_across_a_long_gap_nothing_is_assumed() -> None:
    times, clean = detections(np.zeros(80))
    visible = np.ones(80, dtype=bool)
    visible[30:55] = False
    broken = clean.copy()
    broken[55:] = clean[55:][:, MIRROR]  # back turned when they return
    fixed, swapped = unswap(times, broken, visible)
    np.testing.assert_array_equal(fixed, broken)
    assert not swapped.any()


def test_nothing_seen() -> None:
    fixed, swapped = unswap(np.arange(4.0), np.full((4, 33, 3), np.nan))
    assert np.isnan(fixed).all()
    assert not swapped.any()
