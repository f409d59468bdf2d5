"""The noise one would take without having looked at a detector."""

from __future__ import annotations

import math

import torch

from ..train.body_torch import BodyTorch
from ..train.detector_noise import DetectorNoise, detect
from ..train.motions import MotionSet
from ..train.synthesis import PLAIN, draw_rotations

DRAWS = 4000


def plain(noise: DetectorNoise, body: BodyTorch, motions: MotionSet) -> DetectorNoise:
    """The same independent normal error for every point, no rare failures, confidences that say nothing.

    It displaces points as far on average as `noise` does.
    """
    generator = torch.Generator(device=body.device).manual_seed(0)
    deviation = displacement(noise, body, motions, generator) / math.sqrt(math.pi / 2)
    return DetectorNoise(
        jitter=(deviation,) * 33,
        level_spread=0.0,
        common=0.0,
        occluded=0.0,
        outlier=0.0,
        swap=0.0,
        outside=0.0,
    )


def displacement(
    noise: DetectorNoise, body: BodyTorch, motions: MotionSet, generator: torch.Generator
) -> float:
    """Mean distance of detections from the truth, as a fraction of the standing height."""
    rotations = draw_rotations(motions, DRAWS, PLAIN, generator)[:, 0]
    points = body.pose(rotations, torch.zeros(DRAWS, 10, device=body.device))[0][..., :2]
    seen, _ = detect(points, torch.full((DRAWS,), 1.7, device=body.device), noise, generator)
    return float((seen - points).norm(dim=-1).mean()) / 1.7
