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


def test_longer_bones_move_what_hangs_on_them_and_stretch_what_covers_them(body: BodyModel) -> None:
    ids = np.arange(0, len(body.v_template), 9)
    points = BodyTorch(body, ids)
    rest = torch.eye(3).repeat(1, 24, 1, 1)
    bones = torch.ones(1, 24)
    bones[:, [1, 2]] = 1.1
    before, after = points.pose(rest, torch.zeros(1, 10)), points.pose(rest, torch.zeros(1, 10), bones)
    thigh = before[1][0, 4] - before[1][0, 1]
    moved = after[1][0] - before[1][0]
    torch.testing.assert_close(moved[[4, 7, 10]], (0.1 * thigh).expand(3, 3), atol=1e-5, rtol=0)
    assert moved[[0, 3, 12, 20]].abs().max() < 1e-6
    feet = body.weights[ids][:, [7, 10]].sum(1) > 0.999
    shift = (after[2] - before[2])[0, torch.from_numpy(feet)]
    torch.testing.assert_close(shift, (0.1 * thigh).expand_as(shift), atol=1e-4, rtol=0)
    on_thigh = (after[2] - before[2])[0, torch.from_numpy(body.weights[ids][:, 1] > 0.9)]
    assert (on_thigh.norm(dim=-1) < 0.12 * thigh.norm()).all() and on_thigh.norm(dim=-1).std() > 0.001


def test_bones_of_usual_length_change_nothing(body: BodyModel) -> None:
    points = BodyTorch(body, np.arange(0, 1000, 100))
    rotations = torch.linalg.qr(torch.randn(3, 24, 3, 3, generator=torch.Generator().manual_seed(0)))[0]
    betas = torch.randn(3, 10, generator=torch.Generator().manual_seed(1))
    for one, other in zip(
        points.pose(rotations, betas), points.pose(rotations, betas, torch.ones(3, 24)), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
