"""What each view throws away, and what it keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.ablation.views import NINETEEN_POINTS, see, standardise
from engine.pose2mesh.observation import Observation, observe_plane
from engine.pose2mesh.preprocess import standardize
from engine.pose2mesh.skeletons import joint_set


@pytest.fixture
def plane() -> torch.Tensor:
    return 0.1 * torch.randn(4, 33, 2, generator=torch.Generator().manual_seed(1))


def observed(plane: torch.Tensor) -> Observation:
    return observe_plane(plane, torch.linspace(0.2, 1.0, 33).expand(len(plane), -1))


def test_standardising_forgets_aspect_scale_and_place(plane: torch.Tensor) -> None:
    stretched = plane * torch.tensor([1.6, 0.7]) + 0.3
    torch.testing.assert_close(standardise(stretched), standardise(plane), atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(standardise(plane[0]), standardize(plane[0].numpy()), atol=1e-5)
    seen, wider = (see(observed(p), "standardised") for p in (plane, plane * torch.tensor([1.3, 1.0])))
    kept, kept_wider = (see(observed(p), "ours") for p in (plane, plane * torch.tensor([1.3, 1.0])))
    assert (seen.points - wider.points).abs().max() < 0.1 * (kept.points - kept_wider.points).abs().max()
    assert torch.equal(seen.extent, wider.extent)
    assert not torch.allclose(kept.extent, kept_wider.extent, rtol=0.02)


def test_no_confidence_is_blind_to_confidence_alone(plane: torch.Tensor) -> None:
    observation = observed(plane)
    doubted = observation._replace(points=observation.points * torch.tensor([1.0, 1.0, 0.1]))
    assert torch.equal(see(observation, "no_confidence").points, see(doubted, "no_confidence").points)
    assert torch.equal(see(observation, "no_confidence").points[..., :2], observation.points[..., :2])
    assert not torch.equal(see(observation, "ours").points, see(doubted, "ours").points)


def test_the_published_view_is_both(plane: torch.Tensor) -> None:
    observation = observed(plane)
    twice = see(see(observation, "standardised"), "no_confidence")
    for ours, theirs in zip(see(observation, "published"), twice, strict=True):
        assert torch.equal(ours, theirs)


def test_nineteen_points_are_deaf_to_face_and_hands(plane: torch.Tensor) -> None:
    names = joint_set("mediapipe33").joints
    dropped = [i for i in range(33) if i not in NINETEEN_POINTS]
    assert len(NINETEEN_POINTS) == 19
    assert all(any(part in names[i] for part in ("eye", "mouth", "pinky", "index", "thumb")) for i in dropped)
    observation = observed(plane)
    moved = observation.points.clone()
    moved[:, dropped] += 1.0
    assert torch.equal(
        see(observation, "nineteen_points").points,
        see(observation._replace(points=moved), "nineteen_points").points,
    )
    assert torch.equal(
        see(observation, "nineteen_points").points[:, list(NINETEEN_POINTS)],
        observation.points[:, list(NINETEEN_POINTS)],
    )


def test_as_filmed_keeps_the_roll_and_nothing_else_changes(plane: torch.Tensor) -> None:
    quarter = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    upright, rolled = observed(plane), observed(plane @ quarter.T)
    torch.testing.assert_close(upright.points, rolled.points, atol=1e-4, rtol=0)
    filmed, filmed_rolled = see(upright, "as_filmed"), see(rolled, "as_filmed")
    torch.testing.assert_close(
        filmed_rolled.points[..., :2], filmed.points[..., :2] @ quarter.T, atol=1e-4, rtol=0
    )
    torch.testing.assert_close(  # a rotation about the optical axis, and the way back to the camera fits it
        filmed.points[..., :2] @ (filmed.rotation.mT @ upright.rotation)[:, :2, :2],
        upright.points[..., :2],
        atol=1e-4,
        rtol=0,
    )


def test_spread_moves_everything_with_one_hand(plane: torch.Tensor) -> None:
    seen = see(observed(plane), "spread")
    below = seen.points[:, 11:, :2]
    torch.testing.assert_close(below.mean(1), torch.zeros(4, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(below.square().sum(-1).mean(1), torch.ones(4), atol=1e-4, rtol=0)
    raised = plane.clone()
    raised[:, 19] += 0.3
    ours, spread = (
        (see(observed(raised), view).points - see(observed(plane), view).points)[:, 25, :2].abs().max()
        for view in ("ours", "spread")
    )
    assert ours == 0 and spread > 0.05
