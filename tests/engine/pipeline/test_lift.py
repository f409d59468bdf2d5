"""Which frames a temporal network reads together, and that every frame comes out once, whatever the rate."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.body.model import BodyModel
from engine.pipeline import lift
from engine.pipeline.lift import Lifter, neighbours
from engine.pose2d.mirrored import MIRRORED_LANDMARK


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


CAMERA = np.array([[1200.0, 0, 640], [0, 1200, 360], [0, 0, 1]])


@pytest.fixture(scope="module")
def lifter() -> Lifter:
    return Lifter("open_body_light", torch.device("cpu"))


@pytest.fixture(scope="module")
def person() -> np.ndarray:
    """(1,33,3) somebody three metres away, an arm raised, turned, beside the picture's middle."""
    body = BodyModel.load("open_body")
    poses = np.zeros((24, 3))
    poses[0], poses[16], poses[4] = (0, 0.6, 0), (0, 0, 0.9), (0.7, 0, 0)
    vertices = body.vertices(poses[None], np.zeros(10), np.zeros((1, 3)))
    landmarks = np.asarray(body.landmarks(vertices))[0] * (1, -1, -1) + (0.4, 0.3, 3)
    pixels = landmarks @ CAMERA.T
    return np.concatenate([pixels[:, :2] / pixels[:, 2:], np.ones((33, 1))], axis=1)[None].astype(np.float32)


@pytest.mark.parametrize("degrees", [30, 90, 180])
def test_a_rolled_camera_sees_the_same_body(lifter: Lifter, person: np.ndarray, degrees: float) -> None:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    roll = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    middle = CAMERA[:2, 2]
    rolled = person.copy()
    rolled[..., :2] = (person[..., :2] - middle) @ roll[:2, :2].T + middle
    for straight, turned in zip(lifter.lift(person, CAMERA), lifter.lift(rolled, CAMERA), strict=True):
        np.testing.assert_allclose(turned, straight @ roll.T, atol=1e-4)


def test_a_mirror_shows_the_mirrored_body(lifter: Lifter, person: np.ndarray) -> None:
    mirrored = person[:, MIRRORED_LANDMARK].copy()
    mirrored[..., 0] = 2 * CAMERA[0, 2] - mirrored[..., 0]
    straight, turned = lifter.lift(person, CAMERA)[1], lifter.lift(mirrored, CAMERA)[1]
    np.testing.assert_allclose(turned, straight[:, MIRRORED_LANDMARK] * (-1, 1, 1), atol=1e-4)
