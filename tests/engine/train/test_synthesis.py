from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from engine.body.model import BodyModel
from engine.train.body_torch import BodyTorch
from engine.train.detector_noise import CLEAN
from engine.train.loop import draw_pairs
from engine.train.motions import load_motions
from engine.train.synthesis import Synthesis


def test_the_truth_lies_on_the_observation_without_noise(motion_file: Path, body: BodyModel) -> None:
    """Some translation along the virtual axis projects the 3D landmarks exactly onto what the network
    sees.
    """
    points, motions = BodyTorch(body, np.arange(10)), load_motions(motion_file, body)
    synthesis = Synthesis(focal_error=0.0)
    pairs = draw_pairs(points, motions, 32, CLEAN, synthesis, torch.Generator().manual_seed(0))
    plane = pairs.observation.points[..., :2] * 0.15 * pairs.observation.extent[:, None]
    x, z = pairs.landmarks[..., :2], pairs.landmarks[..., 2:]
    # plane * (z + tz) = x + txy  is linear in t; solve and check that nothing is left.
    for sample in range(32):
        p, xs, zs = plane[sample], x[sample], z[sample]
        rows = torch.cat([torch.eye(2).repeat(33, 1, 1), -p[..., None]], -1).reshape(66, 3)
        right = (p * zs - xs).reshape(66, 1)
        solution = torch.linalg.lstsq(rows, right).solution
        assert (rows @ solution - right).abs().max() < 2e-4
        assert solution[2] > 1.0


def test_the_same_seed_draws_the_same_pairs(motion_file: Path, body: BodyModel) -> None:
    points, motions = BodyTorch(body, np.arange(10)), load_motions(motion_file, body)
    first, again = (
        draw_pairs(points, motions, 4, CLEAN, Synthesis(), torch.Generator().manual_seed(9)) for _ in range(2)
    )
    assert torch.equal(first.landmarks, again.landmarks)
    assert torch.equal(first.observation.points, again.observation.points)
