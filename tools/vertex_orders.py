"""How surely a wrong vertex order is told from the right one: the table in docs/network.md.

    python -m tools.vertex_orders [--vertices 400 700] [--marks 0 20 100 300]

For each size the open body on a coarse mesh, and a narrow published network that learns it from made-up
poses. At every mark the misfits of what it decodes, in its own order and in others whose graphs have the
same sizes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from engine.body.model import BodyModel
from engine.pose2mesh import coarsening, losses
from engine.pose2mesh.checkpoint import graph_misfit, shape_misfit
from engine.pose2mesh.coarse_mesh import coarse_mesh
from engine.pose2mesh.config import Pose2MeshConfig, published_config
from engine.pose2mesh.landmark_joints import joints_from_landmarks
from engine.pose2mesh.model import Pose2Mesh, build
from engine.pose2mesh.reference_pose import reference_pose
from engine.pose2mesh.skeletons import joint_set
from engine.train.body_torch import BodyTorch
from engine.train.rotations import matrix_from_axis_angle

JOINTS = "coco19"
WIDTH = 16
LARGE = 2000
"""Meshes of more vertices get the body's graphs, others the hand's."""
WRONG, TRIES = 6, 60


def main() -> None:
    """Print one row per size and mark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vertices", type=int, nargs="+", default=[400, 700, 1500, 2500])
    parser.add_argument("--marks", type=int, nargs="+", default=[0, 20, 100, 300])
    options = parser.parse_args()
    print("vertices | steps | error mm | shape: right / wrong | graph: right / wrong")
    for count in options.vertices:
        for row in measure(BodyModel.load("open_body"), count, sorted(options.marks)):
            print(row, flush=True)


def measure(body: BodyModel, count: int, marks: list[int]) -> Iterator[str]:
    """Train on about `count` vertices; a row of the table at every mark."""
    ids, faces = coarse_mesh(body.v_template, body.triangles, count)
    template = body.v_template[ids]
    torch.manual_seed(0)
    config = narrow(len(ids) > LARGE)
    model = build(config, faces)
    with torch.no_grad():
        model.pose_lifter.w2.weight *= 300.0  # millimetres from the start
    others = other_orders(model, config, faces)
    skinned, generator = BodyTorch(body, ids), torch.Generator().manual_seed(0)
    held_out = draw(skinned, 48, torch.Generator().manual_seed(9))
    triangles = torch.from_numpy(faces)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(marks[-1] + 1):
        if step in marks:
            model.eval()
            with torch.no_grad():
                error = 1000 * (model(held_out[0])[0] - held_out[2]).norm(dim=-1).mean()
            for other in others:
                other.load_state_dict(model.state_dict())
            decoded = [decode(each) for each in (model, *others)]
            shape = [shape_misfit(vertices, template) for vertices in decoded]
            graph = [graph_misfit(vertices, faces) for vertices in decoded]
            yield f"{len(ids)} | {step} | {error:.0f} | {listed(shape)} | {listed(graph)}"
            model.train()
        seen, joints, vertices = draw(skinned, 12, generator)
        found, lifted = model(seen)
        loss = losses.coordinate_loss(found, vertices) + 0.1 * losses.normal_loss(found, vertices, triangles)
        loss = loss + 1e-3 * losses.coordinate_loss(lifted, joints * 1000)
        if step > marks[-1] // 3:
            loss = loss + 20 * losses.edge_loss(found, vertices, triangles)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def narrow(large: bool) -> Pose2MeshConfig:
    """The published graphs of the body or the hand, with narrow layers."""
    full = published_config(JOINTS if large else "mano21", len(joint_set(JOINTS)))
    widths = ((WIDTH, WIDTH),) * full.mesh.levels
    mesh = replace(full.mesh, joint_widths=(16, 32), level_widths=widths, output_widths=(WIDTH,))
    return replace(full, joint_set=JOINTS, pose=replace(full.pose, hidden=128, dropout=0.0), mesh=mesh)


def other_orders(model: Pose2Mesh, config: Pose2MeshConfig, faces: np.ndarray) -> list[Pose2Mesh]:
    """Networks whose ties in the coarsening break at random, where their parameters are of the same shape."""
    found: list[Pose2Mesh] = []
    stable = coarsening._ARGSORT["stable"]
    for seed in range(TRIES):
        random = np.random.default_rng(seed)
        coarsening._ARGSORT["stable"] = lambda keys, r=random: np.lexsort((r.random(len(keys)), keys))  # type: ignore[misc]
        pyramid = coarsening.mesh_pyramid(faces, config.mesh.levels, config.depth, "stable")
        if pyramid.sizes == model.pyramid.sizes and len(found) < WRONG:
            found.append(Pose2Mesh(config, pyramid).eval())
    coarsening._ARGSORT["stable"] = stable
    return found


def draw(body: BodyTorch, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """People who stand or balance: standardised joints (B,J,2), joints (B,J,3) m, vertices (B,N,3) m."""
    spread = torch.full((24, 3), 0.1)
    spread[[1, 2, 4, 5], 0] = 0.35
    spread[[1, 2, 16, 17, 18, 19], 2] = 0.3
    spread[[16, 17, 18, 19], 1] = 0.4
    spread[0, 1] = 0.5
    vector = torch.randn(count, 24, 3, generator=generator) * spread
    hang = 1.4 * torch.rand(count, generator=generator)
    vector[:, 16, 2] -= hang
    vector[:, 17, 2] += hang
    rotations = matrix_from_axis_angle(vector)
    rotations[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ rotations[:, 0]  # y up → y down
    landmarks, _, vertices = body.pose(rotations, torch.randn(count, 10, generator=generator) * 0.5)
    joints = torch.from_numpy(joints_from_landmarks(JOINTS)).float() @ landmarks
    plane = joints[..., :2] / (joints[..., 2:] + 4.0)
    seen = (plane - plane.mean(1, keepdim=True)) / plane.std(1, keepdim=True, correction=0)
    return seen, joints, vertices


@torch.no_grad()
def decode(model: Pose2Mesh) -> np.ndarray:
    """(V, 3) of a plain pose."""
    vertices: np.ndarray = model(torch.from_numpy(reference_pose(joint_set(JOINTS)))[None])[0][0].numpy()
    return vertices.astype(np.float64)


def listed(misfits: list[float]) -> str:
    """Right order / range of the wrong ones."""
    right, *wrong = misfits
    return f"{right:.2f} / {min(wrong):.2f}–{max(wrong):.2f}" if wrong else f"{right:.2f} / –"


if __name__ == "__main__":
    main()
