"""The cells' networks do what their names say."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from engine.ablation.networks import AblationNetwork, DirectMeshNet, Parametric, rotation_from_6d
from engine.ablation.recipe import OURS, PUBLISHED, Recipe
from engine.ablation.runner import Setting
from engine.ablation.views import see
from engine.pose2mesh.body_network import observed
from engine.pose2mesh.observation import Observation
from engine.train.loop import draw_pairs
from engine.train.rotations import matrix_from_axis_angle
from engine.train.synthesis import PLAIN, Pairs, Synthesis, draw_rotations

PARAMETERS = replace(PUBLISHED, target="parameters")
FULLY_CONNECTED = replace(PUBLISHED, decoder="fully_connected")
DIRECT = replace(PUBLISHED, resolution="direct")


def build(setting: Setting, recipe: Recipe) -> AblationNetwork:
    """With random numbers where training starts from zeros, so that every input counts."""
    torch.manual_seed(0)
    network = AblationNetwork(replace(recipe, hidden=32), setting.mesh, setting.points).eval()
    with torch.no_grad():
        for parameter in network.network.pose2mesh.parameters():
            if not parameter.any():
                nn.init.normal_(parameter, std=0.02)
    return network


@pytest.fixture(scope="module")
def pairs(setting: Setting) -> Pairs:
    generator = torch.Generator().manual_seed(2)
    return draw_pairs(setting.points, setting.motions, 6, PUBLISHED.noise, Synthesis(), generator)


def test_parameters_reproduce_the_vertices_they_came_from(setting: Setting) -> None:
    generator = torch.Generator().manual_seed(1)
    rotations = draw_rotations(setting.motions, 5, PLAIN, generator)[:, 0]
    betas = torch.randn(5, 10, generator=generator)
    head = build(setting, PARAMETERS).network.pose2mesh
    assert isinstance(head, Parametric)
    # 6D numbers are any two vectors in the plane of the first two columns: lengths and skew do not matter.
    first, second = 1.7 * rotations[..., 0], 0.4 * rotations[..., 1] + 0.3 * rotations[..., 0]
    numbers = torch.cat([torch.cat([first, second], -1).flatten(1), betas], 1)
    truth = setting.points.pose(rotations, betas)[2]
    torch.testing.assert_close(head.vertices(numbers), truth, atol=1e-5, rtol=0)


def test_six_numbers_make_a_rotation() -> None:
    vectors = torch.randn(50, 3, generator=torch.Generator().manual_seed(3))
    rotations = matrix_from_axis_angle(vectors)
    numbers = torch.cat([rotations[..., 0], rotations[..., 1]], -1)
    torch.testing.assert_close(rotation_from_6d(numbers), rotations, atol=1e-5, rtol=0)
    loose = rotation_from_6d(torch.randn(50, 6, generator=torch.Generator().manual_seed(4)))
    torch.testing.assert_close(loose @ loose.mT, torch.eye(3).expand(50, 3, 3), atol=1e-5, rtol=0)
    assert (torch.linalg.det(loose) > 0.99).all()


def test_parameters_start_from_the_body_at_rest_before_the_camera(setting: Setting, pairs: Pairs) -> None:
    network = AblationNetwork(replace(PARAMETERS, hidden=32), setting.mesh, setting.points).eval()
    vertices = network(pairs.observation)[1]
    upright = torch.eye(3).expand(6, 24, 3, 3).clone()
    upright[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    as_filmed = see(pairs.observation, "published").rotation
    expected = setting.points.pose(upright, torch.zeros(6, 10))[2] @ as_filmed.mT @ pairs.observation.rotation
    torch.testing.assert_close(vertices, expected, atol=1e-5, rtol=0)


def test_half_precision_does_not_reach_the_body(setting: Setting, pairs: Pairs) -> None:
    head = build(setting, PARAMETERS).network.pose2mesh
    numbers = torch.randn(4, 154, generator=torch.Generator().manual_seed(5))
    head.register_module("trunk", nn.Identity())
    head.register_module("read", nn.Identity())
    exact = head(numbers)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(head(numbers), exact)


@pytest.mark.parametrize("recipe", [PUBLISHED, FULLY_CONNECTED, PARAMETERS, DIRECT])
@pytest.mark.parametrize("reads", ["2d", "3d", "both"])
def test_the_decoder_reads_what_it_is_given_and_nothing_else(
    setting: Setting, pairs: Pairs, recipe: Recipe, reads: str
) -> None:
    network = build(setting, replace(recipe, reads=reads))
    landmarks, observation = pairs.landmarks, pairs.observation
    other_2d = Observation(observation.points.flip(0), observation.extent.flip(0), observation.rotation)
    vertices = network.decode_mesh(observation, landmarks)
    assert torch.equal(vertices, network.decode_mesh(other_2d, landmarks)) == (reads == "3d")
    assert torch.equal(vertices, network.decode_mesh(observation, landmarks.flip(0))) == (reads == "2d")


def test_the_published_wiring_is_the_engines_own(setting: Setting, pairs: Pairs) -> None:
    """Both kinds of landmarks through MeshNet, and no linear decoding beside it."""
    network = build(setting, PUBLISHED)
    landmarks, vertices = network(pairs.observation)
    seen = see(pairs.observation, "published")
    turn = seen.rotation.mT @ pairs.observation.rotation
    features = torch.cat([observed(seen), landmarks @ turn.mT], -1)
    inner = network.network
    torch.testing.assert_close(
        vertices, inner.pose2mesh(features)[:, inner.vertex_slots] @ turn, atol=1e-4, rtol=0
    )


def test_direct_has_the_parameters_of_coarse_to_fine_and_works_on_the_finest_graph_alone(
    setting: Setting, pairs: Pairs
) -> None:
    fine, direct = build(setting, PUBLISHED), build(setting, DIRECT)
    assert isinstance(direct.network.pose2mesh, DirectMeshNet)
    assert fine.parameters_used() == direct.parameters_used()
    rows = [rows_per_layer(network, pairs) for network in (fine, direct)]
    vertices = len(setting.mesh.vertex_ids)
    assert set(rows[1][2:]) == {vertices} and len(rows[0]) == len(rows[1])
    assert min(rows[0][2:]) < vertices / 4 and max(rows[0]) == vertices


def rows_per_layer(network: AblationNetwork, pairs: Pairs) -> list[int]:
    """Nodes that each graph convolution works on, counted as they are called."""
    net = network.network.pose2mesh
    rows: list[int] = []
    whole = net.convolve

    def counted(x: torch.Tensor, laplacian: nn.Module, *rest: nn.Module) -> torch.Tensor:
        rows.append(laplacian.shape[0])
        return whole(x, laplacian, *rest)

    net.convolve = counted
    network(pairs.observation)
    return rows


def test_a_direct_vertex_starts_from_its_coarsest_ancestor(setting: Setting) -> None:
    direct = build(setting, DIRECT).network.pose2mesh
    pyramid = build(setting, PUBLISHED).network.pyramid
    slot = torch.arange(pyramid.sizes[0])
    for parents in pyramid.parents:
        slot = torch.from_numpy(parents)[slot]
    assert torch.equal(direct.fc[1].ancestor, slot)
    assert len(slot.unique()) == pyramid.sizes[-1]


def test_the_linear_decoder_is_the_mesh_s_own_map(setting: Setting, pairs: Pairs) -> None:
    network = build(setting, OURS)
    landmarks, vertices = network(pairs.observation)
    decode = torch.as_tensor(setting.mesh.decode, dtype=torch.float32)
    torch.testing.assert_close(vertices, decode @ landmarks)
    lifter = sum(p.numel() for p in network.network.pose_lifter.parameters())
    assert network.parameters_used() == lifter
    without = build(setting, replace(PUBLISHED, reads="2d")).parameters_used()
    assert build(setting, PUBLISHED).parameters_used() == without + lifter


def test_wider_is_wider(setting: Setting) -> None:
    sizes = [
        AblationNetwork(replace(OURS, hidden=hidden), setting.mesh, setting.points).parameters_used()
        for hidden in (32, 64)
    ]
    assert sizes[1] > 2 * sizes[0]
