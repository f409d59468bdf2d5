"""The losses and their gradients against the published code's, in float64."""

import numpy as np
import pytest
import torch
from golden import golden, uniform

from engine.pose2mesh import losses

MISC = golden("misc")


@pytest.fixture(scope="module")
def meshes() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Predicted and true vertices (2, V, 3) and faces."""
    data = golden("human36")
    first = data["template_vertices"].astype(np.float64)
    first -= first.mean(axis=0)
    first = first / np.ptp(first, axis=0).max() * 1.7
    target = np.stack((first, first[:, [2, 0, 1]] * 1.1))
    noise = uniform(int(MISC["loss_pred_noise_tag"]), target.size).reshape(target.shape)
    predicted = target + 0.05 * (noise - 0.5)
    return (
        torch.from_numpy(predicted),
        torch.from_numpy(target),
        torch.from_numpy(data["faces"].astype(np.int64)),
    )


def _check(name: str, loss, predicted: torch.Tensor) -> None:
    predicted = predicted.clone().requires_grad_()
    value = loss(predicted)
    value.backward()
    np.testing.assert_allclose(value.item(), MISC[f"loss_{name}"], rtol=1e-9)
    np.testing.assert_allclose(predicted.grad.abs().sum(), MISC[f"loss_{name}_gradabs"], rtol=1e-9)
    np.testing.assert_allclose(predicted.grad[0, :4], MISC[f"loss_{name}_grad_first4"], rtol=1e-9, atol=1e-15)


def test_vertex_loss(meshes) -> None:
    predicted, target, _ = meshes
    _check("vertex_allvalid", lambda p: losses.coordinate_loss(p, target), predicted)
    half = torch.tensor([1.0, 0.0]).double()[:, None, None]
    _check("vertex_halfvalid", lambda p: losses.coordinate_loss(p, target, half), predicted)


def test_normal_loss(meshes) -> None:
    predicted, target, faces = meshes
    _check("normal", lambda p: losses.normal_loss(p, target, faces), predicted)


def test_edge_loss(meshes) -> None:
    predicted, target, faces = meshes
    _check("edge", lambda p: losses.edge_loss(p, target, faces), predicted)


def test_joint_loss() -> None:
    predicted, target, valid = (torch.from_numpy(MISC[f"loss_joint_{k}"]) for k in ("pred", "gt", "valid"))
    np.testing.assert_allclose(
        losses.coordinate_loss(predicted, target, valid), MISC["loss_joint"], rtol=1e-12
    )


def test_a_collapsed_mesh_still_has_a_gradient(meshes) -> None:
    _, target, faces = meshes
    collapsed = torch.zeros_like(target, requires_grad=True)
    (losses.edge_loss(collapsed, target, faces) + losses.normal_loss(collapsed, target, faces)).backward()
    assert torch.isfinite(collapsed.grad).all()


@pytest.mark.parametrize("with_edges", [True, False])
def test_total_weighs_the_terms_as_published(meshes, with_edges: bool) -> None:
    predicted, target, faces = meshes
    joints_mm, joints_true = (torch.from_numpy(MISC[f"loss_joint_{k}"]) for k in ("pred", "gt"))
    valid = torch.from_numpy(MISC["loss_joint_valid"])
    regressor = torch.zeros(3, predicted.shape[1], dtype=torch.float64)
    regressor[[0, 1, 2], [5, 50, 500]] = 1.0
    everything = torch.ones(2, 1, 1).double()
    targets = losses.Targets(target, (regressor @ target) * 1000, joints_true, everything, everything, valid)
    result = losses.published_losses(predicted, joints_mm, targets, regressor, faces, with_edges)
    from_mesh = (predicted[:, [5, 50, 500]] - target[:, [5, 50, 500]]).abs().mean() * 1000
    expected = (
        MISC["loss_vertex_allvalid"]
        + 0.1 * MISC["loss_normal"]
        + 20 * MISC["loss_edge"] * with_edges
        + 1e-3 * (from_mesh.item() + MISC["loss_joint"])
    )
    np.testing.assert_allclose(result.total.item(), float(expected), rtol=1e-9)
