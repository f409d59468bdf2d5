"""A small motion set, and a report collected from a predictor whose errors a test has planted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from planted import Disturb, Oracle

from engine.accuracy.collect import PIECE, Collected, collect
from engine.body.model import BodyModel
from engine.train.body_torch import BodyTorch
from engine.train.motions import MotionSet
from engine.train.rotations import matrix_from_axis_angle


@pytest.fixture(scope="session")
def points() -> BodyTorch:
    return BodyTorch(BodyModel.load("open_body"), np.arange(0, 12000, 400))


@pytest.fixture(scope="session")
def motions() -> MotionSet:
    """Three clips of 120 frames: people who turn once around while they move a little."""
    generator = torch.Generator().manual_seed(2)
    frames = PIECE * 3
    phase = torch.arange(frames) / frames * 2 * torch.pi
    clips = []
    for _ in range(3):
        swing = torch.sin(phase[:, None, None] + 6 * torch.rand(24, 3, generator=generator))
        rotation = matrix_from_axis_angle(0.3 * torch.randn(24, 3, generator=generator) * swing)
        turn = torch.zeros(frames, 3)
        turn[:, 1] = phase
        rotation[:, 0] = matrix_from_axis_angle(turn)
        clips.append(rotation)
    return MotionSet(
        torch.cat(clips), torch.arange(3).repeat_interleave(frames), ["a_walk", "swordplay", "unknown"]
    )


@pytest.fixture
def collected_with(points: BodyTorch, motions: MotionSet) -> Callable[[Disturb], Collected]:
    """Everything collected from an oracle with these errors, all pieces of every clip."""
    return lambda disturb: collect(Oracle(points, motions, disturb), points, motions, every=1)
