"""A stand-in for what no test may use: an SMPL file and a published checkpoint for it.

The body is the open body on a coarse mesh, written as an SMPL pickle of the first vintage; the network has
the published keys and file format, but is narrow, and learns the body from made-up poses in a few seconds.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.body import smpl
from engine.body.model import SMPL_PARENTS, BodyModel
from engine.pose2mesh import losses
from engine.pose2mesh.coarse_mesh import coarse_mesh
from engine.pose2mesh.config import Order, Pose2MeshConfig, published_config
from engine.pose2mesh.landmark_joints import joints_from_landmarks
from engine.pose2mesh.model import Pose2Mesh, build
from engine.train.body_torch import BodyTorch
from engine.train.rotations import matrix_from_axis_angle
from tests.engine.body.old_pickles import chumpy, python2_pickle, sparse

BATCH = 24
LANDMARK_OF = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8,
    "left_big_toe": 31, "right_big_toe": 32, "left_small_toe": 31, "right_small_toe": 32,
    "left_heel": 29, "right_heel": 30, "left_pinky": 17, "right_pinky": 18,
    "left_index": 19, "right_index": 20, "left_thumb": 21, "right_thumb": 22,
}  # fmt: skip


@cache
def smpl_arrays(count: int = 400) -> dict[str, Any]:
    """The open body on about `count` of its vertices, in the arrays and names of an SMPL file."""
    body = BodyModel.load("open_body")
    ids, triangles = coarse_mesh(body.v_template, body.triangles, count)
    assert body.posedirs is not None
    return {
        "v_template": body.v_template[ids].astype(np.float64),
        "shapedirs": body.shapedirs[ids].astype(np.float64),
        "posedirs": np.moveaxis(body.posedirs[:, ids], 0, -1).astype(np.float64),
        "weights": body.weights[ids].astype(np.float64),
        "J_regressor": _regressor(body, ids),
        "f": triangles.astype(np.uint32),
        "kintree_table": np.stack([np.array(SMPL_PARENTS), np.arange(24)]).astype(np.uint32),
        "bs_style": "lbs",
    }


def _regressor(body: BodyModel, ids: np.ndarray) -> np.ndarray:
    """(24, N): joints from the 40 nearest vertices, by least squares over shapes and poses."""
    random = np.random.default_rng(0)
    shapes = np.concatenate([np.zeros((1, 10)), random.normal(size=(12, 10))])
    poses = random.normal(0.0, 0.3, (13, 24, 3))
    poses[0] = 0.0
    vertices, joints = [], []
    for pose, shape in zip(poses, shapes, strict=True):
        vertices.append(body.vertices(pose[None], shape, np.zeros((1, 3)))[0][ids])
        rest = body.rest_joints(shape)
        moved = body.transforms(pose[None], rest)[0]
        joints.append((moved[:, :3, :3] @ rest[:, :, None])[..., 0] + moved[:, :3, 3])
    out = np.zeros((24, len(ids)))
    for joint in range(24):
        near = np.argsort(np.linalg.norm(vertices[0] - joints[0][joint], axis=1))[:40]
        rows = np.concatenate([each[near].T for each in vertices])
        wanted = np.concatenate([each[joint] for each in joints])
        mean = np.full(40, 1 / 40)  # deviations from the mean that sum to 0 keep the sum at 1
        centred = rows - rows.mean(axis=1, keepdims=True)
        square = centred.T @ centred + 1e-3 * np.eye(40)
        change = np.linalg.solve(square, centred.T @ (wanted - rows @ mean))
        out[joint, near] = mean + change - change.mean()
    return out


def use_small_smpl(monkeypatch: Any, content: dict[str, Any]) -> None:
    """Let the importer take the stand-in's size and points for SMPL's."""
    body = BodyModel.load("open_body")
    landmarks = body.landmarks(body.v_template)
    near = {
        name: int(np.argmin(np.linalg.norm(content["v_template"] - landmarks[number], axis=1)))
        for name, number in LANDMARK_OF.items()
    }
    monkeypatch.setattr(smpl, "VERTEX_COUNT", len(content["v_template"]))
    monkeypatch.setattr(smpl, "_VERTICES", near)


def write_smpl(path: Path, content: dict[str, Any]) -> Path:
    """As Python 2 wrote it, with chumpy and scipy objects."""
    old = dict(content)
    for name in ("v_template", "shapedirs", "posedirs"):
        old[name] = chumpy(content[name])
    old["J_regressor"] = sparse(content["J_regressor"], "csc")
    path.write_bytes(python2_pickle(old))
    return path


_WIDTHS = (*((32, 32),) * 3, *((16, 16),) * 2)


def narrow_config(name: str, joints: int) -> Pose2MeshConfig:
    """The published hand's graphs with narrow layers: they suit a mesh of hundreds of vertices."""
    full = published_config("mano21", joints)
    mesh = replace(full.mesh, joint_widths=(16, 32), level_widths=_WIDTHS, output_widths=(16,))
    return replace(full, joint_set=name, pose=replace(full.pose, hidden=128, dropout=0.0), mesh=mesh)


def made_up_poses(count: int, generator: torch.Generator) -> torch.Tensor:
    """(B,24,3,3): people who stand or balance, arms hanging to spread, seen from about the front."""
    spread = torch.full((24, 3), 0.1)
    spread[[1, 2, 4, 5], 0] = 0.35
    spread[[1, 2, 16, 17, 18, 19], 2] = 0.3
    spread[[16, 17, 18, 19], 1] = 0.4
    spread[0] = torch.tensor([0.1, 0.5, 0.1])
    vector = torch.randn(count, 24, 3, generator=generator) * spread
    vector[:, [4, 5], 0] = vector[:, [4, 5], 0].abs() * 2
    hang = torch.rand(count, generator=generator) * 1.4
    vector[:, 16, 2] -= hang
    vector[:, 17, 2] += hang
    rotations = matrix_from_axis_angle(vector)
    rotations[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ rotations[:, 0]  # y up → y down
    return rotations


def train(
    body: BodyModel, joint_set: str, steps: int, order: Order = "introsort", rate: float = 3e-3
) -> Pose2Mesh:
    """A narrow published network for the body, trained for a moment on made-up poses without noise."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    config = replace(narrow_config(joint_set, len(joints_from_landmarks(joint_set))), order=order)
    model = build(config, body.triangles)
    with torch.no_grad():
        model.pose_lifter.w2.weight *= (
            300.0  # millimetres from the start, which Adam would need long to reach
        )
    skinned = BodyTorch(body, np.arange(len(body.v_template)))
    mix = torch.from_numpy(joints_from_landmarks(joint_set)).float()
    faces = torch.from_numpy(body.triangles.astype(np.int64))
    optimizer = torch.optim.Adam(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rotations = made_up_poses(BATCH, generator)
        landmarks, _, vertices = skinned.pose(rotations, torch.randn(BATCH, 10, generator=generator) * 0.5)
        joints = mix @ landmarks
        distant = joints + torch.tensor([0.0, 0.0, 4.0])
        plane = distant[..., :2] / distant[..., 2:]
        seen = (plane - plane.mean(1, keepdim=True)) / plane.std(1, keepdim=True, correction=0)
        found, lifted = model(seen)
        loss = losses.coordinate_loss(found, vertices) + 0.3 * losses.edge_loss(found, vertices, faces)
        loss = loss + 1e-3 * losses.coordinate_loss(lifted, joints * 1000.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def write_checkpoint(path: Path, model: Pose2Mesh) -> Path:
    """As the published training loop saves it: a DataParallel's names, numpy scalars in the logs."""
    content = {
        "epoch": 14,
        "model_state_dict": {f"module.{key}": value for key, value in model.state_dict().items()},
        "optim_state_dict": {"state": {}, "param_groups": [{"lr": 1e-4}]},
        "scheduler_state_dict": {"milestones": {12: 1}, "last_epoch": 14},
        "train_log": [np.float64(3.5), np.float32(1.5)],
        "test_log": {"mpjpe": [np.float64(64.9)]},
    }
    torch.save(content, path)
    return path
