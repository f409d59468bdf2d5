"""Video rates and times as Blender has them."""

from __future__ import annotations

import numpy as np
import pytest
from pose2mesh_mocap.addon.timing import rate, scene_frames


@pytest.mark.parametrize(
    ("fps", "pair"),
    [
        (25.0, (25, 1.0)),
        (30.0, (30, 1.0)),
        (30000 / 1001, (30, 1.001)),
        (24000 / 1001, (24, 1.001)),
        (60000 / 1001, (60, 1.001)),
        (120000 / 1001, (120, 1.001)),
        (29.97, (30, 1.001)),
        (23.976, (24, 1.001)),
        (59.94, (60, 1.001)),
        (240.0, (240, 1.0)),
    ],
)
def test_known_rates_are_exact(fps: float, pair: tuple[int, float]) -> None:
    assert rate(fps) == pair
    assert rate(float(np.float32(fps))) == pair  # as a take stores it


@pytest.mark.parametrize("fps", [12.5, 14.3, 0.5, 29.5, 47.952, 999.9])
def test_odd_rates_are_kept(fps: float) -> None:
    frames, base = rate(fps)
    assert frames / base == pytest.approx(fps, rel=1e-4) and isinstance(frames, int)


@pytest.mark.parametrize("fps", [0.0, -25.0, float("nan"), float("inf")])
def test_no_rate_is_an_error(fps: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        rate(fps)


def test_a_steady_video_has_whole_frames() -> None:
    index = np.arange(100, 1100)
    times = (index / (30000 / 1001)).astype(np.float32)
    assert np.array_equal(scene_frames(times, index, 29.97003), np.arange(1, 1001))


def test_frames_left_out_leave_gaps() -> None:
    index = np.array([0, 1, 4, 5])
    assert np.array_equal(scene_frames(index / 25, index, 25.0), [1, 2, 5, 6])


def test_an_uneven_video_follows_its_clock() -> None:
    times = np.array([0.0, 0.04, 0.2, 0.21, 0.4])
    assert np.allclose(scene_frames(times, np.arange(5), 25.0), [1, 2, 6, 6.25, 11])
