"""Accuracy on whole motion clips: every frame, a still camera per clip, clean and with detector errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..pose2mesh.metrics import acceleration_error, aligned_mean_distance, mean_distance
from ..pose2mesh.observation import Observation
from .body_torch import BodyTorch
from .detector_noise import CLEAN, DetectorNoise
from .motions import MotionSet
from .synthesis import PLAIN, Pairs, draw_cameras, make_pairs

Predict = Callable[[Observation], tuple[np.ndarray, np.ndarray]]
"""One clip's observations, in order → joints (F,24,3) and vertices (F,V,3), metres, virtual camera axes."""
JOINTS = [j for j in range(24) if j not in (22, 23)]
"""The hands' end joints (22, 23) never move in the motions and are left out."""
CASES = ("clean", "detector_noise", "detector_sequence", "hard_pictures")
"""No errors; errors as on clear pictures, drawn anew in every frame; errors of that size that last and drift;
lasting errors as measured on dim, small, half hidden people (docs/detector-noise.md)."""
CLEAR = DetectorNoise(
    jitter=(
        *(0.005,) * 7,  # nose, eyes
        *(0.007, 0.007, 0.0055, 0.0055),  # ears, mouth
        *(0.009, 0.009, 0.010, 0.010, 0.010, 0.010),  # shoulders, elbows, wrists
        *(0.012,) * 6,  # hands
        *(0.010, 0.010, 0.0095, 0.0095, 0.0085, 0.0085),  # hips, knees, ankles
        *(0.011, 0.011, 0.012, 0.012),  # heels, toes
    ),
    persistent=0.6,
    drifting=0.2,
    memory=0.9,
)
"""MediaPipe's errors on large, well lit people before a plain wall (median 1.3 %, mean 1.6 % of height), and
rare failures on top: the yardstick of all figures from the beginning."""


@dataclass(frozen=True)
class Sight:
    """A clip, or a piece of one, seen by one still camera.

    Attributes:
        pairs: observations and truth of its F frames, in order.
        camera: (3,3) world (y up) → camera axes; distance: of the person's middle, metres.
    """

    pairs: Pairs
    camera: Tensor
    distance: float


def see(body: BodyTorch, rotations: Tensor, case: str, seed: int) -> Sight:
    """A clip of rotations (F,24,3,3) through a camera and on a shape that depend on the seed alone.

    The `CASES` of one seed therefore show the same scene.
    """
    frames = len(rotations)
    generator = torch.Generator().manual_seed(seed)
    camera, distance = draw_cameras(1, PLAIN, generator, torch.device("cpu"))
    betas = torch.randn(1, 10, generator=generator)
    pairs = make_pairs(
        body,
        rotations,
        betas.expand(frames, -1),
        camera.expand(frames, -1, -1),
        distance.expand(frames),
        {"clean": CLEAN, "hard_pictures": DetectorNoise()}.get(case, CLEAR),
        PLAIN,
        generator,
        frames=frames if case in ("detector_sequence", "hard_pictures") else 1,
    )
    return Sight(pairs, camera[0], float(distance))


def clip_seed(seed: int, number: int) -> int:
    """A seed for one clip, so that its camera depends on no other clip."""
    return 1_000_003 * seed + number


def evaluation_pairs(body: BodyTorch, motions: MotionSet, case: str, seed: int) -> Iterable[Pairs]:
    """One batch per clip, its frames in order, seen by one still camera; the same for a seed everywhere."""
    for clip in torch.unique(motions.clip):
        rotations = motions.rotations[motions.clip == clip]
        yield see(body, rotations, case, clip_seed(seed, int(clip))).pairs


def errors(
    predict: Predict, batches: Iterable[Pairs], advance: Callable[[int], object] = lambda frames: None
) -> dict[str, float]:
    """MPJPE, PA-MPJPE, MPVPE, PA-MPVPE in mm and the acceleration error in mm/frame², averaged over frames.

    Joints and vertices are compared with both pelvis joints at the origin; PA aligns by a similarity.
    `advance` is told how many frames each batch was.
    """
    sums = {"mpjpe": 0.0, "pa_mpjpe": 0.0, "mpvpe": 0.0, "pa_mpvpe": 0.0}
    accel, frames, moving = 0.0, 0, 0
    for pairs in batches:
        joints, vertices = predict(pairs.observation)
        truth, surface = pairs.joints.numpy(), pairs.vertices.numpy()
        surface, truth = surface - truth[:, :1], truth - truth[:, :1]
        vertices, joints = vertices - joints[:, :1], joints - joints[:, :1]
        truth, joints = truth[:, JOINTS], joints[:, JOINTS]
        count = len(joints)
        sums["mpjpe"] += count * mean_distance(joints, truth)
        sums["pa_mpjpe"] += count * aligned_mean_distance(joints, truth)
        sums["mpvpe"] += count * mean_distance(vertices, surface)
        sums["pa_mpvpe"] += count * aligned_mean_distance(vertices, surface)
        frames += count
        if count > 2:
            back = pairs.observation.rotation.numpy().transpose(0, 2, 1)
            accel += float(acceleration_error(joints @ back, truth @ back).sum())
            moving += count - 2
        advance(count)
    result = {name: 1000 * value / max(frames, 1) for name, value in sums.items()}
    return {**result, "accel": 1000 * accel / max(moving, 1)}


def evaluate(
    predict: Predict,
    body: BodyTorch,
    motions: MotionSet,
    seed: int = 7,
    advance: Callable[[int], object] = lambda frames: None,
) -> dict[str, dict[str, float]]:
    """The errors in each of the `CASES`; `advance` is told of every batch of frames."""
    return {case: errors(predict, evaluation_pairs(body, motions, case, seed), advance) for case in CASES}
