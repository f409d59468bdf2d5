"""Smoothing calms noise without lag, keeps fast motion, throws out flips, and does nothing at strength 0."""

import numpy as np
import pytest

from engine.motion.smoothing import (
    local_quadratic,
    pose_outliers,
    smooth_correction,
    smooth_keypoints,
    smooth_poses,
    smooth_take,
    smooth_translation,
    translation_outliers,
)


def swinging(
    frames: int = 150, fps: float = 30.0, hertz: float = 0.7, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """times and smooth poses (F,24,3) with every joint swinging, joint 0 near half a turn (where axis-angle
    jumps).
    """
    rng = np.random.default_rng(seed)
    times = np.arange(frames) / fps
    phase = rng.uniform(0, 6, (24, 3))
    poses = 0.4 * np.sin(2 * np.pi * hertz * times[:, None, None] + phase)
    poses[:, 0] = np.array([3.1, 0, 0]) + 0.2 * np.sin(times[:, None] + phase[0])
    return times, poses


def noisy(poses: np.ndarray, degrees: float, seed: int = 1) -> np.ndarray:
    return poses + np.radians(degrees) * np.random.default_rng(seed).normal(0, 1, poses.shape)


def rms(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a[:, 1:] - b[:, 1:]) ** 2)))


def shake(poses: np.ndarray) -> float:
    return float(np.abs(np.diff(poses[:, 1:], n=2, axis=0)).mean())


def test_strength_zero_is_the_identity() -> None:
    times, poses = swinging()
    trans = np.random.default_rng(0).normal(0, 1, (150, 3)) + np.array([0, 0, 5])
    result = smooth_take(times, poses, trans, strength=0)
    np.testing.assert_allclose(result.poses, poses.astype(np.float32))
    np.testing.assert_allclose(result.trans, trans, rtol=1e-5)
    assert not result.infilled.any()


def test_noise_and_jitter_go_down_a_lot() -> None:
    times, poses = swinging()
    raw = noisy(poses, 3)
    smooth = smooth_poses(times, raw)
    assert rms(smooth, poses) < 0.5 * rms(raw, poses)
    assert shake(smooth) < 0.2 * shake(raw)


def test_clean_motion_is_hardly_changed_and_does_not_lag() -> None:
    times, poses = swinging(hertz=1.5)
    smooth = smooth_poses(times, poses)
    assert rms(smooth, poses) < np.radians(2.0)  # of swings of forty degrees
    a, b = smooth[10:-10, 5, 0], poses[10:-10, 5, 0]
    lags = [np.dot(a, np.roll(b, k)) for k in range(-4, 5)]
    assert int(np.argmax(lags)) == 4


def test_a_fast_strike_keeps_its_reach() -> None:
    times = np.arange(90) / 30
    poses = np.zeros((90, 24, 3))
    poses[:, 18, 1] = 2.0 * np.exp(-0.5 * ((times - 1.5) / 0.1) ** 2)
    smooth = smooth_poses(times, noisy(poses, 0.5))
    assert smooth[:, 18, 1].max() > 1.85


def test_uneven_frame_times_of_a_steady_turn_stay_steady() -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.06, 80))
    poses = np.zeros((80, 24, 3))
    poses[..., 1] = 0.5 * times[:, None]
    np.testing.assert_allclose(smooth_poses(times, poses), poses, atol=2e-3)


def test_the_same_motion_at_twice_the_rate_is_smoothed_alike() -> None:
    times, poses = swinging(300, 60.0)
    full = smooth_poses(times, poses)
    half = smooth_poses(times[::2], poses[::2])
    np.testing.assert_allclose(full[::2][5:-5, 1:], half[5:-5, 1:], atol=np.radians(0.3))


def test_a_parabola_is_reproduced() -> None:
    times = np.arange(30) / 30
    values = (1 + times - 3 * times**2)[:, None, None]
    np.testing.assert_allclose(local_quadratic(times, values, np.full((30, 1), 0.1)), values, atol=1e-2)
    np.testing.assert_allclose(
        local_quadratic(times, values, np.full((30, 1), 0.1))[8:-8], values[8:-8], atol=1.5e-3
    )


@pytest.mark.parametrize("length", [1, 2, 3])
def test_flips_are_found_and_replaced(length: int) -> None:
    times, poses = swinging()
    broken = noisy(poses, 1)
    broken[60 : 60 + length, 16] += [0, 2.0, 0]
    broken[90 : 90 + length, 0] = [0, 0, 0.3]  # the whole body turned round
    found = pose_outliers(times, broken)
    assert found[60 : 60 + length, 16].all()
    assert found[90 : 90 + length, 0].all()
    assert found.sum() == 2 * length
    trans = np.tile([0.0, 0, 4], (150, 1))
    result = smooth_take(times, broken, trans)
    assert np.abs(result.poses[55:70, 16] - poses[55:70, 16]).max() < np.radians(6)
    assert np.flatnonzero(result.infilled).tolist() == list(range(90, 90 + length))


def test_honest_fast_motion_is_no_outlier() -> None:
    times, poses = swinging(hertz=2.0)
    assert not pose_outliers(times, poses).any()


def test_translation_jumps_are_found() -> None:
    times = np.arange(60) / 30
    trans = np.stack([np.sin(times), 0 * times, 4 + times], 1)
    trans[20] = [3, 0, 4]
    trans[40, 2] *= 1.4
    assert np.flatnonzero(translation_outliers(times, trans)).tolist() == [20, 40]


def test_depth_is_smoothed_more_than_the_place_in_the_picture() -> None:
    rng = np.random.default_rng(0)
    times = np.arange(120) / 30
    ray = np.stack([0.1 * times, 0 * times], 1) + 0.01 * rng.normal(0, 1, (120, 2))
    depth = 4 * np.exp(0.01 * rng.normal(0, 1, 120))
    trans = np.concatenate([ray * depth[:, None], depth[:, None]], 1)
    smooth = smooth_translation(times, trans)
    picture = np.diff(smooth[:, 0] / smooth[:, 2]).std() / np.diff(ray[:, 0]).std()
    along = np.diff(np.log(smooth[:, 2])).std() / np.diff(np.log(depth)).std()
    assert along < 0.5 * picture < 0.5


def test_unseen_frames_are_bridged_and_reported() -> None:
    times, poses = swinging()
    visible = np.ones(150, dtype=bool)
    visible[50:56] = False
    broken = poses.copy()
    broken[50:56] = 0
    trans = np.tile([0.0, 0, 4], (150, 1))
    trans[50:56] = np.nan
    result = smooth_take(times, broken, trans, visible)
    assert result.infilled[50:56].all()
    assert np.isfinite(result.trans).all()
    assert np.abs(result.poses[50:56, 1:] - poses[50:56, 1:]).max() < np.radians(8)


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
def test_very_short_takes(frames: int) -> None:
    times, poses = swinging(frames)
    result = smooth_take(times, poses, np.tile([0.0, 0, 4], (frames, 1)))
    assert np.isfinite(result.poses).all()
    assert result.poses.shape == (frames, 24, 3)


def dancing(frames: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """times and clean detections (F,33,3) of points that swing slowly in a picture of a 600 px person."""
    times = np.arange(frames) / 30
    base = np.random.default_rng(3).uniform(0, 600, (33, 2))
    points = base + 40 * np.sin(2 * np.pi * 0.7 * times)[:, None, None]
    return times, np.concatenate([points, np.full((frames, 33, 1), 0.9)], -1)


def test_keypoints_lose_their_noise_and_doubtful_ones_follow_the_sure() -> None:
    times, clean = dancing()
    noisy_points = clean.copy()
    noisy_points[..., :2] += np.random.default_rng(0).normal(0, 5, (60, 33, 2))
    noisy_points[20, 5] = [-500, 900, 0.1]
    noisy_points[40, 7, :2] += 300  # a confident mistake of one frame
    smooth = smooth_keypoints(times, noisy_points)
    assert np.abs(smooth - clean)[..., :2].mean() < 0.7 * np.abs(noisy_points - clean)[..., :2].mean()
    assert np.linalg.norm((smooth - clean)[[20, 40], [5, 7], :2], axis=-1).max() < 15
    np.testing.assert_allclose(smooth[..., 2], noisy_points[..., 2], rtol=1e-6)


def test_unseen_keypoints_are_left_alone() -> None:
    times, keypoints = dancing()
    visible = np.ones(60, dtype=bool)
    visible[10:20] = False
    keypoints[10:20] = 0
    keypoints[30] = np.nan
    smooth = smooth_keypoints(times, keypoints, visible)
    assert (smooth[10:20] == 0).all()
    assert np.isnan(smooth[30]).all()
    assert np.abs(smooth[20:29] - keypoints[20:29]).max() < 3


def test_memory_hardly_grows_with_the_length_of_a_take() -> None:
    """Half an hour at 60 frames/s is 108,000 frames: 2 KB a frame may stay, 50 KB may not."""
    import tracemalloc

    def peak(frames: int) -> int:
        times = np.arange(frames) / 60
        poses = 0.1 * np.sin(times)[:, None, None] * np.ones((1, 24, 3))
        tracemalloc.start()
        smooth_take(times, poses, np.ones((frames, 3)))
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert (peak(3000) - peak(1000)) / 2000 < 12_000


def test_a_correction_is_kept_without_its_tremble() -> None:
    times, poses = swinging()
    bias = np.zeros_like(poses)
    bias[:, 18] = [0, 0.2, 0]
    trembling = poses + bias + np.radians(2) * np.random.default_rng(0).normal(0, 1, poses.shape)
    known = np.ones(150, dtype=bool)
    known[60:70] = False
    trembling[60:70] = 9.0
    calm = smooth_correction(times, poses, trembling, known)
    away = np.abs(calm - poses - bias)[:, 1:]
    assert away.mean() < np.radians(1.2)
    assert away[60:70].max() < np.radians(5)
    assert shake(calm) < 0.5 * shake(
        poses + np.radians(2) * np.random.default_rng(0).normal(0, 1, poses.shape)
    )
