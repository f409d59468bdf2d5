"""Which frames a temporal network reads together, and that every frame comes out once, whatever the rate."""

from __future__ import annotations

import numpy as np
import pytest

from engine.pipeline import lift
from engine.pipeline.lift import neighbours


def meant(times: np.ndarray, reach: int) -> list[np.ndarray]:
    """The frames that each run is meant for."""
    return [run[inner] for run, inner in neighbours(times, reach)]


@pytest.mark.parametrize("rate", [24.0, 30.0, 60.0, 120.0])
@pytest.mark.parametrize("reach", [0, 3, 12])
def test_every_frame_comes_out_once(rate: float, reach: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lift, "STRETCH", 50)
    frames = np.sort(np.concatenate(meant(np.arange(333) / rate, reach)))
    assert np.array_equal(frames, np.arange(333))


def test_faster_clips_are_read_about_thirty_frames_apart() -> None:
    runs = [run for run, _ in neighbours(np.arange(100) / 120, 12)]
    assert len(runs) == 4
    assert all(np.all(np.diff(run) == 4) for run in runs)


def test_a_gap_begins_a_new_run() -> None:
    times = np.concatenate([np.arange(10), np.arange(20) + 60]) / 30
    assert [len(frames) for frames in meant(times, 12)] == [10, 20]


def test_long_clips_overlap_by_what_the_network_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lift, "STRETCH", 40)
    runs = list(neighbours(np.arange(100) / 30, 5))
    assert [(run[0], run[-1]) for run, _ in runs] == [(0, 44), (35, 84), (75, 99)]
    assert [run[inner][0] for run, inner in runs] == [0, 40, 80]


def test_one_frame_and_frames_of_no_rate() -> None:
    assert [list(frames) for frames in meant(np.zeros(1), 12)] == [[0]]
    assert [list(frames) for frames in meant(np.array([0.0, 5.0]), 12)] == [[0], [1]]
