from __future__ import annotations

import numpy as np
import torch

from engine.body.model import BodyModel
from engine.train.body_torch import BodyTorch
from engine.train.rotations import matrix_from_axis_angle


def test_points_agree_with_the_full_body(body: BodyModel) -> None:
    generator = torch.Generator().manual_seed(0)
    ids = np.arange(0, len(body.v_template), 97)
    poses, betas = 0.5 * torch.randn(3, 24, 3, generator=generator), torch.randn(3, 10, generator=generator)
    landmarks, joints, vertices = BodyTorch(body, ids).pose(matrix_from_axis_angle(poses), betas)
    for i in range(3):
        rest_joints = body.rest_joints(betas[i].numpy())
        full = body.vertices(poses[i : i + 1].numpy(), betas[i].numpy(), -rest_joints[:1])
        np.testing.assert_allclose(vertices[i], full[0, ids], atol=2e-6)
        np.testing.assert_allclose(landmarks[i], body.landmarks(full)[0], atol=2e-6)
        transforms = body.transforms(poses[i : i + 1].numpy(), rest_joints)[0]
        posed = (
            np.einsum("jab,jb->ja", transforms[:, :3, :3], rest_joints)
            + transforms[:, :3, 3]
            - rest_joints[0]
        )
        np.testing.assert_allclose(joints[i], posed, atol=2e-6)
