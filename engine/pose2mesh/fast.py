"""The same network for inference only: exact in float32, several times faster than written plainly.

- Padding nodes are dropped: no real node ever reads one.
- Batch norms are folded into the layers before them, and PoseNet's last two linear maps, between which
  nothing bends, into one.
- A graph convolution multiplies by its three weight matrices first, in one dense product, and then gathers
  with one sparse product whose matrix [U, L U, L^2 U] holds the upsampling and both powers of the Laplacian.
  As the dense product comes before the upsampling, it runs on half the rows where a level begins. No basis is
  concatenated, and the last layer gathers three channels instead of 64.
- On CPUs PoseNet and the full connection see the whole batch, and the graphs one sample after the other,
  which fits the caches; on CUDA everything sees the whole batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from .body_network import LIFT_UNIT, BodyNetwork
from .chebyshev import K
from .dense import Dense
from .meshnet import MeshNet, resample_features
from .model import MILLIMETRES, Pose2Mesh
from .observation import Observation
from .posenet import PoseNet
from .skeletons import joint_set

ROWS = 64
"""Samples that PoseNet and the full connection are laid out for."""


def fast(
    model: Pose2Mesh,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    chunk: int | None = None,
    units_per_metre: float = MILLIMETRES,
) -> FastPose2Mesh:
    """An inference copy of a network; the network itself stays as it is.

    Args:
        model: the trained network; its running statistics are used, whatever mode it is in.
        dtype: of the arithmetic; half precision keeps the layers that give coordinates in float32.
        device: where the copy is made, and stays: its weights are laid out for that device.
        chunk: samples per pass over the graphs; by default 1 on the CPU and all on other devices.
        units_per_metre: of PoseNet's output; millimetres as published.
    """
    device = torch.device(device)
    chunk = (1 if device.type == "cpu" else None) if chunk is None else chunk
    with torch.no_grad():
        return FastPose2Mesh(model, dtype, device, chunk, units_per_metre).eval()


def fast_body(
    network: BodyNetwork, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> FastBody:
    """The same for our own body's network."""
    return FastBody(network, fast(network.network, dtype, device, units_per_metre=1 / LIFT_UNIT))


class FastBody(nn.Module):
    """As `BodyNetwork`: observation to landmarks (B,33,3) and vertices (B,N,3) [m]. Made by `fast_body`."""

    decode: Tensor

    def __init__(self, network: BodyNetwork, quick: FastPose2Mesh) -> None:
        super().__init__()
        self.mesh = network.mesh
        self.network = quick
        self.register_buffer("decode", network.decode.to(quick.device), persistent=False)

    def forward(self, observation: Observation) -> tuple[Tensor, Tensor]:
        """Landmarks (B,33,3) and vertices (B,N,3)."""
        points = observation.points
        extent = observation.extent[:, None].expand(-1, points.shape[1], 1)
        residual, joints = self.network(torch.cat((points, extent), -1))
        landmarks = joints * LIFT_UNIT
        return landmarks, self.decode @ landmarks + residual


class FastPose2Mesh(nn.Module):
    """As `Pose2Mesh`: (B, J, C) to vertices (B, V, 3) [m] and joints (B, J, 3) [mm]. Made by `fast`."""

    def __init__(
        self,
        model: Pose2Mesh,
        dtype: torch.dtype,
        device: torch.device,
        chunk: int | None,
        units_per_metre: float,
    ) -> None:
        super().__init__()
        self.device, self.chunk, self.units_per_metre = device, chunk, units_per_metre
        pyramid = model.pyramid.without_padding()
        self.vertices = len(pyramid.vertex_slots)
        self.pose = _FastPoseNet(model.pose_lifter, dtype, device)

        mesh, config = model.pose2mesh, model.pose2mesh.config
        make = _LayerMaker(mesh, dtype, device)
        joints = joint_set(model.config.joint_set).laplacian()
        self.joint_layers = nn.ModuleList(make(joints) for _ in config.joint_widths)
        real = torch.from_numpy(model.pyramid.real[-1])
        self.width = config.joint_widths[-1]
        weight, bias = (_rows(value, real, self.width) for value in (mesh.fc.weight, mesh.fc.bias))
        self.fc = Dense(weight.to(device, dtype), bias.to(device), ROWS)

        make.one_sample = chunk == 1
        laplacians = list(reversed(pyramid.laplacians))
        parents = [None, *reversed(pyramid.parents)]
        self.levels = nn.ModuleList()
        for widths, laplacian, parent in zip(config.level_widths, laplacians, parents, strict=True):
            layers = [make(laplacian, graph) for graph in (parent, *[None] * (len(widths) - 1))]
            self.levels.append(_Level(layers, parent))
        self.output = nn.ModuleList(make(laplacians[-1]) for _ in config.output_widths)
        make.dtype = torch.float32
        self.coordinates = make(laplacians[-1], slots=pyramid.vertex_slots)

    def forward(self, joints2d: Tensor) -> tuple[Tensor, Tensor]:
        """(B, J, C) to vertices (B, V, 3) and joints (B, J, 3)."""
        joints2d = joints2d.float()
        joints3d = self.pose(joints2d)
        x = torch.cat((joints2d, joints3d / self.units_per_metre), dim=-1).transpose(0, 1)
        for layer in self.joint_layers:
            x = layer(x).relu_()
        batch = len(joints2d)
        x = self.fc(x.transpose(0, 1).reshape(batch, -1)).view(batch, -1, self.width)
        if self.chunk is None or batch <= self.chunk:
            return self._graphs(x), joints3d
        vertices = joints3d.new_empty((batch, self.vertices, 3))
        for start in range(0, batch, self.chunk):
            part = slice(start, start + self.chunk)
            vertices[part] = self._graphs(x[part])
        return vertices, joints3d

    def _graphs(self, x: Tensor) -> Tensor:
        """(B, N, F) features of the coarsest level to (B, V, 3)."""
        x = x.transpose(0, 1)
        for level in self.levels:
            x = level(x)
        for layer in self.output:
            x = layer(x).relu_()
        coordinates: Tensor = self.coordinates(x)
        return coordinates.transpose(0, 1)


class _FastPoseNet(nn.Module):
    """PoseNet. The second batch norm of each stage is folded away; the first follows a residual and stays.

    The last stage's second layer is followed by nothing but the sum and the output layer, so that their
    product takes its place: H x H weights become 3 J x H.
    """

    def __init__(self, net: PoseNet, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__()
        self.joints = net.config.joints
        self.first = _dense(net.w1.weight, net.w1.bias, dtype, device)
        self.last = _dense(net.w2.weight, net.w2.bias, torch.float32, device)
        self.norms = nn.ParameterList()
        self.linears = nn.ModuleList()
        stage: Any
        for number, stage in enumerate(net.linear_stages, 1):
            for value in _affine(stage.batch_norm1):
                self.norms.append(nn.Parameter(value.to(device, dtype), requires_grad=False))
            scale, shift = _affine(stage.batch_norm2)
            weight, bias = scale[:, None] * stage.w1.weight, scale * stage.w1.bias + shift
            self.linears.append(_dense(weight, bias, dtype, device, relu=True))
            weight, bias, kind = stage.w2.weight, stage.w2.bias, dtype
            if number == len(net.linear_stages):
                weight, bias, kind = net.w2.weight @ weight, net.w2.weight @ bias, torch.float32
            self.linears.append(_dense(weight, bias, kind, device))

    def forward(self, joints2d: Tensor) -> Tensor:
        x = self.first(joints2d.flatten(1))
        joints = 0.0
        for i in range(0, len(self.linears), 2):
            y = torch.addcmul(self.norms[i + 1], x, self.norms[i]).relu_()
            y = self.linears[i + 1](self.linears[i](y))
            if i + 2 == len(self.linears):
                joints = y
            else:
                x = x + y
        joints = joints + self.last(x)
        return joints.view(-1, self.joints, 3)  # type: ignore[no-any-return]


class _Level(nn.Module):
    """One residual block: (N', B, F) on the coarser level to (N, B, G)."""

    parents: Tensor | None

    def __init__(self, layers: list[_GraphLayer], parents: npt.NDArray[np.int64] | None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.outputs = layers[-1].outputs
        device = layers[0].bias.device
        self.register_buffer("parents", None if parents is None else torch.from_numpy(parents).to(device))

    def forward(self, x: Tensor) -> Tensor:
        residual = resample_features(x, self.outputs)
        if self.parents is not None:
            residual = residual.index_select(0, self.parents)
        for layer in self.layers:
            x = layer(x).relu_()
        return x.add_(residual)


class _GraphLayer(nn.Module):
    """A graph convolution with its batch norm folded in: (N', B, F) to (N, B, G).

    For one sample the three products are one, (N', 3 G), which read as (3 N', G) has a row per node and power
    of the Laplacian; for more samples they lie one after the other, (3 N', B G), a row per power and node.
    """

    weight: Tensor | None
    bias: Tensor

    def __init__(
        self, weight: Tensor, bias: Tensor, gather: _Gather, one_sample: bool, dtype: torch.dtype
    ) -> None:
        super().__init__()
        w0, w1, w2 = weight.view(len(weight), -1, K).unbind(-1)
        powers = torch.stack((w0 - w2, w1, 2.0 * w2)).to(dtype)
        self.outputs, self.inputs = (int(size) for size in w0.shape)
        self.gather = gather
        self.one_sample = one_sample
        self.register_buffer("bias", bias.to(dtype))
        self.dense: Dense | None = None
        if one_sample:
            bias = torch.cat((bias, torch.zeros(2 * self.outputs, device=bias.device)))
            self.dense = Dense(powers.flatten(0, 1), bias, gather.nodes)
            powers = None
        self.register_buffer("weight", None if powers is None else powers.transpose(1, 2).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[1]
        x = x.reshape(-1, self.inputs)
        if self.dense is not None:
            return self.gather(self.dense(x).view(-1, self.outputs)).view(-1, 1, self.outputs)
        assert self.weight is not None
        products = torch.matmul(x.to(self.weight.dtype), self.weight)
        y: Tensor = self.gather(products.view(-1, batch * self.outputs)).view(-1, batch, self.outputs)
        return y.add_(self.bias)


class _Gather(nn.Module):
    """Weighted sums of rows, (3 N', W) to (N, W): U, L U and L^2 U side by side."""

    columns: Tensor
    starts: Tensor
    values: Tensor

    def __init__(self, matrix: sp.csr_matrix, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__()
        self.nodes = int(matrix.shape[0])
        self.register_buffer("columns", torch.from_numpy(matrix.indices.astype(np.int32)).to(device))
        self.register_buffer("starts", torch.from_numpy(matrix.indptr[:-1].astype(np.int32)).to(device))
        self.register_buffer("values", torch.from_numpy(matrix.data).to(device, dtype))

    def forward(self, rows: Tensor) -> Tensor:
        y: Tensor = torch.embedding_bag(rows, self.columns, self.starts, False, 0, False, self.values)[0]
        return y


class _LayerMaker:
    """Makes MeshNet's convolutions in their order; those on one graph share its table."""

    def __init__(self, net: MeshNet, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype, self.device = dtype, device
        self.one_sample = False
        self._norms = iter((*net.bn, None))
        self._linears = iter(net.cl)
        self._gathers: dict[tuple[Any, ...], _Gather] = {}

    def __call__(
        self,
        laplacian: sp.csr_matrix,
        parents: npt.NDArray[np.int64] | None = None,
        slots: npt.NDArray[np.int64] | None = None,
    ) -> _GraphLayer:
        """The next layer, on that graph; `parents` where it begins a level, `slots` to order its nodes."""
        linear: Any = next(self._linears)
        norm = next(self._norms)
        weight, bias = linear.weight.detach(), linear.bias.detach()
        if norm is not None:
            scale, shift = _affine(norm)
            weight, bias = scale[:, None] * weight, scale * bias + shift
        key = id(laplacian), parents is None, slots is None, self.one_sample, self.dtype
        if key not in self._gathers:
            matrix = _gather_matrix(laplacian, parents, interleaved=self.one_sample)
            matrix = matrix if slots is None else matrix[slots]
            self._gathers[key] = _Gather(matrix, self.dtype, self.device)
        return _GraphLayer(
            weight.to(self.device), bias.to(self.device), self._gathers[key], self.one_sample, self.dtype
        )


def _gather_matrix(
    laplacian: sp.csr_matrix, parents: npt.NDArray[np.int64] | None, interleaved: bool
) -> sp.csr_matrix:
    """U, L U and L^2 U side by side, float32 (N, 3 N'): column power * N' + node, or node * 3 + power."""
    laplacian = laplacian.astype(np.float64)
    nodes = laplacian.shape[0]
    step = sp.identity(nodes, format="csr")
    if parents is not None:
        step = sp.csr_matrix((np.ones(nodes), (np.arange(nodes), parents)))
    powers = [step, laplacian @ step, laplacian @ (laplacian @ step)]
    gather = sp.hstack(powers, format="csc")
    if interleaved:
        gather = gather[:, np.arange(gather.shape[1]).reshape(K, -1).T.ravel()]
    gather = gather.tocsr().astype(np.float32)
    gather.sort_indices()
    return gather


def _affine(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Scale and shift that a batch norm applies in evaluation mode."""
    assert isinstance(norm, nn.BatchNorm1d) and norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - scale * norm.running_mean


def _rows(values: Tensor, real: Tensor, width: int) -> Tensor:
    """The rows of the full connection that belong to real nodes."""
    real = real.to(values.device)
    return values.detach().view(len(real), width, *values.shape[1:])[real].flatten(0, 1)


def _dense(
    weight: Tensor, bias: Tensor, dtype: torch.dtype, device: torch.device, relu: bool = False
) -> Dense:
    """PoseNet's layers; on other devices than the CPU the weights are shared where nothing changes them."""
    return Dense(weight.detach().to(device, dtype), bias.detach().to(device), ROWS, relu)
