"""Errors like MediaPipe's: measured ones, and on top of them moved limbs, swaps, cut frames.

Errors of consecutive frames resemble each other; one frame of `detect_sequence` alone is distributed like
one of `detect`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..pose2d.mirrored import MIRRORED_LANDMARK
from .measured_errors import measured_errors

LIMBS = ((13, 15, 17, 19, 21), (14, 16, 18, 20, 22), (25, 27, 29, 31), (26, 28, 30, 32))


@dataclass(frozen=True)
class DetectorNoise:
    """Parameters in fractions of the person's standing height in the picture.

    Errors of the usual kind are drawn from the measured ones, or, with `jitter`, from a formula. The rare
    failures come on top of either.
    """

    inflation: float = 1.0
    """Factor on the measured errors. A choice: the renderings are dim, blurred and small enough already."""
    file: str = ""
    """Another file of measured errors than the shipped one."""
    jitter: tuple[float, ...] | None = None
    """Standard deviation of each point, instead of the measured errors."""
    level_spread: float = 0.45
    """Standard deviation of the log of a picture's overall noise level, with `jitter`."""
    common: float = 0.6
    """Part of the error that a whole limb shares, with `jitter`."""
    occluded: float = 0.12
    """Probability that a limb is hidden: low confidence, four times the error."""
    outlier: float = 0.015
    """Probability that a single point is misplaced by about 10 %."""
    beyond: float = 0.25
    """Share of those two that comes on top of the measured errors, which have hidden limbs and outliers."""
    swap: float = 0.02
    """Probability that left and right legs (or arms) are exchanged."""
    outside: float = 0.12
    """Probability that an edge of the frame cuts the person."""
    persistent: float = 0.2
    """Part of a point's error variance that stays for the whole clip."""
    drifting: float = 0.75
    """Part that drifts, with `memory` from frame to frame; the rest is new in every frame."""
    memory: float = 0.9
    wobble: float = 0.5
    """Standard deviation of a confidence's logit about what was measured on a like picture."""
    lasting: float = 8.0
    """Mean number of frames that a hidden limb, an outlier or an exchange lasts."""


CLEAN = DetectorNoise(jitter=(0.0,) * 33, occluded=0.0, outlier=0.0, swap=0.0, outside=0.0)


def detect(
    points: Tensor, height: Tensor, noise: DetectorNoise, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Disturb projected landmarks of single pictures.

    Args:
        points: (B,33,2) on any image plane; height: (B,) projected standing height in its unit.
        noise: levels; generator: the source of randomness.

    Returns:
        points (B,33,2) and confidence (B,33).
    """
    seen, confidence = detect_sequence(points[:, None], height[:, None], noise, generator)
    return seen[:, 0], confidence[:, 0]


def detect_sequence(
    points: Tensor, height: Tensor, noise: DetectorNoise, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Disturb projected landmarks of clips at about 30 frames per second.

    Args:
        points: (B,T,33,2) on any image plane; height: (B,T) projected standing height in its unit.
        noise: levels; generator: the source of randomness.

    Returns:
        points (B,T,33,2) and confidence (B,T,33).
    """
    batch, frames, device = len(points), points.shape[1], points.device
    draw = _Draw(batch, frames, device, generator, noise)
    rare = noise.beyond if noise.jitter is None else 1.0
    if noise.jitter is None:
        offset, sure = _measured(points, height, noise, draw, generator)
    else:
        offset, sure = _formula(torch.tensor(noise.jitter, device=device), noise, draw, generator)
    hidden = torch.zeros(batch, frames, 33, dtype=torch.bool, device=device)
    for limb in LIMBS:
        hidden[..., limb] |= draw.state(rare * noise.occluded, 1)
    far_arm_and_leg = draw.state(0.5 * rare * noise.occluded, 1)
    for limb in LIMBS[::2]:  # a profile view hides one whole side
        hidden[..., limb] |= far_arm_and_leg
    offset = offset * torch.where(hidden, 4.0, 1.0)[..., None]
    swapped = points
    for limbs in (LIMBS[:2], LIMBS[2:]):
        both = [i for limb in limbs for i in limb]
        other = [MIRRORED_LANDMARK[i] for i in both]
        exchange = draw.state(noise.swap, 1)[..., None]
        moved = swapped.clone()
        moved[..., both, :] = torch.where(exchange, swapped[..., other, :], swapped[..., both, :])
        swapped = moved
    outlier = draw.state(rare * noise.outlier, 33)
    offset = offset + torch.where(outlier[..., None], 0.1 * draw.normal(33, 2), 0.0)
    beyond = _beyond_edge(points, noise, generator) / height[..., None, None]
    outside = (beyond != 0).any(-1)
    errors = measured_errors(device, noise.file)
    there, sure_there = errors.outside(beyond, draw.normal(33, 2), draw.normal(33))
    offset = torch.where(outside[..., None], there, offset)
    noisy = swapped + offset * height[..., None, None]
    doubt = torch.where(hidden, 0.25 + 0.5 * draw.uniform(33), 0.0)
    doubt = doubt + torch.where(outlier, 0.3 * draw.uniform(33), 0.0)
    confidence = torch.where(outside, sure_there, sure * (1 - doubt))
    return noisy, confidence.clamp(0.01, 1.0)


def _measured(
    points: Tensor, height: Tensor, noise: DetectorNoise, draw: _Draw, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Errors (B,T,33,2) in heights and confidences (B,T,33), as measured where people look alike."""
    errors = measured_errors(points.device, noise.file)
    log_size, logit, constant = errors.like(points, height, generator)
    directed = torch.einsum("ij,btja->btia", errors.factor, draw.normal(33, 2))
    offset = noise.inflation * (constant + log_size.exp()[..., None] * directed)
    return offset, torch.sigmoid(logit + noise.wobble * draw.normal(33))


def _formula(
    jitter: Tensor, noise: DetectorNoise, draw: _Draw, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Errors (B,T,33,2) in heights and confidences (B,T,33), from standard deviations (33,)."""
    shared = draw.normal(33, 2)
    for limb in LIMBS:
        shared[..., limb, :] = shared[..., limb[:1], :]
    own = math.sqrt(1 - noise.common**2)
    level = torch.randn(len(shared), 1, 1, 1, generator=generator, device=jitter.device)
    sigma = jitter[:, None] * torch.exp(noise.level_spread * level)
    offset = (noise.common * shared + own * draw.normal(33, 2)) * sigma
    return offset, 1 - 0.04 * draw.normal(33).abs()


class _Draw:
    """Random numbers (B,T,...) whose frames resemble each other; each frame alone has the usual law."""

    def __init__(
        self, batch: int, frames: int, device: torch.device, generator: torch.Generator, noise: DetectorNoise
    ) -> None:
        self._batch, self._frames, self._noise = batch, frames, noise
        self._device, self._generator = device, generator

    def normal(self, *shape: int) -> Tensor:
        """(B,T,*shape) of variance 1: a constant, a first-order autoregression and white noise."""
        noise = self._noise
        white = self._randn(self._frames, *shape)
        if self._frames == 1:
            return white
        drift = [self._randn(*shape)]
        fresh = math.sqrt(1 - noise.memory**2) * self._randn(self._frames - 1, *shape)
        for t in range(self._frames - 1):
            drift.append(noise.memory * drift[-1] + fresh[:, t])
        constant = self._randn(1, *shape)
        rest = max(1 - noise.persistent - noise.drifting, 0.0)
        slow = math.sqrt(noise.persistent) * constant + math.sqrt(noise.drifting) * torch.stack(drift, 1)
        return slow + math.sqrt(rest) * white

    def uniform(self, *shape: int) -> Tensor:
        """(B,T,*shape) in 0 to 1."""
        uniform: Tensor = torch.special.ndtr(self.normal(*shape))
        return uniform

    def state(self, probability: float, *shape: int) -> Tensor:
        """(B,T,*shape) bool, true with this probability, for `lasting` frames on average."""
        chance = torch.rand(self._batch, self._frames, *shape, generator=self._generator, device=self._device)
        on = [chance[:, 0] < probability]
        leave = 1 / max(self._noise.lasting, 1.0)
        enter = min(leave * probability / (1 - probability), 1.0) if probability < 1 else 1.0
        leave = leave if probability < 1 else 0.0
        for t in range(1, self._frames):
            on.append(torch.where(on[-1], chance[:, t] >= leave, chance[:, t] < enter))
        return torch.stack(on, 1)

    def _randn(self, *shape: int) -> Tensor:
        size = (self._batch, *shape)
        return torch.randn(size, generator=self._generator, device=self._device)


def _beyond_edge(points: Tensor, noise: DetectorNoise, generator: torch.Generator) -> Tensor:
    """(B,T,33,2): how far points lie beyond a frame edge that cuts the person, for a share of the clips."""
    low, high = points.amin(2, keepdim=True), points.amax(2, keepdim=True)  # (B,T,1,2)
    where = torch.rand(len(points), 1, 1, 4, generator=generator, device=points.device)
    shares = torch.tensor([0.25, 0.15, 0.25, 0.6], device=points.device)  # left, top, right, bottom
    cut = 0.45 * torch.rand(len(points), 1, 1, 4, generator=generator, device=points.device)
    cut = torch.where(where < noise.outside * shares, cut, 0.0)
    span = high - low
    return points - points.clamp(low + cut[..., :2] * span, high - cut[..., 2:] * span)
