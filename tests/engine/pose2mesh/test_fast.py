"""The fast network gives the plain one's numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from golden import golden
from test_meshnet import SMALL

from engine.pose2mesh.config import published_config
from engine.pose2mesh.fast import fast
from engine.pose2mesh.model import Pose2Mesh, build

PUBLISHED_BODY = published_config("human36m17", 17)
BODY = replace(
    PUBLISHED_BODY, pose=replace(PUBLISHED_BODY.pose, hidden=64)
)  # MeshNet in full, PoseNet narrow


def _lively(model: Pose2Mesh) -> Pose2Mesh:
    """Batch norms as after training: every statistic and parameter its own."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.3, 0.3)
            torch.nn.init.uniform_(module.running_mean, -0.3, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model.eval()


@pytest.fixture(scope="module", params=["body", "hand with padding", "hand without"])
def model(request: pytest.FixtureRequest) -> Pose2Mesh:
    torch.manual_seed(0)
    if request.param == "body":
        return _lively(build(BODY, golden("human36")["faces"]))
    return _lively(build(replace(SMALL, padding="with " in request.param), golden("mano")["faces"]))


def _pose(model: Pose2Mesh, batch: int) -> torch.Tensor:
    return torch.randn(batch, model.config.pose.joints, model.config.pose.input_channels)


@pytest.mark.parametrize(("batch", "chunk"), [(1, None), (3, None), (3, 2), (2, 8)])
def test_float32_equals_the_plain_network(model: Pose2Mesh, batch: int, chunk: int | None) -> None:
    x = _pose(model, batch)
    with torch.no_grad():
        for ours, plain in zip(fast(model, chunk=chunk)(x), model(x), strict=True):
            assert ours.shape == plain.shape
            assert ours.dtype == torch.float32
            torch.testing.assert_close(ours, plain, rtol=0, atol=1e-5 * np.ptp(plain.numpy()))


def test_bfloat16_stays_near(model: Pose2Mesh) -> None:
    x = _pose(model, 2)
    with torch.no_grad():
        for ours, plain in zip(fast(model, torch.bfloat16)(x), model(x), strict=True):
            assert ours.dtype == torch.float32
            assert (ours - plain).square().mean().sqrt() < 0.02 * plain.square().mean().sqrt()
            assert not torch.equal(ours, plain)


def test_the_network_itself_is_left_alone(model: Pose2Mesh) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    quick = fast(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(parameter.requires_grad for parameter in quick.parameters())


def test_batches_of_changing_size(model: Pose2Mesh) -> None:
    quick, x = fast(model, chunk=4), _pose(model, 7)
    with torch.no_grad():
        whole = quick(x)[0]  # chunks of 4 and 3
        again = torch.cat([quick(part)[0] for part in x.split([2, 5])])
    torch.testing.assert_close(whole, again, rtol=0, atol=1e-5 * float(whole.max() - whole.min()))
