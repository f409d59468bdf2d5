"""What the network sees: 2D landmarks through a virtual camera that looks straight at the person.

The published network standardises x and y apart, which throws away aspect, scale and perspective. Here
the pixel rays
are turned so that the person's centre lies on the optical axis, both axes share one scale, and that scale
(the person's
angular size) is an input of its own, as is the detector's confidence. The network therefore never has to
know where in
the picture the person stands.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

BODY_POINTS = slice(11, 33)
"""MediaPipe's points below the head: the head's eleven would drag the centre upwards."""
EXTENT_UNIT = 0.15
"""Typical angular extent (tan) of a person; brings that input near 1."""


class Observation(NamedTuple):
    """Network input and the way back to the camera.

    Attributes:
        points: (B,33,3) x, y in units of the person's extent, confidence 0-1.
        extent: (B,1) angular extent over `EXTENT_UNIT`.
        rotation: (B,3,3) virtual camera axes → camera axes: X_camera = rotation @ X_virtual.
    """

    points: Tensor
    extent: Tensor
    rotation: Tensor


def observe(keypoints: Tensor, camera_matrix: Tensor) -> Observation:
    """Turn pixel landmarks into network input.

    Args:
        keypoints: (B,33,3) x px, y px, confidence.
        camera_matrix: (3,3) px.
    """
    focal = torch.stack([camera_matrix[0, 0], camera_matrix[1, 1]])
    plane = (keypoints[..., :2] - camera_matrix[:2, 2]) / focal
    return observe_plane(plane, keypoints[..., 2])


def observe_plane(plane: Tensor, confidence: Tensor) -> Observation:
    """The same from points on the image plane at unit focal length.

    Args:
        plane: (B,33,2) x/z, y/z; confidence: (B,33).
    """
    weight = (confidence[:, BODY_POINTS] + 0.02)[..., None]
    centre = (plane[:, BODY_POINTS] * weight).sum(1) / weight.sum(1)
    rotation = look_at(centre)
    rays = torch.cat([plane, torch.ones_like(plane[..., :1])], -1) @ rotation
    # A point behind the virtual image plane can only be a wild detection; keep it finite.
    virtual = rays[..., :2] / rays[..., 2:].clamp_min(0.05)
    body = virtual[:, BODY_POINTS]
    extent = ((body.square().sum(-1, keepdim=True) * weight).sum(1) / weight.sum(1)).sqrt().clamp_min(1e-4)
    points = (virtual / extent[:, None]).clamp(-6, 6)
    return Observation(torch.cat([points, confidence[..., None]], -1), extent / EXTENT_UNIT, rotation)


def look_at(centre: Tensor) -> Tensor:
    """Smallest rotation from the optical axis to the ray through `centre` (B,2) → (B,3,3)."""
    z = torch.nn.functional.normalize(torch.cat([centre, torch.ones_like(centre[:, :1])], -1), dim=-1)
    x, y, c = z.unbind(-1)
    k = 1 / (1 + c)
    rows = [1 - x * x * k, -x * y * k, x, -x * y * k, 1 - y * y * k, y, -x, -y, c]
    return torch.stack(rows, -1).reshape(-1, 3, 3)
