"""Training pairs on the fly: motions × recombination × shapes × cameras × detector errors, vectorised."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..pose2mesh.observation import Observation, observe_plane
from .body_torch import BodyTorch
from .detector_noise import DetectorNoise, detect
from .motions import MotionSet, mirror
from .rotations import matrix_from_axis_angle, rotation_about

ARMS = ((13, 16, 18, 20, 22), (14, 17, 19, 21, 23))
LEGS = (1, 4, 7, 10, 2, 5, 8, 11)
_VARIATION = {"trunk": 0.05, "head": 0.2, "limb": 0.1, "wrist": 0.35, "foot": 0.12}


@dataclass(frozen=True)
class Synthesis:
    """What is drawn, and how widely.

    Attributes:
        recombine: probability that a limb comes from another pose.
        roll: standard deviation of the camera's roll for the wild share, radians.
        near, far: range of the camera's distance, metres (log-uniform).
        focal_error: standard deviation of the log ratio of guessed to true focal length.
    """

    recombine: float = 0.35
    roll: float = 0.5
    near: float = 1.6
    far: float = 12.0
    focal_error: float = 0.15


@dataclass(frozen=True)
class Pairs:
    """Observations and the truth: virtual camera axes, metres, pelvis joint at the origin."""

    observation: Observation
    landmarks: Tensor
    joints: Tensor
    vertices: Tensor


def draw_rotations(
    motions: MotionSet, batch: int, synthesis: Synthesis, generator: torch.Generator
) -> Tensor:
    """Poses (B,24,3,3): a frame, limbs of other frames on it, small variations, mirrored half the time."""
    device = motions.rotations.device

    def pick() -> Tensor:
        index = torch.randint(len(motions.rotations), (batch,), generator=generator, device=device)
        return motions.rotations[index]

    def chance(probability: float) -> Tensor:
        return (torch.rand(batch, generator=generator, device=device) < probability)[:, None, None, None]

    rotations, donor = pick(), pick()
    for part in (*ARMS, LEGS):
        part_list = list(part)
        swap = chance(synthesis.recombine)
        rotations[:, part_list] = torch.where(swap, donor[:, part_list], rotations[:, part_list])
    spread = torch.full((24, 1), _VARIATION["limb"], device=device)
    spread[[0, 3, 6, 9, 13, 14]] = _VARIATION["trunk"]
    spread[[12, 15]] = _VARIATION["head"]
    spread[[20, 21]] = _VARIATION["wrist"]
    spread[[7, 8, 10, 11]] = _VARIATION["foot"]
    size = torch.rand(batch, 1, 1, generator=generator, device=device) * 2
    vector = torch.randn(batch, 24, 3, generator=generator, device=device) * spread * size
    rotations = rotations @ matrix_from_axis_angle(vector)
    return torch.where(chance(0.5), mirror(rotations), rotations)


def draw_cameras(
    batch: int, synthesis: Synthesis, generator: torch.Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    """World (y up) → camera axes rotations (B,3,3) and distances (B,) in metres."""

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    def normal() -> Tensor:
        return torch.randn(batch, generator=generator, device=device)

    yaw = rand(batch) * 2 * math.pi
    pitch = 0.1 + 0.2 * normal()
    pitch = torch.where(rand(batch) < 0.15, (rand(batch) - 0.4) * 2.0, pitch)
    roll = torch.where(rand(batch) < 0.3, synthesis.roll * normal(), 0.08 * normal())
    to_camera = rotation_about(0, torch.full((batch,), math.pi, device=device))  # y up → y down, z forward
    rotation = rotation_about(2, roll) @ rotation_about(0, pitch) @ to_camera @ rotation_about(1, yaw)
    distance = synthesis.near * (synthesis.far / synthesis.near) ** rand(batch)
    return rotation, distance


def make_pairs(
    body: BodyTorch,
    rotations: Tensor,
    betas: Tensor,
    camera: Tensor,
    distance: Tensor,
    noise: DetectorNoise,
    synthesis: Synthesis,
    generator: torch.Generator,
) -> Pairs:
    """Pose, project, disturb and observe.

    Args:
        rotations: (B,24,3,3) local, joint 0 in a y-up world; betas (B,10); camera (B,3,3); distance (B,) m.
    """
    rotations = torch.cat([(camera @ rotations[:, 0])[:, None], rotations[:, 1:]], 1)
    landmarks, joints, vertices = body.pose(rotations, betas)
    centre = landmarks[:, 11:].mean(1, keepdim=True)
    # Never nearer than what keeps every point in front of the lens.
    nearest = (landmarks - centre)[..., 2].amin(1)
    depth = torch.maximum(distance, 0.3 - nearest)
    placed = landmarks - centre
    placed = torch.cat([placed[..., :2], placed[..., 2:] + depth[:, None, None]], -1)
    plane = placed[..., :2] / placed[..., 2:]
    plane, confidence = detect(plane, 1.7 / depth, noise, generator)
    error = torch.randn(len(depth), 1, 1, generator=generator, device=depth.device)
    observation = observe_plane(plane * torch.exp(synthesis.focal_error * error), confidence)
    back = observation.rotation  # X_virtual = rotationᵀ X_camera; as row vectors: X @ rotation
    return Pairs(observation, landmarks @ back, joints @ back, vertices @ back)
