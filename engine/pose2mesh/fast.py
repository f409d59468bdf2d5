"""The same network for inference only: exact in float32, several times faster than written plainly.

- Padding nodes are dropped: no real node ever reads one.
- Batch norms are folded into the layers before them.
- A graph convolution multiplies by its three weight matrices first, in one dense product, and then gathers
  with one sparse product whose matrix [U, L U, L^2 U] holds the upsampling and both powers of the Laplacian.
  As the dense product comes before the upsampling, it runs on half the rows where a level begins. No basis is
  concatenated, and the last layer gathers three channels instead of 64.
- PoseNet and the full connection see the whole batch; the graphs go through it in chunks that fit the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .chebyshev import K
from .meshnet import MeshNet, resample_features
from .model import MILLIMETRES, Pose2Mesh
from .posenet import PoseNet
from .skeletons import joint_set


def fast(model: Pose2Mesh, dtype: torch.dtype = torch.float32, chunk: int | None = None) -> FastPose2Mesh:
    """An inference copy of a network, on the CPU; the network itself stays as it is.

    Args:
        model: the trained network; its running statistics are used, whatever mode it is in.
        dtype: of the arithmetic; half precision keeps the layers that give coordinates in float32.
        chunk: samples per pass over the graphs; by default 1 on the CPU and all on other devices.
    """
    with torch.no_grad():
        return FastPose2Mesh(model, dtype, chunk).eval().requires_grad_(False)


class FastPose2Mesh(nn.Module):
    """As `Pose2Mesh`: (B, J, C) to vertices (B, V, 3) [m] and joints (B, J, 3) [mm]. Made by `fast`."""

    vertex_slots: Tensor

    def __init__(self, model: Pose2Mesh, dtype: torch.dtype, chunk: int | None) -> None:
        super().__init__()
        pyramid = model.pyramid.without_padding()
        self.chunk = chunk
        self.pose = _FastPoseNet(model.pose_lifter, dtype)
        self.register_buffer("vertex_slots", torch.from_numpy(pyramid.vertex_slots))

        mesh, config = model.pose2mesh, model.pose2mesh.config
        real = torch.from_numpy(model.pyramid.real[-1])
        layers = iter(range(len(mesh.cl)))
        joints = joint_set(model.config.joint_set).laplacian()
        self.joint_layers = nn.ModuleList(
            _GraphLayer(mesh, next(layers), joints, None, dtype) for _ in config.joint_widths
        )
        self.width = config.joint_widths[-1]
        self.fc_weight = nn.Parameter(_rows(mesh.fc.weight, real, self.width).to(dtype))
        self.fc_bias = nn.Parameter(_rows(mesh.fc.bias, real, self.width).to(dtype))

        laplacians = list(reversed(pyramid.laplacians))
        parents = [None, *reversed(pyramid.parents)]
        self.levels = nn.ModuleList()
        for widths, laplacian, parent in zip(config.level_widths, laplacians, parents, strict=True):
            graphs = [parent, *[None] * (len(widths) - 1)]
            convolutions = [_GraphLayer(mesh, next(layers), laplacian, graph, dtype) for graph in graphs]
            self.levels.append(_Level(convolutions, parent, dtype))
        self.output = nn.ModuleList(
            _GraphLayer(mesh, next(layers), laplacians[-1], None, dtype) for _ in config.output_widths
        )
        self.coordinates = _GraphLayer(mesh, next(layers), laplacians[-1], None, torch.float32)

    def forward(self, joints2d: Tensor) -> tuple[Tensor, Tensor]:
        """(B, J, C) to vertices (B, V, 3) and joints (B, J, 3)."""
        joints2d = joints2d.float()
        joints3d = self.pose(joints2d)
        batch = len(joints2d)
        x = torch.cat((joints2d, joints3d / MILLIMETRES), dim=-1).flatten(0, 1).to(self.fc_weight.dtype)
        for layer in self.joint_layers:
            x = F.relu(layer(x, batch))
        x = F.linear(x.view(batch, -1), self.fc_weight, self.fc_bias)
        chunk = self.chunk or (1 if x.device.type == "cpu" else batch)
        vertices = x.new_empty((batch, len(self.vertex_slots), 3), dtype=torch.float32)
        for start in range(0, batch, chunk):
            part = x[start : start + chunk]
            vertices[start : start + chunk] = self._graphs(part.reshape(-1, self.width), len(part))
        return vertices, joints3d

    def _graphs(self, x: Tensor, batch: int) -> Tensor:
        """(B N, F) features of the coarsest level, sample-major, to (B, V, 3)."""
        for level in self.levels:
            x = level(x, batch)
        for layer in self.output:
            x = layer(x, batch).relu_()
        coordinates: Tensor = self.coordinates(x.float(), batch).view(batch, -1, 3)
        return coordinates.index_select(1, self.vertex_slots)


class _FastPoseNet(nn.Module):
    """PoseNet, the second batch norm of each stage folded away; the first follows a residual and stays."""

    def __init__(self, net: PoseNet, dtype: torch.dtype) -> None:
        super().__init__()
        self.joints = net.config.joints
        self.first = _cast(net.w1, dtype)
        self.last = _cast(net.w2, torch.float32)
        self.norms = nn.ParameterList()
        self.linears = nn.ModuleList()
        stage: Any
        for stage in net.linear_stages:
            scale, shift = _affine(stage.batch_norm1)
            self.norms.extend((nn.Parameter(scale.to(dtype)), nn.Parameter(shift.to(dtype))))
            scale, shift = _affine(stage.batch_norm2)
            folded = _linear(scale[:, None] * stage.w1.weight, scale * stage.w1.bias + shift)
            self.linears.extend((_cast(folded, dtype), _cast(stage.w2, dtype)))

    def forward(self, joints2d: Tensor) -> Tensor:
        x = self.first(joints2d.flatten(1).to(self.first.weight.dtype))
        for i in range(0, len(self.linears), 2):
            y = torch.addcmul(self.norms[i + 1], x, self.norms[i]).relu_()
            x = x + self.linears[i + 1](self.linears[i](y).relu_())
        return self.last(x.float()).view(-1, self.joints, 3)  # type: ignore[no-any-return]


class _Level(nn.Module):
    """One residual block: (B N', F) on the coarser level to (B N, G)."""

    resample: Tensor | None
    parents: Tensor | None

    def __init__(
        self, layers: list[_GraphLayer], parents: npt.NDArray[np.int64] | None, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        inputs, outputs = layers[0].inputs, layers[-1].outputs
        resample = resample_features(torch.eye(inputs)[None], outputs)[0].to(dtype)
        self.register_buffer("resample", None if inputs == outputs else resample)
        self.register_buffer("parents", None if parents is None else torch.from_numpy(parents))

    def forward(self, x: Tensor, batch: int) -> Tensor:
        residual = x if self.resample is None else x @ self.resample
        if self.parents is not None:
            residual = (
                residual.view(batch, -1, residual.shape[-1]).index_select(1, self.parents).flatten(0, 1)
            )
        for layer in self.layers:
            x = layer(x, batch).relu_()
        return x.add_(residual)


class _GraphLayer(nn.Module):
    """A graph convolution, its batch norm folded in: (B N', F) to (B N, G), one sample after the other."""

    weight: Tensor
    bias: Tensor
    columns: Tensor
    starts: Tensor
    values: Tensor

    def __init__(
        self,
        net: MeshNet,
        number: int,
        laplacian: sp.csr_matrix,
        parents: npt.NDArray[np.int64] | None,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        linear: Any = net.cl[number]
        weight, bias = linear.weight, linear.bias
        if number < len(net.bn):
            scale, shift = _affine(net.bn[number])
            weight, bias = scale[:, None] * weight, scale * bias + shift
        w0, w1, w2 = weight.view(len(weight), -1, K).unbind(-1)
        self.outputs, self.inputs = (int(size) for size in w0.shape)
        self.register_buffer("weight", torch.cat((w0 - w2, w1, 2.0 * w2)).T.to(dtype).contiguous())
        self.register_buffer("bias", torch.cat((bias, torch.zeros(2 * self.outputs))).to(dtype))

        gather = _gather_matrix(laplacian, parents)
        self.nodes = gather.shape[0]
        self.register_buffer("columns", torch.from_numpy(gather.indices.astype(np.int64)))
        self.register_buffer("starts", torch.from_numpy(gather.indptr[:-1].astype(np.int64)))
        self.register_buffer("values", torch.from_numpy(gather.data).to(dtype))
        self._rows = int(gather.shape[1])
        self._tables: dict[tuple[int, torch.device], tuple[Tensor, Tensor, Tensor]] = {}

    def forward(self, x: Tensor, batch: int) -> Tensor:
        # (B N', 3 G) is, read as (3 B N', G), one row per sample, node and power of the Laplacian
        products = torch.addmm(self.bias, x, self.weight).view(-1, self.outputs)
        columns, starts, values = self._for_batch(batch)
        return torch.embedding_bag(products, columns, starts, False, 0, False, values)[0]

    def _for_batch(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        """The gather table for several samples: the one sample's, repeated at an offset."""
        if batch == 1:
            return self.columns, self.starts, self.values
        key = batch, self.columns.device
        if key not in self._tables:
            samples = torch.arange(batch, device=self.columns.device)[:, None]
            self._tables = {  # one entry: batches of one clip are of one size but for the last
                key: (
                    (self.columns + samples * self._rows).flatten(),
                    (self.starts + samples * len(self.columns)).flatten(),
                    self.values.repeat(batch),
                )
            }
        return self._tables[key]


def _gather_matrix(laplacian: sp.csr_matrix, parents: npt.NDArray[np.int64] | None) -> sp.csr_matrix:
    """U, L U and L^2 U side by side, float32 (N, 3 N'), their columns interleaved: node * 3 + power."""
    laplacian = laplacian.astype(np.float64)
    nodes = laplacian.shape[0]
    step = sp.identity(nodes, format="csr")
    if parents is not None:
        step = sp.csr_matrix((np.ones(nodes), (np.arange(nodes), parents)))
    rows, columns, values = [], [], []
    for power in range(K):
        entries = step.tocoo()
        rows.append(entries.row)
        columns.append(entries.col.astype(np.int64) * K + power)
        values.append(entries.data)
        step = laplacian @ step
    shape = (nodes, K * step.shape[1])
    parts = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    gather = sp.coo_matrix(parts, shape=shape).tocsr().astype(np.float32)
    gather.sort_indices()
    return gather


def _affine(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Scale and shift that a batch norm applies in evaluation mode."""
    assert isinstance(norm, nn.BatchNorm1d) and norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - scale * norm.running_mean


def _rows(values: Tensor, real: Tensor, width: int) -> Tensor:
    """The rows of the full connection that belong to real nodes."""
    return values.view(len(real), width, *values.shape[1:])[real].flatten(0, 1)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
    return linear


def _cast(linear: nn.Linear, dtype: torch.dtype) -> nn.Linear:
    """A copy whose parameters are of another type; shares memory where they are of that type already."""
    return _linear(linear.weight.detach().to(dtype), linear.bias.detach().to(dtype))
