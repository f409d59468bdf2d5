"""The virtual camera: what it makes of place, roll, distance, and of people it cannot judge."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from engine.pose2mesh.observation import HIPS, SHOULDERS, Observation, observe, observe_plane

CAMERA = torch.tensor([[1000.0, 0, 400], [0, 1100.0, 300], [0, 0, 1]])


@pytest.fixture(scope="module")
def person() -> torch.Tensor:
    """(33,3) landmarks three metres in front of a camera that looks straight at the trunk, arms apart."""
    from engine.body.model import BodyModel

    body = BodyModel.load("open_body")
    landmarks = body.landmark_regressor @ body.v_template
    landmarks -= landmarks[[11, 12, 23, 24]].mean(axis=0)
    return torch.from_numpy(landmarks * (1, -1, -1) + (0, 0, 3)).float()


def seen(points: torch.Tensor, confidence: torch.Tensor | None = None) -> Observation:
    confidence = torch.ones(33) if confidence is None else confidence
    return observe_plane((points[:, :2] / points[:, 2:])[None], confidence[None])


def turned(points: torch.Tensor, axis: int, degrees: float) -> torch.Tensor:
    """The camera turned about one of its axes."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    i, j = [k for k in range(3) if k != axis]
    rotation = torch.eye(3)
    rotation[i, i], rotation[i, j], rotation[j, i], rotation[j, j] = c, -s, s, c
    return points @ rotation.T


@pytest.mark.parametrize(("axis", "degrees"), [(2, 25), (2, -90), (2, 180), (0, 20), (1, -30)])
def test_neither_roll_nor_place_in_the_picture_matter(
    person: torch.Tensor, axis: int, degrees: float
) -> None:
    straight, other = seen(person), seen(turned(person, axis, degrees))
    # Aimed by the picture, not by depth: a person beside the axis is centred to within perspective.
    close = 1e-4 if axis == 2 else 0.03
    torch.testing.assert_close(other.points, straight.points, atol=close, rtol=0)
    torch.testing.assert_close(other.extent, straight.extent, atol=close, rtol=0)


def test_the_way_back_to_the_camera(person: torch.Tensor) -> None:
    """X_camera = rotation @ X_virtual, with a rotation, and the virtual picture shows X_virtual."""
    filmed = turned(turned(person, 2, 70), 1, 20)
    observation = seen(filmed)
    rotation = observation.rotation[0]
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-5, rtol=0)
    assert torch.linalg.det(rotation) == pytest.approx(1, abs=1e-5)
    virtual = filmed @ rotation
    plane, shown = virtual[:, :2] / virtual[:, 2:], observation.points[0, :, :2]
    torch.testing.assert_close(shown / shown.norm(), plane / plane.norm(), atol=1e-5, rtol=0)
    trunk = shown[SHOULDERS].mean(0) - shown[HIPS].mean(0)
    assert abs(float(trunk[0])) < 1e-5 and float(trunk[1]) < 0  # y points down


def test_extent_tells_the_distance_and_points_do_not(person: torch.Tensor) -> None:
    near, far = seen(person), seen(person + torch.tensor([0, 0, 3.0]))
    assert float(near.extent) == pytest.approx(1, abs=0.15)
    assert float(near.extent / far.extent) == pytest.approx(2, rel=0.05)
    torch.testing.assert_close(near.points, far.points, atol=0.12, rtol=0)  # but for perspective


def test_a_raised_arm_moves_nothing_else(person: torch.Tensor) -> None:
    raised = person.clone()
    raised[[15, 17, 19, 21]] = person[[15, 17, 19, 21]] + torch.tensor([-0.2, -0.15, 0.0])
    rest = [i for i in range(33) if i not in (15, 17, 19, 21)]
    torch.testing.assert_close(seen(raised).points[:, rest], seen(person).points[:, rest], atol=0.1, rtol=0)


def test_pixels_and_confidence(person: torch.Tensor) -> None:
    pixels = person @ CAMERA.T
    confidence = torch.linspace(0, 1, 33)
    observation = observe(torch.cat([pixels[:, :2] / pixels[:, 2:], confidence[:, None]], 1)[None], CAMERA)
    for ours, expected in zip(observation, seen(person, confidence), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)
    assert torch.equal(observation.points[0, :, 2], confidence)


def test_impossible_detections_stay_finite() -> None:
    """All points in one place, a trunk without length, points far away: nothing is divided by zero."""
    heap, nobody = torch.zeros(33, 2), torch.full((33, 2), 0.3)
    wild = torch.from_numpy(np.random.default_rng(0).normal(0, 50, (33, 2))).float()
    folded = torch.randn(33, 2, generator=torch.Generator().manual_seed(0))
    folded[SHOULDERS] = folded[HIPS]
    for plane in (heap, nobody, wild, folded):
        observation = observe_plane(plane[None], torch.zeros(1, 33))
        assert all(bool(torch.isfinite(part).all()) for part in observation)
        assert float(observation.points[..., :2].abs().max()) <= 6
        assert torch.linalg.det(observation.rotation[0]) == pytest.approx(1, abs=1e-4)
