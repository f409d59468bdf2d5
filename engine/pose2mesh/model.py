"""Pose2Mesh: PoseNet and MeshNet in one module (Choi et al. 2020)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .coarsening import MeshPyramid, mesh_pyramid
from .config import Order, Pose2MeshConfig, published_config
from .meshnet import MeshNet
from .posenet import PoseNet
from .skeletons import joint_set as find_joint_set
from .temporal import TemporalPoseNet

MILLIMETRES = 1000.0


class Pose2Mesh(nn.Module):
    """Normalised 2D joints (B, J, C) to vertices (B, V, 3) [m], in mesh order, and joints (B, J, 3) [mm].

    Both outputs are relative to the root, in camera axes (x right, y down, z forward). MeshNet reads the 2D
    joints and the lifted joints in metres, which it takes as given: its losses do not train PoseNet.

    The state dict has the published keys and nothing else; the graphs are kept by `weights.save`.
    """

    vertex_slots: Tensor

    def __init__(self, config: Pose2MeshConfig, pyramid: MeshPyramid) -> None:
        super().__init__()
        self.config = config
        self.pyramid = pyramid
        self.pose_lifter = (
            TemporalPoseNet(config.pose) if config.pose.temporal_width else PoseNet(config.pose)
        )
        self.pose2mesh = MeshNet(config.mesh, pyramid, find_joint_set(config.joint_set).laplacian())
        self.register_buffer("vertex_slots", torch.from_numpy(pyramid.vertex_slots), persistent=False)

    def forward(self, joints2d: Tensor) -> tuple[Tensor, Tensor]:
        """(B, J, C) to vertices (B, V, 3) in metres and joints (B, J, 3) in millimetres."""
        joints3d = self.pose_lifter(joints2d)
        features = torch.cat((joints2d, joints3d.detach() / MILLIMETRES), dim=-1)
        return self.pose2mesh(features)[:, self.vertex_slots], joints3d


def build(config: Pose2MeshConfig, faces: npt.NDArray[np.integer]) -> Pose2Mesh:
    """A network with fresh weights for a triangle mesh (T, 3).

    Raises:
        EngineError: the faces are no clean triangle mesh or too few for the configured levels.
    """
    pyramid = mesh_pyramid(faces, config.mesh.levels, config.depth, config.order)
    return Pose2Mesh(config, pyramid if config.padding else pyramid.without_padding())


def published(joint_set: str, faces: npt.NDArray[np.integer], order: Order = "introsort") -> Pose2Mesh:
    """The published network for a joint set and a mesh, with fresh weights and the published state-dict keys.

    Args:
        joint_set: "human36m17", "coco19", "smpl24" or "mano21" (the hand's smaller network).
        faces: (T, 3) triangles of the body or hand.
        order: "introsort" gives the graphs that the published checkpoints were trained on.

    Raises:
        EngineError: no such joint set, or the faces are no clean triangle mesh.
    """
    joints = len(find_joint_set(joint_set))
    return build(replace(published_config(joint_set, joints), order=order), faces)
