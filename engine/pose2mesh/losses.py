"""The published training losses (Pose2Mesh section 5.2, equations 2 to 5, as its code computes them)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

# Weights of the total: vertices and edges in metres, joints in millimetres.
VERTEX_WEIGHT = 1.0
NORMAL_WEIGHT = 0.1
EDGE_WEIGHT = 20.0
JOINT_WEIGHT = 1e-3


def coordinate_loss(predicted: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean absolute difference of coordinates; invalid points count as zeros in the mean.

    Args:
        predicted, target: (B, N, 3).
        valid: broadcastable to them, 1 or 0.
    """
    difference = (predicted - target).abs()
    return (difference if valid is None else difference * valid).mean()


def normal_loss(predicted: Tensor, target: Tensor, faces: Tensor) -> Tensor:
    """Mean |cosine| between each predicted edge and the true normal of its triangle.

    Args:
        predicted, target: (B, V, 3) vertices.
        faces: (T, 3) int64.
    """
    edges = [F.normalize(edge, dim=-1) for edge in _edges(predicted, faces)]
    first, second, _ = (F.normalize(edge, dim=-1) for edge in _edges(target, faces))
    normal = F.normalize(torch.cross(first, second, dim=-1), dim=-1)
    return torch.stack([(edge * normal).sum(-1).abs() for edge in edges]).mean()


def edge_loss(predicted: Tensor, target: Tensor, faces: Tensor) -> Tensor:
    """Mean absolute difference of the edge lengths of every triangle; shapes as in `normal_loss`."""
    differences = [
        (torch.linalg.vector_norm(ours, dim=-1) - torch.linalg.vector_norm(true, dim=-1)).abs()
        for ours, true in zip(_edges(predicted, faces), _edges(target, faces), strict=True)
    ]
    return torch.stack(differences).mean()


def _edges(vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    a, b, c = (vertices[:, faces[:, i]] for i in range(3))
    return b - a, c - a, c - b


@dataclass(frozen=True)
class Losses:
    """The weighted terms of one batch, each a scalar; `total` is what training minimises."""

    vertex: Tensor
    normal: Tensor
    edge: Tensor
    mesh_joint: Tensor
    lifted_joint: Tensor

    @property
    def total(self) -> Tensor:
        """The sum of the terms."""
        return self.vertex + self.normal + self.edge + self.mesh_joint + self.lifted_joint


@dataclass(frozen=True)
class Targets:
    """What a batch should become.

    Attributes:
        vertices: (B, V, 3) metres, root-relative.
        mesh_joints: (B, R, 3) millimetres, what `regressor` should give.
        lifted_joints: (B, J, 3) millimetres, root-relative.
        vertices_valid, mesh_joints_valid, lifted_joints_valid: masks broadcastable to them.
    """

    vertices: Tensor
    mesh_joints: Tensor
    lifted_joints: Tensor
    vertices_valid: Tensor
    mesh_joints_valid: Tensor
    lifted_joints_valid: Tensor


def published_losses(
    vertices: Tensor, joints: Tensor, targets: Targets, regressor: Tensor, faces: Tensor, with_edges: bool
) -> Losses:
    """All terms of the full training, weighted as published.

    Normals and edges carry no mask, in the published code neither.

    Args:
        vertices: (B, V, 3) metres, MeshNet's output in mesh order.
        joints: (B, J, 3) millimetres, PoseNet's output.
        targets: the truth.
        regressor: (R, V) joints from vertices.
        faces: (T, 3) int64.
        with_edges: the edge term starts after epoch 7 (hands: 15).
    """
    mesh_joints = torch.matmul(regressor, vertices) * 1000.0
    edge = edge_loss(vertices, targets.vertices, faces) if with_edges else vertices.new_zeros(())
    return Losses(
        VERTEX_WEIGHT * coordinate_loss(vertices, targets.vertices, targets.vertices_valid),
        NORMAL_WEIGHT * normal_loss(vertices, targets.vertices, faces),
        EDGE_WEIGHT * edge,
        JOINT_WEIGHT * coordinate_loss(mesh_joints, targets.mesh_joints, targets.mesh_joints_valid),
        JOINT_WEIGHT * coordinate_loss(joints, targets.lifted_joints, targets.lifted_joints_valid),
    )
