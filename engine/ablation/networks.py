"""The networks the ablations compare, all with the interface of `BodyNetwork`."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from ..pose2mesh.body_network import LANDMARKS, BodyMesh, BodyNetwork, body_config
from ..pose2mesh.coarsening import MeshPyramid
from ..pose2mesh.config import MeshNetConfig
from ..pose2mesh.meshnet import MeshNet
from ..pose2mesh.observation import Observation
from ..pose2mesh.posenet import ResidualStage
from ..pose2mesh.skeletons import joint_set
from ..train.body_torch import BodyTorch
from .recipe import Recipe
from .views import see

LEVEL_WIDTHS = ((64, 64), (64, 64), (32, 32), (32, 32))
OUTPUT_WIDTHS = (32,)
"""MeshNet's convolutions, coarsest level first, as in the shipped network."""
JOINTS, BETAS = 24, 10


class AblationNetwork(BodyNetwork):
    """The body network with the recipe's view, decoder and target in place of its own.

    Args:
        recipe: what to build.
        mesh: the coarse mesh.
        body: the same vertices, for decoders that end in the body's parameters.
    """

    def __init__(self, recipe: Recipe, mesh: BodyMesh, body: BodyTorch) -> None:
        super().__init__(body_config(recipe.hidden, LEVEL_WIDTHS, OUTPUT_WIDTHS), mesh)
        self.recipe = recipe
        if recipe.decoder == "linear":
            return
        self.decode.zero_()
        self.network.register_module("pose2mesh", self._decoder(body))
        if recipe.decoder == "fully_connected" or recipe.target == "parameters":
            self.network.vertex_slots = torch.arange(len(mesh.vertex_ids))  # these keep the mesh's own order

    def lift(self, observation: Observation, frames: int = 1) -> Tensor:
        """Landmarks (B,33,3) m from what the recipe lets PoseNet see."""
        seen = see(observation, self.recipe.view)
        return super().lift(seen, frames) @ (seen.rotation.mT @ observation.rotation)

    def bones(self, observation: Observation) -> Tensor:
        """How foreshortened the bones look, or zeros."""
        bones = super().bones(observation)
        return bones if self.recipe.bones else torch.zeros_like(bones)

    def decode_mesh(self, observation: Observation, landmarks: Tensor) -> Tensor:
        """Vertices (B,N,3) m from what the recipe lets the decoder read."""
        if self.recipe.decoder == "linear":
            return self.decode @ landmarks
        seen = see(observation, self.recipe.view)
        turn = seen.rotation.mT @ observation.rotation  # from the view's axes to the observation's
        landmarks = landmarks @ turn.mT
        if self.recipe.reads == "2d":
            landmarks = torch.zeros_like(landmarks)
        if self.recipe.reads == "3d":
            seen = Observation(torch.zeros_like(seen.points), torch.zeros_like(seen.extent), seen.rotation)
        return super().decode_mesh(seen, landmarks) @ turn

    def parameters_used(self) -> int:
        """Trained numbers that the vertices depend on."""
        parts: list[nn.Module] = []
        if self.recipe.decoder != "linear":
            parts.append(self.network.pose2mesh)
        if self.recipe.decoder == "linear" or self.recipe.reads != "2d":
            parts.append(self.network.pose_lifter)
        return sum(parameter.numel() for part in parts for parameter in part.parameters())

    def _decoder(self, body: BodyTorch) -> nn.Module:
        recipe, config, vertices = self.recipe, self.config.mesh, len(self.mesh.vertex_ids)
        if recipe.decoder == "graph":
            kind = MeshNet if recipe.resolution == "coarse_to_fine" else DirectMeshNet
            laplacian = joint_set(self.config.joint_set).laplacian()
            trunk: nn.Module = kind(config, self.network.pyramid, laplacian)
            width = 3 * vertices
        else:
            trunk, width = FullyConnected(LANDMARKS * config.input_channels, recipe.hidden), recipe.hidden
        if recipe.target == "parameters":
            return Parametric(trunk, width, body)
        # All vertices start at the origin, whatever the layers before.
        if isinstance(trunk, MeshNet):
            nn.init.zeros_(next(trunk.cl[-1].parameters()))
            return trunk
        last = nn.Linear(width, 3 * vertices)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        return nn.Sequential(trunk, last, nn.Unflatten(1, (vertices, 3)))


class FullyConnected(nn.Module):
    """(B,J,C) → (B,hidden): PoseNet's layers without its last."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(inputs, hidden),
            ResidualStage(hidden, dropout=0.0),
            ResidualStage(hidden, dropout=0.0),
        )

    def forward(self, joints: Tensor) -> Tensor:
        """(B,J,C) → (B,hidden)."""
        return self.layers(joints)  # type: ignore[no-any-return]


class Parametric(nn.Module):
    """Ends a network in 24 rotations (6 numbers each) and 10 shape coefficients, and poses the body by them.

    It starts from the rest pose, upright before the camera.

    Args:
        trunk: (B,J,C) → (B,...) with `width` numbers per sample.
        body: gives the vertices; losses reach the parameters through it.
    """

    def __init__(self, trunk: nn.Module, width: int, body: BodyTorch) -> None:
        super().__init__()
        self.trunk, self.body = trunk, body
        self.read = nn.Linear(width, JOINTS * 6 + BETAS)
        nn.init.zeros_(self.read.weight)
        with torch.no_grad():
            rest = torch.tensor([1.0, 0, 0, 0, 1, 0]).repeat(JOINTS, 1)
            rest[0, 4] = -1.0  # the body's y points up, the camera's down
            self.read.bias.copy_(torch.cat([rest.flatten(), torch.zeros(BETAS)]))

    def forward(self, joints: Tensor) -> Tensor:
        """(B,J,C) → vertices (B,N,3) m, in the order of the body's `vertex_ids`."""
        features = self.trunk(joints).flatten(1)
        with torch.autocast(features.device.type, enabled=False):  # half precision bends the limbs
            return self.vertices(self.read(features.float()))

    def vertices(self, parameters: Tensor) -> Tensor:
        """(B,154) → (B,N,3)."""
        rotations = rotation_from_6d(parameters[:, : JOINTS * 6].view(-1, JOINTS, 6))
        return self.body.pose(rotations, parameters[:, JOINTS * 6 :])[2]


def mesh_edges(mesh: BodyMesh) -> Tensor:
    """(E,2), each edge of the coarse mesh once."""
    pairs = mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    return torch.from_numpy(np.unique(np.sort(pairs, axis=1), axis=0))


def rotation_from_6d(numbers: Tensor) -> Tensor:
    """(...,6), the first two columns of a rotation before Gram-Schmidt, → (...,3,3) (Zhou et al. 2019)."""
    first = nn.functional.normalize(numbers[..., :3], dim=-1)
    rest = numbers[..., 3:] - (first * numbers[..., 3:]).sum(-1, keepdim=True) * first
    second = nn.functional.normalize(rest, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)


class DirectMeshNet(MeshNet):
    """MeshNet with every convolution on the finest graph, and the very same parameters.

    The full connection still gives features of the coarsest nodes, of which every vertex takes its
    ancestor's at once.
    """

    def __init__(self, config: MeshNetConfig, pyramid: MeshPyramid, joint_laplacian: sp.csr_matrix) -> None:
        super().__init__(config, pyramid, joint_laplacian)
        ancestor = torch.arange(pyramid.sizes[0])
        for parents in pyramid.parents:
            ancestor = torch.from_numpy(parents)[ancestor]
        self.register_module("fc", nn.Sequential(self.fc, _CopyDown(ancestor, config.joint_widths[-1])))
        self.coarsest = pyramid.sizes[0]
        self.laplacians = nn.ModuleList(self.laplacians[-1] for _ in self.laplacians)
        self.upsamplings = nn.ModuleList(nn.Identity() for _ in self.upsamplings)


class _CopyDown(nn.Module):
    """(B, M·width) features of the coarsest nodes → (B, N·width) of the vertices below them."""

    ancestor: Tensor

    def __init__(self, ancestor: Tensor, width: int) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("ancestor", ancestor, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        nodes = features.view(len(features), -1, self.width)
        return nodes[:, self.ancestor].flatten(1)
