"""The fast network gives the plain one's numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from golden import golden
from test_meshnet import SMALL

from engine.body.model import BodyModel
from engine.pose2mesh import dense
from engine.pose2mesh.body_network import BodyNetwork, load_body_network, shipped_weights
from engine.pose2mesh.config import published_config
from engine.pose2mesh.fast import _centred, _relu, fast, fast_body
from engine.pose2mesh.model import Pose2Mesh, build
from engine.pose2mesh.observation import Observation, observe_plane

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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_sample_at_a_time_and_all_at_once_agree(model: Pose2Mesh, dtype: torch.dtype) -> None:
    """The CPU's form and CUDA's form of the same sums."""
    x = _pose(model, 5)
    with torch.no_grad():
        one, all_at_once = fast(model, dtype)(x)[0], fast(model, dtype, chunk=64)(x)[0]
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    torch.testing.assert_close(one, all_at_once, rtol=0, atol=tolerance * float(one.max() - one.min()))


def test_without_onednn_the_numbers_are_the_same(model: Pose2Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    x = _pose(model, 2)
    with torch.no_grad():
        packed = fast(model)(x)
        monkeypatch.setattr(dense, "packs", lambda *_: False)
        plain = fast(model)(x)
    for one, other in zip(packed, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * float(one.max() - one.min()))


@pytest.mark.parametrize("packed", [True, False])
def test_dense_layer(packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not packed:
        monkeypatch.setattr(dense, "packs", lambda *_: False)
    weight, bias, x, plus = torch.randn(7, 5), torch.randn(7), torch.randn(3, 5), torch.randn(3, 7)
    expected = x @ weight.T + bias
    with torch.no_grad():
        torch.testing.assert_close(dense.Dense(weight, bias, 64)(x), expected)
        torch.testing.assert_close(dense.Dense(weight, bias, 64)(x, plus=plus), expected + plus)
        torch.testing.assert_close(dense.Dense(weight, bias, 64, relu=True)(x), expected.relu())


@pytest.mark.skipif(not dense.halves(torch.ones(1), torch.device("cpu")), reason="no FBGEMM here")
def test_weights_stored_in_half_precision() -> None:
    weight, bias, x, plus = torch.randn(7, 5), torch.randn(7), torch.randn(3, 5), torch.randn(3, 7)
    expected = x @ weight.half().float().T + bias
    with torch.no_grad():
        torch.testing.assert_close(dense.HalfStored(weight, bias)(x), expected)
        torch.testing.assert_close(dense.HalfStored(weight, bias)(x, plus=plus), expected + plus)
        torch.testing.assert_close(dense.HalfStored(weight, bias, relu=True)(x), expected.relu())


def test_weights_beyond_half_precision_are_not_stored_in_it() -> None:
    assert not dense.halves(torch.tensor([1.0, -1e5]), torch.device("cpu"))


def test_relu_of_bfloat16_is_relu() -> None:
    x = torch.tensor([-torch.inf, -3.5, -1e-39, -0.0, 0.0, 1e-39, 2.0, torch.inf])
    for kind in (torch.bfloat16, torch.float32):
        torch.testing.assert_close(_relu(x.to(kind)), x.to(kind).relu(), rtol=0, atol=0)


def test_centred_graphs(model: Pose2Mesh) -> None:
    for level, laplacian in enumerate(model.pyramid.without_padding().laplacians):
        centre, rest = _centred(laplacian)
        assert abs(rest.diagonal().mean()) < 1e-6
        assert level > 0 or rest.nnz == laplacian.nnz - laplacian.shape[0]
        again = centre * np.eye(rest.shape[0]) + rest.toarray()
        np.testing.assert_allclose(again, laplacian.toarray(), rtol=0, atol=1e-7)


@pytest.fixture(scope="module", params=["open_body_light", "open_body_quality"])
def shipped(request: pytest.FixtureRequest) -> tuple[BodyNetwork, Observation]:
    """Our own networks, trained and of a real body's size, and people in several poses and places."""
    body, rng = BodyModel.load("open_body"), np.random.default_rng(0)
    poses = 0.25 * rng.standard_normal((8, 24, 3))
    poses[:, 0] = [np.pi, 0, 0]
    trans = [0, 0, 4] + 0.5 * rng.standard_normal((8, 3))
    vertices = body.vertices(poses.astype(np.float32), np.zeros(10, np.float32), trans.astype(np.float32))
    points = torch.from_numpy(body.landmarks(vertices)).float()
    network = load_body_network(shipped_weights(request.param))
    return network, observe_plane(points[..., :2] / points[..., 2:], torch.ones(8, 33))


@pytest.mark.parametrize(("dtype", "millimetres"), [(torch.float32, 0.05), (torch.bfloat16, 1.0)])
@pytest.mark.parametrize("frames", [1, 4])
def test_our_own_networks_give_the_same_body(
    shipped: tuple[BodyNetwork, Observation], dtype: torch.dtype, millimetres: float, frames: int
) -> None:
    """Every vertex, frames on their own and clips."""
    network, observation = shipped
    with torch.no_grad():
        expected = network(observation, frames)
        ours = fast_body(network, dtype)(observation, frames)
    height = np.ptp(expected[1].numpy(), axis=1).max()
    assert 1.0 < height < 2.5  # metres: a real body's size
    for quick, exact in zip(ours, expected, strict=True):
        assert (quick - exact).norm(dim=-1).max() * 1000 < millimetres
