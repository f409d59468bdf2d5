"""Training pairs on the fly: motions × recombination × shapes × cameras × detector errors, vectorised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..body.model import SMPL_PARENTS
from ..pose2mesh.observation import Observation, observe_plane
from .body_torch import BodyTorch
from .detector_noise import DetectorNoise, detect_sequence
from .motions import MotionSet, mirror
from .rotations import matrix_from_axis_angle, rotation_about

ARMS = ((13, 16, 18, 20, 22), (14, 17, 19, 21, 23))
LEGS = ((1, 4, 7, 10), (2, 5, 8, 11))
TRUNK = (3, 6, 9, 12, 15)
SPINE = (0, 3, 6)
"""Where the trunk bends: pelvis, belly, chest."""
LIMB_ROOTS = dict(zip((*ARMS, *LEGS), (16, 17, 1, 2), strict=True))
"""The joint at which each limb turns on the trunk: shoulders and hips."""
BONES = (
    (1, 2),
    (4, 5),
    (16, 17),
    (18, 19),
    (0,),
    (3, 6, 9),
    (13, 14),
    (12, 15),
    (7, 8, 10, 11),
    (20, 21, 22, 23),
)
"""Joints whose bones share one length: people are symmetric, and a long spine is long all along."""
_VARIATION = {"trunk": 0.08, "head": 0.25, "limb": 0.18, "wrist": 0.35, "foot": 0.15}


@dataclass(frozen=True)
class Synthesis:
    """What is drawn, and how widely.

    Attributes:
        recombine: probability that a limb or the trunk comes from another pose.
        variation: of every joint, as a fraction of `_VARIATION`.
        lean: standard deviation of the whole body's tilt against gravity, radians.
        bend: standard deviation of what pelvis, belly and chest are turned in half of the samples, radians.
        keep: probability that a limb points where it points in its own pose, whatever the trunk does: arms
            hang and legs stand by gravity.
        bones: standard deviation of the log of each bone's length, beyond what the shape space holds.
        arms: median length of upper arms and forearms, relative to the shape's.
        pitch: standard deviation of the camera's pitch; a wild share looks from far above or below.
        wild: probability of a strongly rolled camera; roll: its standard deviation, radians.
        near, far: range of the camera's distance, metres (log-uniform).
        focal_error: standard deviation of the log ratio of guessed to true focal length.
        hips, hips_error: how much farther apart the detector sees a person's hips than they are in the body's
            definition: median, and standard deviation of the log.
    """

    recombine: float = 0.35
    variation: float = 1.0
    lean: float = 0.15
    bend: float = 0.0
    keep: float = 0.0
    bones: float = 0.07
    arms: float = 1.0
    pitch: float = 0.25
    wild: float = 0.4
    roll: float = 0.5
    near: float = 1.6
    far: float = 12.0
    focal_error: float = 0.15
    hips: float = 1.0
    hips_error: float = 0.0


PLAIN = Synthesis(lean=0.0, bones=0.0, pitch=0.2, wild=0.3, focal_error=0.0)
"""What accuracy is measured on: real poses, the body's own proportions, a known focal length."""


@dataclass(frozen=True)
class Pairs:
    """Observations and the truth: virtual camera axes, metres, pelvis joint at the origin."""

    observation: Observation
    landmarks: Tensor
    joints: Tensor
    vertices: Tensor


def draw_rotations(
    motions: MotionSet, batch: int, synthesis: Synthesis, generator: torch.Generator, frames: int = 1
) -> Tensor:
    """Poses (B,T,24,3,3): a stretch of a clip, limbs of other clips on it, varied, mirrored half the time."""
    device = motions.rotations.device
    step = draw_steps(batch, frames, generator, device)

    def pick() -> Tensor:
        return motions.rotations[draw_stretch(motions, step, generator)]

    def chance(probability: float) -> Tensor:
        drawn = torch.rand(batch, generator=generator, device=device) < probability
        return drawn[:, None, None, None, None]

    rotations, pair = pick(), pick()
    both_legs = chance(synthesis.recombine / 2)
    limbs = Limbs(rotations) if synthesis.keep > 0 else None
    for part in (*ARMS, *LEGS, TRUNK):
        donor = pick()
        takes = [(chance(synthesis.recombine / 2 if part in LEGS else synthesis.recombine), donor)]
        if part in LEGS:
            takes.append((both_legs, pair))
        for swap, donor in takes:
            joints = list(part)
            rotations[:, :, joints] = torch.where(swap, donor[:, :, joints], rotations[:, :, joints])
            if limbs is not None and part != TRUNK:
                limbs.take(part, swap, donor)
    rotations = bend(vary(rotations, synthesis, generator), synthesis, generator)
    if limbs is not None:
        limbs.point(rotations, [chance(synthesis.keep) for _ in LIMB_ROOTS])
    return torch.where(chance(0.5), mirror(rotations), rotations)


class Limbs:
    """Where the limbs of poses (B,T,24,3,3) point in the world, be they their own or taken from others.

    A leaning trunk does not take a hanging arm or a standing leg along, as it would if only joint angles were
    combined.
    """

    def __init__(self, rotations: Tensor) -> None:
        self.heading = face_forward(rotations)
        self.directions = {part: orientation(rotations, root) for part, root in LIMB_ROOTS.items()}

    def take(self, part: tuple[int, ...], chosen: Tensor, donor: Tensor) -> None:
        """Let a limb point as another pose's, turned to face alike, in the `chosen` (B,1,1,1,1) samples."""
        turn = self.heading.transpose(-1, -2) @ face_forward(donor)
        theirs = turn @ orientation(donor, LIMB_ROOTS[part])
        self.directions[part] = torch.where(chosen[:, :, 0], theirs, self.directions[part])

    def point(self, rotations: Tensor, chosen: Sequence[Tensor]) -> None:
        """Turn shoulders and hips of changed poses (B,T,24,3,3) in place: the limbs point there again.

        Args:
            chosen: for every limb (B,1,1,1,1) bool, in which samples.
        """
        for (part, root), keep in zip(LIMB_ROOTS.items(), chosen, strict=True):
            above = orientation(rotations, SMPL_PARENTS[root])
            local = above.transpose(-1, -2) @ self.directions[part]
            rotations[:, :, root] = torch.where(keep[:, :, 0], local, rotations[:, :, root])


def orientation(rotations: Tensor, joint: int) -> Tensor:
    """Rotation (B,T,3,3) of one joint in the world, from local ones (B,T,24,3,3)."""
    own, parent = rotations[:, :, joint], SMPL_PARENTS[joint]
    return own if parent < 0 else orientation(rotations, parent) @ own


def face_forward(rotations: Tensor) -> Tensor:
    """The turn (B,T,3,3) about the vertical that brings the pelvis of (B,T,24,3,3) to face +z."""
    forward = rotations[:, :, 0, :, 2]
    return rotation_about(1, -torch.atan2(forward[..., 0], forward[..., 2]))


def bend(rotations: Tensor, synthesis: Synthesis, generator: torch.Generator) -> Tensor:
    """The trunk of every second sample of (B,T,24,3,3) bent and turned, the same for all of its frames."""
    if synthesis.bend == 0:
        return rotations
    batch, device = len(rotations), rotations.device
    vector = torch.randn(batch, len(SPINE), 3, generator=generator, device=device) * synthesis.bend
    vector[..., 1] *= 0.5  # people twist less than they bend
    bent = torch.rand(batch, 1, 1, generator=generator, device=device) < 0.5
    turn = matrix_from_axis_angle(vector * bent)[:, None]
    pelvis, *spine = SPINE
    rotations[:, :, pelvis] = turn[:, :, 0] @ rotations[:, :, pelvis]
    rotations[:, :, spine] = rotations[:, :, spine] @ turn[:, :, 1:]
    return rotations


def draw_steps(batch: int, frames: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Frame offsets (B,T) from a stretch's middle: mostly the clip's pace, some twice it, some frozen."""
    pace = torch.tensor([0, 1, 1, 1, 1, 1, 1, 2, 2, 2], device=device)
    drawn = pace[torch.randint(len(pace), (batch, 1), generator=generator, device=device)]
    return drawn * (torch.arange(frames, device=device) - frames // 2)


def draw_stretch(motions: MotionSet, step: Tensor, generator: torch.Generator) -> Tensor:
    """Indices (B,T) into the motions around frames drawn evenly from the thinned ones.

    Beyond a clip's ends its first and last frames are held.
    """
    device = motions.rotations.device
    drawn = torch.randint(
        len(motions.clip if motions.thinned is None else motions.thinned),
        (len(step), 1),
        generator=generator,
        device=device,
    )
    middle = drawn if motions.thinned is None else motions.thinned[drawn]
    clip = motions.clip[middle]
    first = torch.searchsorted(motions.clip, clip)
    last = torch.searchsorted(motions.clip, clip, right=True) - 1
    return (middle + step).clamp(first, last)


def vary(rotations: Tensor, synthesis: Synthesis, generator: torch.Generator) -> Tensor:
    """Every joint of (B,T,24,3,3) turned a little, the same for all frames of a sample."""
    batch, device = len(rotations), rotations.device
    spread = torch.full((24, 1), _VARIATION["limb"], device=device)
    spread[[0, 3, 6, 9, 13, 14]] = _VARIATION["trunk"]
    spread[[12, 15]] = _VARIATION["head"]
    spread[[20, 21]] = _VARIATION["wrist"]
    spread[[7, 8, 10, 11]] = _VARIATION["foot"]
    size = torch.rand(batch, 1, 1, generator=generator, device=device) * 2 * synthesis.variation
    vector = torch.randn(batch, 24, 3, generator=generator, device=device) * spread * size
    turned = rotations @ matrix_from_axis_angle(vector)[:, None]
    if synthesis.lean > 0:
        axis = torch.randn(batch, 3, generator=generator, device=device)
        axis[:, 1] = 0.0
        tilt = matrix_from_axis_angle(axis * synthesis.lean)[:, None]
        turned[:, :, 0] = tilt @ turned[:, :, 0]
    return turned


def draw_bones(
    batch: int, synthesis: Synthesis, generator: torch.Generator, device: torch.device
) -> Tensor | None:
    """Length of every joint's bone (B,24) relative to the shape's; none where they are not varied."""
    if synthesis.bones == 0:
        return None
    scale = torch.exp(synthesis.bones * torch.randn(batch, len(BONES), generator=generator, device=device))
    lengths = torch.ones(batch, 24, device=device)
    for group, joints in enumerate(BONES):
        lengths[:, list(joints)] = scale[:, group, None]
    lengths[:, 16:20] *= synthesis.arms
    return lengths


def draw_cameras(
    batch: int, synthesis: Synthesis, generator: torch.Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    """World (y up) → camera axes rotations (B,3,3) and distances (B,) in metres."""

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    def normal() -> Tensor:
        return torch.randn(batch, generator=generator, device=device)

    yaw = rand(batch) * 2 * math.pi
    pitch = 0.1 + synthesis.pitch * normal()
    pitch = torch.where(rand(batch) < 0.15, (rand(batch) - 0.4) * 2.0, pitch)
    roll = torch.where(rand(batch) < synthesis.wild, synthesis.roll * normal(), 0.08 * normal())
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
    bones: Tensor | None = None,
    frames: int = 1,
) -> Pairs:
    """Pose, project, disturb and observe.

    Args:
        rotations: (B,24,3,3) local, joint 0 in a y-up world; betas (B,10); camera (B,3,3); distance (B,) m.
        bones: (B,24) of `draw_bones`.
        frames: the batch is made of clips of this many frames, whose detection errors last over frames.
    """
    return film(body.pose(rotations, betas, bones), camera, distance, noise, synthesis, generator, frames)


def film(
    posed: tuple[Tensor, Tensor, Tensor],
    camera: Tensor,
    distance: Tensor,
    noise: DetectorNoise,
    synthesis: Synthesis,
    generator: torch.Generator,
    frames: int = 1,
) -> Pairs:
    """`make_pairs` for bodies already posed: landmarks, joints and vertices (B,...,3) in the world."""
    landmarks, joints, vertices = (points @ camera.transpose(1, 2) for points in posed)
    shown = widen_hips(landmarks, synthesis, generator, frames)
    centre = shown[:, 11:].mean(1, keepdim=True)
    # Never nearer than what keeps every point in front of the lens.
    nearest = (shown - centre)[..., 2].amin(1)
    depth = torch.maximum(distance, 0.3 - nearest)
    placed = shown - centre
    placed = torch.cat([placed[..., :2], placed[..., 2:] + depth[:, None, None]], -1)
    plane = placed[..., :2] / placed[..., 2:]
    clips, height = plane.reshape(-1, frames, 33, 2), (1.7 / depth).reshape(-1, frames)
    plane, confidence = (part.flatten(0, 1) for part in detect_sequence(clips, height, noise, generator))
    error = torch.randn(len(clips), 1, 1, generator=generator, device=depth.device)
    error = error.repeat_interleave(frames, 0)
    observation = observe_plane(plane * torch.exp(synthesis.focal_error * error), confidence)
    back = observation.rotation  # X_virtual = rotationᵀ X_camera; as row vectors: X @ rotation
    return Pairs(observation, landmarks @ back, joints @ back, vertices @ back)


def widen_hips(
    landmarks: Tensor, synthesis: Synthesis, generator: torch.Generator, frames: int = 1
) -> Tensor:
    """Landmarks (B,33,3) as the detector means them: hips farther apart, by one factor for a whole clip.

    Triangulated from several cameras, MediaPipe's hips of real, clothed people lie about 0.24 m apart; on the
    bare body they lie 0.19 m apart. Which of a person's hips are wide is a matter of clothes, not of noise in
    the picture.
    """
    if synthesis.hips == 1 and synthesis.hips_error == 0:
        return landmarks
    clips = len(landmarks) // frames
    error = torch.randn(clips, 1, 1, generator=generator, device=landmarks.device)
    factor = synthesis.hips * torch.exp(synthesis.hips_error * error).repeat_interleave(frames, 0)
    hips = landmarks[:, 23:25]
    middle = hips.mean(1, keepdim=True)
    return torch.cat([landmarks[:, :23], middle + factor * (hips - middle), landmarks[:, 25:]], 1)
