"""How large people are: one number, fitted at the end of a training and multiplied into the weights.

A picture does not tell a person's size, so a network answers with the usual one of its training. That is
larger than people are where training lengthens arms, varies bones and adds noise: all of these make people
look larger. The poses are right; the size is fitted to people as the shape space has them, plainly filmed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..pose2mesh.body_network import BodyNetwork
from .body_torch import BodyTorch
from .detector_noise import CLEAN
from .loop import draw_pairs
from .motions import MotionSet
from .synthesis import PLAIN

SIZES = torch.linspace(0.85, 1.15, 61)
BATCHES, BATCH = 8, 256


@torch.no_grad()
def fit_size(network: BodyNetwork, body: BodyTorch, motions: MotionSet, seed: int = 0) -> float:
    """The factor on everything the network says with which landmarks are nearest to the truth on average.

    Args:
        body: on the network's device, as are the motions.
    """
    generator = torch.Generator(device=body.device).manual_seed(seed)
    sizes = SIZES.to(body.device)
    distance = torch.zeros(len(sizes), device=body.device)
    network.eval()
    for _ in range(BATCHES):
        pairs = draw_pairs(body, motions, BATCH, CLEAN, PLAIN, generator)
        said = network.lift_both_sides(pairs.observation)
        distance += torch.stack([_distance(size * said, pairs.landmarks) for size in sizes])
    return float(sizes[distance.argmin()])


@torch.no_grad()
def resize(network: BodyNetwork, size: float) -> None:
    """Multiply all landmarks and vertices that the network will say by `size`."""
    last = network.network.pose_lifter.w2, network.network.pose2mesh.cl[-1]
    for layer in last:
        for parameter in layer.parameters():
            parameter.mul_(size)


def _distance(said: Tensor, truth: Tensor) -> Tensor:
    """Mean distance of (B,33,3) from (B,33,3), both about the middle of the hips."""
    said, truth = (points - points[:, 23:25].mean(1, keepdim=True) for points in (said, truth))
    distance: Tensor = (said - truth).norm(dim=-1).mean()
    return distance
