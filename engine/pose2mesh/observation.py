"""What the network sees: 2D landmarks through a virtual camera made for the person.

The published network standardises x and y apart, which throws away aspect, scale and perspective. Here the
pixel rays are turned so that the camera looks straight at the middle of the trunk and the trunk is upright in
its picture; both axes share one scale, the person's apparent size, which is an input of its own, as is the
detector's confidence. The network therefore never has to know where in the picture the person stands, nor how
the camera was rolled, and a raised arm moves nothing but itself.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

SHOULDERS, HIPS = slice(11, 13), slice(23, 25)
TRUNK = (11, 12, 23, 24)
BELOW_HEAD = slice(11, 33)
BONES = (
    *((11, 12, 0.36), (11, 23, 0.51), (12, 24, 0.51)),  # shoulders, sides
    *((23, 25, 0.41), (24, 26, 0.41), (25, 27, 0.41), (26, 28, 0.41)),  # thighs, shins
    *((11, 13, 0.27), (12, 14, 0.27), (13, 15, 0.245), (14, 16, 0.245)),  # upper arms, forearms
)
"""Ends of the bones that tell a person's size, and their usual lengths in metres."""
NORM = 4
"""Of the mean over the bones: foreshortening makes bones shorter, never longer, so the longest count most."""
POINT_UNIT = 0.45
"""Metres: brings most points within -2 to 2."""
EXTENT_UNIT = 1 / 3
"""Apparent size of a person three metres away; brings that input near 1."""


class Observation(NamedTuple):
    """Network input and the way back to the camera.

    Attributes:
        points: (B,33,3) x, y in `POINT_UNIT` at the person's distance, confidence 0-1.
        extent: (B,1) apparent size over `EXTENT_UNIT`: about three metres over the distance.
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
    return observe_plane(on_plane(keypoints, camera_matrix), keypoints[..., 2])


def on_plane(keypoints: Tensor, camera_matrix: Tensor) -> Tensor:
    """Pixels (B,N,2 or more) to the image plane at unit focal length, (B,N,2) x/z and y/z."""
    focal = torch.stack([camera_matrix[0, 0], camera_matrix[1, 1]])
    plane: Tensor = (keypoints[..., :2] - camera_matrix[:2, 2]) / focal
    return plane


def observe_plane(plane: Tensor, confidence: Tensor) -> Observation:
    """The same from points on the image plane at unit focal length.

    Args:
        plane: (B,33,2) x/z, y/z; confidence: (B,33).
    """
    straight = look_at(plane.index_select(1, constant(TRUNK, plane.device)).mean(1))
    trunk = through(straight, plane)
    rotation = straight @ upright(trunk[:, SHOULDERS].mean(1) - trunk[:, HIPS].mean(1))
    virtual = through(rotation, plane)
    size = apparent_size(virtual)
    points = (virtual / (POINT_UNIT * size[:, None])).clamp(-6, 6)
    return Observation(torch.cat([points, confidence[..., None]], -1), size / EXTENT_UNIT, rotation)


def look_at(centre: Tensor) -> Tensor:
    """Smallest rotation from the optical axis to the ray through `centre` (B,2) → (B,3,3)."""
    z = torch.nn.functional.normalize(torch.cat([centre, torch.ones_like(centre[:, :1])], -1), dim=-1)
    x, y, c = z.unbind(-1)
    k = 1 / (1 + c)
    rows = [1 - x * x * k, -x * y * k, x, -x * y * k, 1 - y * y * k, y, -x, -y, c]
    return torch.stack(rows, -1).reshape(-1, 3, 3)


def unrolled(rotation: Tensor) -> Tensor:
    """The virtual camera (B,3,3) of an `Observation`, rolled as the picture is instead of by the trunk."""
    ray = rotation[:, :, 2]
    return look_at(ray[:, :2] / ray[:, 2:])


def upright(up: Tensor) -> Tensor:
    """Roll about the optical axis (B,3,3) that takes the picture's own up, -y, to `up` (B,2); none for 0."""
    length = up.norm(dim=-1)
    known = length > 1e-6
    x, y = (up / length.clamp_min(1e-6)[:, None]).unbind(-1)
    x, y = torch.where(known, x, 0.0), torch.where(known, y, -1.0)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack([-y, -x, zero, x, -y, zero, zero, zero, one], -1).reshape(-1, 3, 3)


def through(rotation: Tensor, plane: Tensor) -> Tensor:
    """Image plane points (B,N,2) of the camera → those of a camera turned by `rotation` (B,3,3)."""
    rays = torch.cat([plane, torch.ones_like(plane[..., :1])], -1) @ rotation
    # A point behind the virtual image plane can only be a wild detection; keep it finite.
    return rays[..., :2] / rays[..., 2:].clamp_min(0.05)


def apparent_size(plane: Tensor) -> Tensor:
    """Length (B,1) of one metre at the person's distance on the image plane, by the bones of (B,33,2)."""
    bones, length = bone_vectors(plane, BONES)
    size: Tensor = (bones.norm(dim=-1) / length).pow(NORM).mean(1, keepdim=True).pow(1 / NORM).clamp_min(1e-4)
    return size


def bone_vectors(points: Tensor, bones: tuple[tuple[int, int, float], ...]) -> tuple[Tensor, Tensor]:
    """From one end to the other of each of N bones (B,N,2), in the unit of `points` (B,33,2), and their usual
    lengths (N,) in metres.
    """
    first, second, length = zip(*bones, strict=True)
    start, end = (points.index_select(1, constant(ends, points.device)) for ends in (first, second))
    return end - start, constant(length, points.device, points.dtype)


@lru_cache
def constant(numbers: tuple[float, ...], device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Numbers on a device, sent there once: the processor may hand nothing to a CUDA graph while it is
    captured, a list of indices included, and otherwise waits for the device every time.
    """
    with torch.inference_mode(False):
        return torch.tensor(numbers, dtype=dtype, device=device)
