"""One number makes a network's people as large as people are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.body.model import BodyModel
from engine.pose2mesh.body_network import BodyNetwork, body_config, load_body_network, shipped_weights
from engine.pose2mesh.observation import Observation
from engine.train import size
from engine.train.body_torch import BodyTorch
from engine.train.loop import draw_pairs
from engine.train.motions import load_motions
from engine.train.synthesis import Pairs


@pytest.fixture
def network() -> BodyNetwork:
    torch.manual_seed(0)
    mesh = load_body_network(shipped_weights("open_body_light")).mesh
    small = BodyNetwork(body_config(16, ((8,),), ()), mesh).eval()
    torch.nn.init.normal_(next(small.network.pose2mesh.cl[-1].parameters()), std=0.01)
    return small


def test_resizing_multiplies_everything_it_says(network: BodyNetwork) -> None:
    observation = Observation(torch.randn(4, 33, 3), torch.ones(4, 1), torch.eye(3).expand(4, 3, 3))
    with torch.no_grad():
        landmarks = network.lift(observation)
        vertices = network.decode_mesh(observation, landmarks)
        size.resize(network, 1.1)
        torch.testing.assert_close(network.lift(observation), 1.1 * landmarks)
        # MeshNet reads the landmarks, too: for the same ones its own part is as much larger.
        own = network.decode_mesh(observation, landmarks) - network.decode @ landmarks
        torch.testing.assert_close(own, 1.1 * (vertices - network.decode @ landmarks))


def test_the_size_that_is_missing_is_found(
    network: BodyNetwork, motion_file: Path, body: BodyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that knows every pose and takes everybody for a tenth smaller, somewhere else."""
    drawn: list[Pairs] = []

    def remember(*args: Any) -> Pairs:
        drawn.append(draw_pairs(*args))
        return drawn[-1]

    monkeypatch.setattr("engine.train.size.draw_pairs", remember)
    monkeypatch.setattr(
        network, "lift_both_sides", lambda observation: 0.9 * drawn[-1].landmarks + torch.tensor([0, 0, 0.2])
    )
    motions = load_motions(motion_file, body, unique_only=False)
    found = size.fit_size(network, BodyTorch(body, np.arange(0)), motions)
    assert found == pytest.approx(1 / 0.9, abs=0.003) and len(drawn) == size.BATCHES
