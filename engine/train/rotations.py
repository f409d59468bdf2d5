"""Batched rotations in torch, only what the synthesis needs."""

from __future__ import annotations

import torch
from torch import Tensor


def matrix_from_axis_angle(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula: (...,3) radians → (...,3,3)."""
    angle = axis_angle.norm(dim=-1, keepdim=True).clamp_min(1e-8)
    x, y, z = (axis_angle / angle).unbind(-1)
    s, c = torch.sin(angle[..., 0]), torch.cos(angle[..., 0])
    t = 1 - c
    rows = [c + x * x * t, x * y * t - z * s, x * z * t + y * s]
    rows += [x * y * t + z * s, c + y * y * t, y * z * t - x * s]
    rows += [x * z * t - y * s, y * z * t + x * s, c + z * z * t]
    return torch.stack(rows, -1).reshape(*axis_angle.shape[:-1], 3, 3)


def rotation_about(axis: int, angle: Tensor) -> Tensor:
    """Rotation about a coordinate axis: angles (...,) radians → (...,3,3)."""
    vector = torch.zeros(*angle.shape, 3, dtype=angle.dtype, device=angle.device)
    vector[..., axis] = angle
    return matrix_from_axis_angle(vector)


def rotation_between(source: Tensor, target: Tensor) -> Tensor:
    """Smallest rotation that turns `source` (...,3) into the direction of `target` (...,3) → (...,3,3)."""
    a = torch.nn.functional.normalize(source, dim=-1)
    b = torch.nn.functional.normalize(target, dim=-1)
    axis = torch.linalg.cross(a, b)
    sine = axis.norm(dim=-1, keepdim=True)
    angle = torch.atan2(sine, (a * b).sum(-1, keepdim=True))
    return matrix_from_axis_angle(axis / sine.clamp_min(1e-9) * angle)
