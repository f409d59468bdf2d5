"""MeshNet and PoseNet beyond the published sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from golden import golden

from engine.errors import EngineError
from engine.pose2mesh.config import MeshNetConfig, Pose2MeshConfig, PoseNetConfig, published_config
from engine.pose2mesh.meshnet import resample_features
from engine.pose2mesh.model import build

MISC = golden("misc")
FACES = golden("mano")["faces"]
SMALL = Pose2MeshConfig(
    "mediapipe33",
    PoseNetConfig(33, input_channels=3, hidden=32, stages=1, dropout=0.0),
    MeshNetConfig(33, 6, (8, 16), ((16, 24), (24,), (8, 8, 8)), (8, 8)),
    depth=2,
    padding=False,
    order="stable",
)


@pytest.mark.parametrize(("source", "target"), [(64, 256), (256, 128)])
def test_residuals_are_resampled_along_the_features(source: int, target: int) -> None:
    x = torch.from_numpy(MISC[f"interp_in{source}"])
    expected = MISC[f"interp_{source}_to_{target}"]
    np.testing.assert_allclose(resample_features(x.expand(2, 3, -1), target)[1, 2], expected, atol=1e-12)


def test_any_mesh_joints_levels_and_widths() -> None:
    model = build(SMALL, FACES)
    vertices, joints = model(torch.randn(4, 33, 3))
    assert vertices.shape == (4, 778, 3)
    assert joints.shape == (4, 33, 3)
    (vertices.square().mean() + joints.square().mean()).backward()
    unused = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert unused == {"pose_lifter.batch_norm1.weight", "pose_lifter.batch_norm1.bias"}


def test_padding_changes_nothing_but_the_work() -> None:
    torch.manual_seed(0)
    padded = build(replace(SMALL, padding=True), FACES).eval()
    bare = build(SMALL, FACES).eval()
    assert (
        bare.pose2mesh.coarsest < padded.pose2mesh.coarsest or bare.pyramid.sizes[0] < padded.pyramid.sizes[0]
    )
    state = padded.state_dict()
    rows = torch.from_numpy(padded.pyramid.real[-1])
    width = SMALL.mesh.joint_widths[-1]
    for name in ("pose2mesh.fc.weight", "pose2mesh.fc.bias"):
        value = state[name]
        state[name] = value.view(len(rows), width, -1)[rows].reshape(-1, *value.shape[1:])
    bare.load_state_dict(state)
    x = torch.randn(2, 33, 3)
    with torch.no_grad():
        torch.testing.assert_close(bare(x)[0], padded(x)[0], rtol=0, atol=1e-5)


def test_levels_must_match() -> None:
    with pytest.raises(EngineError, match="fewer levels"):
        build(replace(SMALL, depth=5), np.array([[0, 1, 2]]))


def test_description_survives_a_round_trip() -> None:
    for config in (SMALL, published_config("human36m17", 17), published_config("mano21", 21)):
        assert Pose2MeshConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    "change", [{"order": "random"}, {"mesh": {}}, {"pose": 3}, {"surprise": 1}, {"mesh": {"joint_widths": 5}}]
)
def test_unreadable_descriptions_are_refused(change: dict) -> None:
    with pytest.raises(EngineError, match="network description"):
        Pose2MeshConfig.from_dict({**SMALL.to_dict(), **change})
