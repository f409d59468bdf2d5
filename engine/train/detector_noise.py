"""Errors like MediaPipe's: jitter that grows where confidence falls, moved limbs, swaps, cut frames."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

MIRRORED_LANDMARK = [0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *[i + 1 if i % 2 else i - 1 for i in range(11, 33)]]
LIMBS = ((13, 15, 17, 19, 21), (14, 16, 18, 20, 22), (25, 27, 29, 31), (26, 28, 30, 32))
_JITTER = (
    [0.5]
    + [0.5] * 6
    + [0.7] * 2
    + [0.55] * 2
    + [0.9] * 2
    + [1.0] * 2
    + [1.0] * 2
    + [1.2] * 6
    + [1.0] * 2
    + [0.95] * 2
)
_JITTER += [0.85] * 2 + [1.1] * 2 + [1.2] * 2


@dataclass(frozen=True)
class DetectorNoise:
    """Parameters in fractions of the person's standing height in the picture.

    Source of the levels: MediaPipe on rendered bodies, median 1.3 %, mean 1.6 % of the height.
    """

    jitter: tuple[float, ...] = field(default=tuple(0.01 * j for j in _JITTER))
    level_spread: float = 0.45
    """Standard deviation of the log of a picture's overall noise level."""
    common: float = 0.6
    """Part of the jitter that a whole limb shares."""
    occluded: float = 0.12
    """Probability that a limb is hidden: low confidence, four times the jitter."""
    outlier: float = 0.015
    """Probability that a single point is misplaced by about 10 %."""
    swap: float = 0.02
    """Probability that left and right legs (or arms) are exchanged."""
    outside: float = 0.12
    """Probability that an edge of the frame cuts the person."""


CLEAN = DetectorNoise(jitter=(0.0,) * 33, occluded=0.0, outlier=0.0, swap=0.0, outside=0.0)


def detect(
    points: Tensor, height: Tensor, noise: DetectorNoise, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Disturb projected landmarks.

    Args:
        points: (B,33,2) on any image plane; height: (B,) projected standing height in its unit.
        noise: levels; generator: the source of randomness.

    Returns:
        points (B,33,2) and confidence (B,33).
    """
    batch, device = len(points), points.device

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    def chance(probability: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device) < probability

    level = torch.exp(noise.level_spread * normal(batch, 1))
    sigma = torch.tensor(noise.jitter, device=device) * level  # (B,33)
    hidden = torch.zeros(batch, 33, dtype=torch.bool, device=device)
    for limb in LIMBS:
        hidden[:, limb] |= chance(noise.occluded, batch, 1)
    far_arm_and_leg = chance(noise.occluded, batch, 1) & chance(0.5, batch, 1)
    for limb in LIMBS[::2]:  # a profile view hides one whole side
        hidden[:, limb] |= far_arm_and_leg
    sigma = sigma * torch.where(hidden, 4.0, 1.0)
    swapped = points
    for limbs in (LIMBS[:2], LIMBS[2:]):
        both = [i for limb in limbs for i in limb]
        other = [MIRRORED_LANDMARK[i] for i in both]
        exchange = chance(noise.swap, batch, 1, 1)
        moved = swapped.clone()
        moved[:, both] = torch.where(exchange, swapped[:, other], swapped[:, both])
        swapped = moved
    shared = normal(batch, 33, 2)
    for limb in LIMBS:
        shared[:, limb] = shared[:, limb[:1]]
    own = (1 - noise.common**2) ** 0.5
    offset = (noise.common * shared + own * normal(batch, 33, 2)) * sigma[..., None]
    outlier = chance(noise.outlier, batch, 33)
    offset = offset + torch.where(outlier[..., None], 0.1 * normal(batch, 33, 2), 0.0)
    outside = _outside_frame(points, noise, generator)
    offset = offset + torch.where(outside[..., None], 0.05 * normal(batch, 33, 2), 0.0)
    noisy = swapped + offset * height[:, None, None]
    doubt = 0.04 * normal(batch, 33).abs() + torch.where(
        hidden, 0.25 + 0.5 * torch.rand(batch, 33, generator=generator, device=device), 0.0
    )
    doubt = doubt + torch.where(outlier, 0.3 * torch.rand(batch, 33, generator=generator, device=device), 0.0)
    doubt = doubt + torch.where(
        outside, 0.6 + 0.35 * torch.rand(batch, 33, generator=generator, device=device), 0.0
    )
    return noisy, (1 - doubt).clamp(0.01, 1.0)


def _outside_frame(points: Tensor, noise: DetectorNoise, generator: torch.Generator) -> Tensor:
    """(B,33) bool: beyond a frame edge that cuts through the person, for a share of the pictures."""
    low, high = points.amin(1), points.amax(1)
    where = torch.rand(len(points), 4, generator=generator, device=points.device)
    active = where < torch.tensor(
        [noise.outside * share for share in (0.25, 0.25, 0.15, 0.6)], device=points.device
    )
    cut = 0.45 * torch.rand(len(points), 4, generator=generator, device=points.device)
    span = high - low
    left, right = low[:, 0] + cut[:, 0] * span[:, 0], high[:, 0] - cut[:, 1] * span[:, 0]
    top, bottom = low[:, 1] + cut[:, 2] * span[:, 1], high[:, 1] - cut[:, 3] * span[:, 1]
    x, y = points.unbind(-1)
    beyond = [(x < left[:, None]), (x > right[:, None]), (y < top[:, None]), (y > bottom[:, None])]
    return torch.stack([b & active[:, i, None] for i, b in enumerate(beyond)]).any(0)
