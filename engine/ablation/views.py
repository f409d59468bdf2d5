"""What a variant sees of the detections. Inputs are blanked, never removed: the network stays the same."""

from __future__ import annotations

import torch
from torch import Tensor

from ..pose2mesh.observation import BELOW_HEAD, Observation, unrolled
from .recipe import View

NINETEEN_POINTS = (0, 7, 8, *range(11, 17), *range(23, 33))
"""MediaPipe's points without face and hands: nose, ears, shoulders, elbows, wrists, hips, knees, ankles,
heels, toes. COCO's without the eyes, with the feet.
"""


def see(observation: Observation, view: View) -> Observation:
    """The observation (B,33,3), (B,1), (B,3,3) as the view has it.

    - "ours": all of it.
    - "as_filmed": rolled as the camera was, not with the trunk upright.
    - "spread": about the mean of the points below the head, in units of their spread.
    - "standardised": as filmed, x and y each with mean 0 and deviation 1 over the points, no extent
      (Pose2Mesh section 4).
    - "no_confidence": every point counts as certain.
    - "published": both of these.
    - "nineteen_points": the other points are at the centre with no confidence.
    """
    points, extent = observation.points, observation.extent
    place, confidence = points[..., :2], points[..., 2:]
    rotation = observation.rotation
    if view in ("as_filmed", "standardised", "published"):
        rotation = unrolled(rotation)
        place = place @ (observation.rotation.mT @ rotation)[:, :2, :2]
    if view == "spread":
        place = place - place[:, BELOW_HEAD].mean(1, keepdim=True)
        spread = place[:, BELOW_HEAD].square().sum(-1).mean(1).sqrt().clamp_min(1e-4)[:, None]
        place, extent = place / spread[:, None], extent * spread
    if view in ("standardised", "published"):
        place, extent = standardise(place), torch.zeros_like(extent)
    if view in ("no_confidence", "published"):
        confidence = torch.ones_like(confidence)
    points = torch.cat([place, confidence], -1)
    if view == "nineteen_points":
        kept = torch.zeros(points.shape[1], 1, dtype=points.dtype, device=points.device)
        kept[list(NINETEEN_POINTS)] = 1.0
        points = points * kept
    return Observation(points, extent, rotation)


def standardise(points: Tensor) -> Tensor:
    """(..., N, 2) minus its mean over its population standard deviation, per axis, over the points."""
    centred = points - points.mean(-2, keepdim=True)
    return centred / centred.square().mean(-2, keepdim=True).sqrt().clamp_min(1e-6)
