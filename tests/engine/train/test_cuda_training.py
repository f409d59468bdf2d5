"""A training on a pretended GPU ends with the numbers of one on the CPU, stopped and resumed in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pretended_gpu import CUDA, Mismatch, OnGpu, pretended_gpu
from torch import Tensor

from engine.body.model import BodyModel
from engine.pose2mesh.body_network import BodyMesh, BodyNetwork, body_config
from engine.train import loop
from engine.train.body_torch import BodyTorch
from engine.train.detector_noise import DetectorNoise
from engine.train.linear_maps import build_body_mesh
from engine.train.measured_errors import measured_errors
from engine.train.motions import MotionSet, load_motions
from engine.train.schedule import Schedule
from engine.train.synthesis import Synthesis

STAGES = (
    Schedule("lift", 2, 8, 3e-3, views=2, average=0.9),
    Schedule("time", 2, 8, 3e-3, frames=4, average=0.9),
    Schedule("mesh", 3, 8, 3e-3, mesh_batch=4, frames=4, average=0.9),
)
FORMULA = DetectorNoise(jitter=(0.01,) * 33)


@pytest.fixture(scope="module")
def motions(motion_file: Path, body: BodyModel) -> MotionSet:
    return load_motions(motion_file, body, unique_only=False)


@pytest.fixture(scope="module")
def mesh(body: BodyModel, motions: MotionSet) -> BodyMesh:
    return build_body_mesh(body, motions, 80)


def trained(
    body: BodyModel, mesh: BodyMesh, motions: MotionSet, device: str, out: Path, noise: DetectorNoise
) -> dict[str, Tensor]:
    """All stages, each one process's work: what is handed on lies in the checkpoint."""
    torch.manual_seed(0)
    there = torch.device(device)
    points = BodyTorch(body, mesh.vertex_ids, there)
    # Of one width, for what is resampled is rounded otherwise on CUDA.
    network = BodyNetwork(body_config(32, ((32,), (32,)), (), temporal_width=8), mesh)
    for number, stage in enumerate(STAGES):
        loop.train(
            network, points, motions.to(there), stage, out, number, noise, Synthesis(hips=1.2, hips_error=0.1)
        )
    assert next(network.parameters()).device.type == there.type
    return torch.load(out, weights_only=True)["network"]


def test_training_on_cuda(
    body: BodyModel,
    mesh: BodyMesh,
    motions: MotionSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = trained(body, mesh, motions, "cpu", tmp_path / "cpu.pt", DetectorNoise())
    monkeypatch.setattr(loop, "SAVE_EVERY", 2)
    cuda = tmp_path / "cuda.pt"
    with pretended_gpu():
        real = loop.compute_losses
        calls: list[tuple[Any, ...]] = []

        def stopped(*args: Any) -> dict[str, Tensor]:
            calls.append(args)
            if len(calls) == 7:  # the last of all
                raise KeyboardInterrupt
            return real(*args)

        monkeypatch.setattr(loop, "compute_losses", stopped)
        with pytest.raises(KeyboardInterrupt):
            trained(body, mesh, motions, "cuda", cuda, DetectorNoise())
        monkeypatch.setattr(loop, "compute_losses", real)
        ours = trained(body, mesh, motions, "cuda", cuda, DetectorNoise())
    assert all(isinstance(field, OnGpu) for args in calls for field in args[1].observation)
    for name, value in expected.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize("left", ["joint_basis", "landmark_correctives", "bone_axes"])
def test_a_table_left_behind_is_found(left: str, body: BodyModel, mesh: BodyMesh, motions: MotionSet) -> None:
    with pretended_gpu():
        points = BodyTorch(body, mesh.vertex_ids[:2], CUDA)
        generator = torch.Generator(device="cuda").manual_seed(0)

        def draw(on: MotionSet) -> object:
            return loop.draw_pairs(points, on, 4, FORMULA, Synthesis(), generator)

        draw(motions.to(CUDA))
        with pytest.raises(Mismatch, match="other device"):
            draw(motions)
        setattr(points, left, getattr(points, left).cpu())
        with pytest.raises(Mismatch):
            draw(motions.to(CUDA))


@pytest.fixture(autouse=True)
def fresh_errors():
    """No tensor of the pretended GPU outlives its test."""
    yield
    measured_errors.cache_clear()
