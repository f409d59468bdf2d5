"""The body in torch, restricted to what training looks at: landmarks, joints and the network's vertices.

Linear blend skinning is linear in the joint transforms, so any point read off the mesh by a linear regression
is too: p = Σ_j A_j · (Σ_v r_v w_vj [v; 1]). The bracket is linear in shape and is computed once, which spares
skinning 12,070 vertices. Pose correctives only add to the bracket.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..body.model import BodyModel

CHILD = {1: 4, 2: 5, 4: 7, 5: 8, 3: 6, 6: 9, 9: 12, 13: 16, 14: 17, 16: 18, 17: 19, 18: 20, 19: 21}
"""The joint at the other end of every bone that can be longer or shorter."""


class BodyTorch:
    """Skins a few linear functionals of a body's vertices in batches.

    Args:
        body: the full body.
        vertex_ids: (N,) vertices the network predicts.
        device: where the tensors live.
    """

    def __init__(self, body: BodyModel, vertex_ids: np.ndarray, device: torch.device | str = "cpu") -> None:
        def tensor(array: np.ndarray) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32, device=device)

        self.parents = [int(p) for p in body.parents]
        basis = np.concatenate([body.v_template[None], np.moveaxis(body.shapedirs, -1, 0)]).astype(
            np.float64
        )  # (11,V,3)
        homogeneous = np.concatenate([basis, np.zeros((*basis.shape[:2], 1))], -1)
        homogeneous[0, :, 3] = 1.0
        self.joint_basis = tensor(np.einsum("jv,kvc->kjc", body.joint_regressor, basis))  # (11,24,3)
        self.landmark_moments = tensor(
            np.stack(
                [
                    body.landmark_regressor @ (body.weights[:, j, None] * homogeneous.reshape(11, -1, 4))
                    for j in range(24)
                ],
                2,
            )
        )  # (11,33,24,4)
        directions = np.zeros((207, len(body.v_template), 3)) if body.posedirs is None else body.posedirs
        support = np.flatnonzero(body.landmark_regressor.any(axis=0))
        mix = body.landmark_regressor[:, support, None] * body.weights[None, support]  # (33,S,24)
        moved = np.einsum("lsj,ksc->kljc", mix, directions[:, support], optimize=True)
        self.landmark_correctives = tensor(np.pad(moved, ((0, 0),) * 3 + ((0, 1),)).reshape(207, -1))
        self.vertex_basis = tensor(basis[:, vertex_ids])  # (11,N,3)
        self.vertex_correctives = tensor(directions[:, vertex_ids].reshape(207, -1))
        self.vertex_weights = tensor(body.weights[vertex_ids])  # (N,24)
        self.bone_axes = tensor(_bone_axes(body))  # (24,3,3)
        self.device = torch.device(device)

    def pose(
        self, rotations: Tensor, betas: Tensor, bones: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pose the body with its pelvis joint at the origin.

        Args:
            rotations: (B,24,3,3) local; betas: (B,10).
            bones: (B,24) how long each joint's part of the body is, along its bone, relative to the shape's.

        Returns:
            landmarks (B,33,3), joints (B,24,3), vertices (B,N,3), metres, in the frame of joint 0's rotation.
        """
        shape = torch.cat([torch.ones_like(betas[:, :1]), betas], 1)  # (B,11)
        rest = torch.einsum("bk,kjc->bjc", shape, self.joint_basis)
        stretch = None if bones is None else self._stretch(bones)
        world_rotation: list[Tensor] = []
        world_position: list[Tensor] = []
        for joint, parent in enumerate(self.parents):
            if parent < 0:
                world_rotation.append(rotations[:, 0])
                world_position.append(torch.zeros_like(rest[:, 0]))
            else:
                world_rotation.append(world_rotation[parent] @ rotations[:, joint])
                offset = (rest[:, joint] - rest[:, parent])[..., None]
                if stretch is not None:
                    offset = stretch[:, parent] @ offset
                world_position.append(world_position[parent] + (world_rotation[parent] @ offset)[..., 0])
        rotation = torch.stack(world_rotation, 1)
        joints = torch.stack(world_position, 1)
        if stretch is not None:
            rotation = rotation @ stretch
        shift = joints - torch.einsum("bjcd,bjd->bjc", rotation, rest)
        transform = torch.cat([rotation, shift[..., None]], -1)  # (B,24,3,4)
        features = (rotations[:, 1:] - torch.eye(3, device=rotations.device)).flatten(1)  # (B,207)
        moments = shape @ self.landmark_moments.reshape(11, -1) + features @ self.landmark_correctives
        flat = transform.permute(0, 1, 3, 2).reshape(-1, 24 * 4, 3)  # rows (joint, column)
        landmarks = moments.reshape(-1, 33, 24 * 4) @ flat
        rest_vertices = (shape @ self.vertex_basis.reshape(11, -1)).reshape(len(shape), -1, 3)
        rest_vertices = rest_vertices + (features @ self.vertex_correctives).view_as(rest_vertices)
        blended = (self.vertex_weights @ transform.reshape(-1, 24, 12)).reshape(len(shape), -1, 3, 4)
        vertices = (blended[..., :3] @ rest_vertices[..., None])[..., 0] + blended[..., 3]
        return landmarks, joints, vertices

    def _stretch(self, bones: Tensor) -> Tensor:
        """(B,24) → (B,24,3,3) in the rest frame: along the bone for limbs, in all directions for hands, feet
        and head.
        """
        return torch.eye(3, device=bones.device) + (bones - 1)[..., None, None] * self.bone_axes


def _bone_axes(body: BodyModel) -> np.ndarray:
    """(24,3,3): d dᵀ of the bone's direction d in rest; across for the pelvis; all three axes at the ends."""
    rest = np.asarray(body.rest_joints(np.zeros(10, np.float32)), np.float64)
    axes = np.tile(np.eye(3), (24, 1, 1))
    axes[0] = np.diag([1.0, 0.0, 0.0])
    for joint, child in CHILD.items():
        direction = (rest[child] - rest[joint]) / np.linalg.norm(rest[child] - rest[joint])
        axes[joint] = np.outer(direction, direction)
    return axes
